//! Looking things up in a [`Body`] without caring which of the language's spellings was used.
use crate::{Body, Error, Item, Key, Node, Result, Span, Value};
use std::collections::HashSet;

/// `name "label" { … }`, also if it was written `name = { label = { … } }` or as JSON lists and objects.
#[derive(Clone, Debug)]
pub struct Block<'a> {
    /// As many as were asked for.
    pub labels: Vec<&'a Key>,
    /// What it holds.
    pub body: &'a Body,
    /// Where it begins.
    pub span: Span,
}

impl<'a> Block<'a> {
    /// The text of a label.
    pub fn label(&self, index: usize) -> Option<&'a str> {
        self.labels.get(index).map(|key| key.text.as_str())
    }
}

impl Body {
    /// The value of `name = value`; the last one where there are several.
    pub fn attr(&self, name: &str) -> Option<&Node> {
        let mut found = self.items.iter().rev();
        found.find(|item| item.keys.len() == 1 && item.name() == name).map(|item| &item.value)
    }

    /// A string attribute.
    ///
    /// # Errors
    /// It is there and is not a string.
    pub fn string(&self, name: &str) -> Result<Option<&str>> {
        self.attr(name).map(|node| node.string(name)).transpose()
    }

    /// A list of strings, also if it was written as one string.
    ///
    /// # Errors
    /// It is there and is neither.
    pub fn strings(&self, name: &str) -> Result<Option<Vec<&str>>> {
        self.attr(name).map(|node| node.strings(name)).transpose()
    }

    /// A boolean attribute; `"true"`, `"1"`, `1` and their opposites count.
    ///
    /// # Errors
    /// It is there and is none of these.
    pub fn bool(&self, name: &str) -> Result<Option<bool>> {
        self.attr(name).map(|node| node.bool(name)).transpose()
    }

    /// A whole number, also if it was written as a string of digits.
    ///
    /// # Errors
    /// It is there and is neither.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        self.attr(name).map(|node| node.int(name)).transpose()
    }

    /// Every block of that name with `labels` labels each, in the order they were written. Keys of nested
    /// objects and lists of objects count as labels and as repetition, as JSON has to write them so.
    ///
    /// # Errors
    /// Something of that name has more labels, or too few, or is no object.
    pub fn blocks(&self, name: &str, labels: usize) -> Result<Vec<Block<'_>>> {
        let mut found = Vec::new();
        for item in self.items.iter().filter(|item| item.name() == name) {
            let given: Vec<&Key> = item.keys.iter().skip(1).collect();
            collect(name, labels, given, &item.value, item.span(), &mut found)?;
        }
        Ok(found)
    }

    /// Items whose name is none of `known`.
    pub fn unknown<'a>(&'a self, known: &'a [&str]) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| !known.contains(&item.name()))
    }

    /// Attributes that repeat a name; blocks may repeat, so they do not count.
    pub fn duplicates(&self) -> impl Iterator<Item = &Item> {
        let mut seen = HashSet::new();
        let plain = |item: &&Item| item.keys.len() == 1 && !matches!(item.value.value, Value::Object(_));
        self.items.iter().filter(plain).filter(move |item| !seen.insert(item.name()))
    }
}

fn collect<'a>(
    name: &str,
    wanted: usize,
    labels: Vec<&'a Key>,
    node: &'a Node,
    span: Span,
    found: &mut Vec<Block<'a>>,
) -> Result<()> {
    if labels.len() > wanted {
        return Err(Error::at(span, format!("`{name}` takes {wanted} label(s), got {}", labels.len())));
    }
    match &node.value {
        Value::Object(body) if labels.len() == wanted => {
            found.push(Block { labels, body, span });
            Ok(())
        }
        Value::Object(body) => {
            for item in &body.items {
                let mut labels = labels.clone();
                labels.extend(&item.keys);
                collect(name, wanted, labels, &item.value, item.span(), found)?;
            }
            Ok(())
        }
        Value::List(nodes) => {
            for node in nodes {
                collect(name, wanted, labels.clone(), node, node.span, found)?;
            }
            Ok(())
        }
        Value::Null => Ok(()),
        other => Err(Error::at(node.span, format!("`{name}` must be a block, got a {}", other.kind()))),
    }
}

impl Node {
    fn wrong<T>(&self, name: &str, wanted: &str) -> Result<T> {
        Err(Error::at(self.span, format!("`{name}` must be a {wanted}, got a {}", self.value.kind())))
    }

    /// The text of a string; `name` is for the message only.
    ///
    /// # Errors
    /// It is not a string.
    pub fn string(&self, name: &str) -> Result<&str> {
        match &self.value {
            Value::String(text) => Ok(text),
            _ => self.wrong(name, "string"),
        }
    }

    /// The texts of a list of strings, or of one string.
    ///
    /// # Errors
    /// It is neither.
    pub fn strings(&self, name: &str) -> Result<Vec<&str>> {
        match &self.value {
            Value::String(text) => Ok(vec![text]),
            Value::List(nodes) => nodes.iter().map(|node| node.string(name)).collect(),
            _ => self.wrong(name, "list of strings"),
        }
    }

    /// A boolean, or what stands for one.
    ///
    /// # Errors
    /// It does not.
    pub fn bool(&self, name: &str) -> Result<bool> {
        match &self.value {
            Value::Bool(value) => Ok(*value),
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            Value::String(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
                "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
                _ => self.wrong(name, "boolean"),
            },
            _ => self.wrong(name, "boolean"),
        }
    }

    /// A whole number, or a string that holds one.
    ///
    /// # Errors
    /// It does not.
    pub fn int(&self, name: &str) -> Result<i64> {
        match &self.value {
            Value::Int(value) => Ok(*value),
            Value::String(text) => match text.trim().parse() {
                Ok(value) => Ok(value),
                Err(_) => self.wrong(name, "whole number"),
            },
            _ => self.wrong(name, "whole number"),
        }
    }
}
