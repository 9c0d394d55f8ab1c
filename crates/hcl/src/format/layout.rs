//! Entries into text.
use super::{Element, Entry, Item, Value};

const INDENT: &str = "  ";

/// The whole document; ends with a line end.
pub(super) fn document(entries: &[Entry<'_>]) -> String {
    let mut out = body(entries, 0, false);
    out.push('\n');
    out
}

fn body(entries: &[Entry<'_>], depth: usize, aligned: bool) -> String {
    let mut blocks: Vec<String> = Vec::new();
    let mut at = 0;
    let mut before: Option<&Item<'_>> = None;
    while let Some(entry) = entries.get(at) {
        match entry {
            Entry::Comments(lines) => {
                blocks.push(indented(lines, depth));
                before = None;
                at += 1;
            }
            Entry::Item(item) => {
                let count = if aligned { group(&entries[at..]) } else { 1 };
                let items: Vec<&Item<'_>> = entries[at..at + count].iter().filter_map(item_of).collect();
                let text = aligned_items(&items, depth);
                match (before, blocks.last_mut()) {
                    // Neighbours of one line each, outside of objects, stay neighbours.
                    (Some(previous), Some(block)) if !aligned && close(previous, item) => {
                        block.push('\n');
                        block.push_str(&text);
                    }
                    _ => blocks.push(text),
                }
                before = Some(item);
                at += count;
            }
        }
    }
    blocks.join("\n\n")
}

fn item_of<'a, 'b>(entry: &'b Entry<'a>) -> Option<&'b Item<'a>> {
    match entry {
        Entry::Item(item) => Some(item),
        Entry::Comments(_) => None,
    }
}

fn single_line(item: &Item<'_>) -> bool {
    match &item.value {
        Value::Literal(text) => !text.contains('\n'),
        Value::List { broken, elements, .. } => !broken && elements.iter().all(|element| is_plain(&element.value)),
        Value::Object(entries) => entries.is_empty(),
    }
}

fn is_plain(value: &Value<'_>) -> bool {
    matches!(value, Value::Literal(text) if !text.contains('\n'))
}

fn close(previous: &Item<'_>, item: &Item<'_>) -> bool {
    single_line(previous) && single_line(item) && item.lead.is_empty() && item.line == previous.line + 1
}

/// How many items from the first on stand on lines that follow each other.
fn group(entries: &[Entry<'_>]) -> usize {
    let mut count = 1;
    while let (Some(Entry::Item(previous)), Some(Entry::Item(item))) = (entries.get(count - 1), entries.get(count)) {
        if !close(previous, item) {
            break;
        }
        count += 1;
    }
    count
}

fn indented(lines: &[&str], depth: usize) -> String {
    let pad = INDENT.repeat(depth);
    lines.iter().map(|line| format!("{pad}{line}")).collect::<Vec<_>>().join("\n")
}

fn aligned_items(items: &[&Item<'_>], depth: usize) -> String {
    let pad = INDENT.repeat(depth);
    let keys = |item: &Item<'_>| item.keys.join(" ");
    let width = items.iter().map(|item| keys(item).chars().count()).max().unwrap_or(0);
    let line = |item: &Item<'_>| {
        let sign = if item.assigned { "= " } else { "" };
        format!("{pad}{:width$} {sign}{}", keys(item), value(&item.value, depth))
    };
    let lines: Vec<String> = items.iter().map(|item| line(item)).collect();
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut out: Vec<String> = Vec::new();
    for (item, line) in items.iter().zip(lines) {
        if !item.lead.is_empty() {
            out.push(indented(&item.lead, depth));
        }
        out.push(match item.trail {
            Some(comment) if items.len() > 1 => format!("{line:longest$} {comment}"),
            Some(comment) => format!("{line} {comment}"),
            None => line,
        });
    }
    out.join("\n")
}

fn value(value: &Value<'_>, depth: usize) -> String {
    match value {
        Value::Literal(text) => (*text).to_owned(),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            format!("{{\n{}\n{}}}", body(entries, depth + 1, true), INDENT.repeat(depth))
        }
        Value::List { elements, tail, broken } if *broken || !tail.is_empty() => broken_list(elements, tail, depth),
        Value::List { elements, .. } => {
            let elements: Vec<String> = elements.iter().map(|element| self::value(&element.value, depth)).collect();
            format!("[{}]", elements.join(", "))
        }
    }
}

fn broken_list(elements: &[Element<'_>], tail: &[&str], depth: usize) -> String {
    let pad = INDENT.repeat(depth + 1);
    let mut lines: Vec<String> = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        if !element.lead.is_empty() {
            lines.push(indented(&element.lead, depth + 1));
        }
        let text = format!("{pad}{},", value(&element.value, depth + 1));
        match element.trail {
            Some(comment) => {
                lines.push(format!("{text} {comment}"));
                if at + 1 < elements.len() {
                    lines.push(String::new());
                }
            }
            None => lines.push(text),
        }
    }
    if !tail.is_empty() {
        lines.push(indented(tail, depth + 1));
    }
    format!("[\n{}\n{}]", lines.join("\n"), INDENT.repeat(depth))
}
