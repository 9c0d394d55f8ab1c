//! A JSON value as YAML with sorted keys.

use serde_json::Value;

/// The document, ending in a line end.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => object(value, 0, &mut out),
        Value::Array(items) if !items.is_empty() => array(items, 0, &mut out),
        other => {
            out.push_str(&scalar(other, 0));
            out.push('\n');
        }
    }
    out
}

fn object(value: &Value, depth: usize, out: &mut String) {
    let mut pairs: Vec<_> = value.as_object().into_iter().flatten().collect();
    pairs.sort_by_key(|(key, _)| key.as_str());
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        // The first key of an object inside a list follows the dash.
        if index > 0 || !out.ends_with("- ") {
            out.push_str(&"  ".repeat(depth));
        }
        out.push_str(&quote(key));
        out.push(':');
        match value {
            Value::Object(map) if !map.is_empty() => {
                out.push('\n');
                object(value, depth + 1, out);
            }
            Value::Array(items) if !items.is_empty() => {
                out.push('\n');
                array(items, depth, out);
            }
            other => {
                out.push(' ');
                out.push_str(&scalar(other, depth));
                out.push('\n');
            }
        }
    }
}

fn array(items: &[Value], depth: usize, out: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !out.ends_with("- ") {
            out.push_str(&"  ".repeat(depth));
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => object(item, depth + 1, out),
            Value::Array(inner) if !inner.is_empty() => array(inner, depth + 1, out),
            other => {
                out.push_str(&scalar(other, depth));
                out.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, depth: usize) -> String {
    match value {
        Value::String(text) if is_block(text) => block(text, depth),
        Value::String(text) => quote(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        other => other.to_string(),
    }
}

/// Certificates and the like stay readable; anything unusual is quoted instead.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || !c.is_control())
}

fn block(text: &str, depth: usize) -> String {
    let pad = "  ".repeat(depth + 1);
    let mark = if text.ends_with('\n') { "|" } else { "|-" };
    let lines = text.trim_end_matches('\n').split('\n');
    let lines: Vec<String> =
        lines.map(|line| if line.is_empty() { String::new() } else { format!("{pad}{line}") }).collect();
    format!("{mark}\n{}", lines.join("\n"))
}

fn quote(text: &str) -> String {
    if text.chars().any(char::is_control) || looks_typed(text) {
        // JSON's escapes are a subset of YAML's double-quoted ones.
        return Value::String(text.to_owned()).to_string();
    }
    let odd_start = text.starts_with([
        '-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', ' ',
    ]);
    if odd_start || text.ends_with([' ', ':']) || text.contains(": ") || text.contains(" #") {
        return format!("'{}'", text.replace('\'', "''"));
    }
    text.to_owned()
}

/// Plain text that a reader would take for a boolean, null, number or date.
fn looks_typed(text: &str) -> bool {
    let word = text.to_lowercase();
    text.is_empty()
        || matches!(word.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null" | "~")
        || looks_like_a_number(text)
        || looks_like_a_date(text)
        || text.parse::<f64>().is_ok()
        || word.trim_start_matches(['+', '-']).starts_with(".inf")
        || word == ".nan"
        || (text.starts_with(['+', '-', '.']) && text[1..].starts_with(|c: char| c.is_ascii_digit()))
        || text == "="
        || text == "<<"
}

/// `0x1f`, `1_000`, `1:30`: digits with what YAML allows between them.
fn looks_like_a_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let based = ["0x", "0o", "0b"].iter().any(|base| digits.starts_with(base));
    digits.starts_with(|c: char| c.is_ascii_digit())
        && (based && digits[2..].chars().all(|c| c.is_ascii_hexdigit() || c == '_')
            || digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '_' | ':')))
}

/// `2026-11-22`, alone or before a time.
fn looks_like_a_date(text: &str) -> bool {
    let Some((date, _)) = text.split_at_checked(10).or(Some((text, ""))) else { return false };
    let parts: Vec<&str> = date.split('-').collect();
    parts.len() == 3
        && parts[0].len() == 4
        && parts.iter().all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_sorted_and_strings_stay_strings() {
        let value = json!({
            "b": {"y": [1, {"k": "v", "a": null}], "x": {}}, "a": "true", "c": "plain text",
            "d": "1", "e": "- x", "f": "l1\nl2\n", "g": "",
        });
        assert_eq!(
            text(&value),
            "a: \"true\"\nb:\n  x: {}\n  \"y\":\n  - 1\n  - a: null\n    k: v\nc: plain text\n\
             d: \"1\"\ne: '- x'\nf: |\n  l1\n  l2\ng: \"\"\n"
        );
    }

    #[test]
    fn a_list_of_keys_is_a_plain_sequence() {
        assert_eq!(text(&json!(["a", "b/"])), "- a\n- b/\n");
        assert_eq!(text(&json!([])), "[]\n");
    }
}
