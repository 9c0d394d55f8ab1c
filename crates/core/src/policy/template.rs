//! `{{identity.entity.name}}` and its like in the path of a rule, filled in for each caller anew.
use crate::identity::Subject;
use crate::identity::subject::{SubjectAlias, SubjectGroup};
use lessor_engine::template::Template;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What values of templates may bring into a path. Everything is forbidden unless the policy says so (OpenBao).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Switches {
    /// `*` and `+`.
    pub wildcards: bool,
    /// `/`.
    pub slashes: bool,
}

impl Switches {
    fn admit(self, value: &str) -> bool {
        (self.wildcards || !value.contains(['*', '+'])) && (self.slashes || !value.contains('/'))
    }
}

/// A path with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    /// In front of the first variable.
    head: String,
    /// Each variable with the text behind it.
    tail: Vec<(String, String)>,
}

/// Braces that do not pair.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unbalanced templating characters")]
pub struct Unbalanced;

impl PathTemplate {
    /// Reads a path.
    ///
    /// # Errors
    /// When `{{` and `}}` do not pair.
    pub fn parse(path: &str) -> Result<Self, Unbalanced> {
        let mut pieces = path.split("{{");
        let head = pieces.next().unwrap_or_default();
        if head.contains("}}") {
            return Err(Unbalanced);
        }
        let variable = |piece: &str| {
            let (name, text) = piece.split_once("}}").ok_or(Unbalanced)?;
            if text.contains("}}") { Err(Unbalanced) } else { Ok((name.trim().to_owned(), text.to_owned())) }
        };
        Ok(Self { head: head.to_owned(), tail: pieces.map(variable).collect::<Result<_, _>>()? })
    }
    /// Whether it depends on who asks.
    pub fn is_templated(&self) -> bool {
        !self.tail.is_empty()
    }
    /// The path for this caller; `None` where something is not known of them or must not stand in a path.
    pub fn resolve(&self, subject: Option<&Subject>, switches: Switches) -> Option<Cow<'_, str>> {
        if self.tail.is_empty() {
            return Some(Cow::Borrowed(&self.head));
        }
        let subject = subject?;
        let mut path = self.head.clone();
        for (name, text) in &self.tail {
            let value = value(subject, name).filter(|value| !value.is_empty() && switches.admit(value))?;
            path.push_str(value);
            path.push_str(text);
        }
        Some(Cow::Owned(path))
    }
}

impl lessor_engine::Identified for Subject {
    fn value(&self, variable: &str) -> Option<String> {
        value(self, variable).map(str::to_owned)
    }
}

fn value<'a>(subject: &'a Subject, name: &str) -> Option<&'a str> {
    if let Some(rest) = name.strip_prefix("identity.entity.") {
        return of_entity(subject, rest);
    }
    let rest = name.strip_prefix("identity.groups.")?;
    let (by, rest) = rest.split_once('.')?;
    let (key, field) = rest.split_once('.')?;
    let named = |group: &&SubjectGroup| match by {
        "ids" => group.id == key,
        "names" => group.name == key,
        _ => false,
    };
    let group = subject.groups.iter().find(named)?;
    match field {
        "id" => Some(&group.id),
        "name" => Some(&group.name),
        _ => entry(&group.metadata, field, "metadata."),
    }
}

fn of_entity<'a>(subject: &'a Subject, field: &str) -> Option<&'a str> {
    match field {
        "id" => Some(&subject.id),
        "name" => Some(&subject.name),
        _ => match field.strip_prefix("aliases.") {
            Some(rest) => {
                let (accessor, field) = rest.split_once('.')?;
                of_alias(subject.aliases.iter().find(|alias| alias.mount_accessor == accessor)?, field)
            }
            None => entry(&subject.metadata, field, "metadata."),
        },
    }
}

fn of_alias<'a>(alias: &'a SubjectAlias, field: &str) -> Option<&'a str> {
    match field {
        "id" => Some(&alias.id),
        "name" => Some(&alias.name),
        _ => entry(&alias.metadata, field, "metadata.")
            .or_else(|| entry(&alias.custom_metadata, field, "custom_metadata.")),
    }
}

fn entry<'a>(map: &'a BTreeMap<String, String>, field: &str, prefix: &str) -> Option<&'a str> {
    map.get(field.strip_prefix(prefix)?).map(String::as_str)
}

/// The path that a listed key stands for, by the Go template of `list_scan_response_keys_filter_path`.
///
/// # Errors
/// When the template cannot be rendered.
pub(super) fn key_path(filter: &str, path: &str, key: &str) -> Result<String, String> {
    let template = Template::parse(filter).map_err(|error| error.to_string());
    let rendered = template.and_then(|t| t.render(&json!({ "key": key, "path": path })).map_err(|e| e.to_string()));
    rendered.map_err(|error| format!("unable to compile template for list_scan_response_keys_filter_path: {error}"))
}
