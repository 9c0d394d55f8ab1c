//! The functions templates have beside Go's own.
use super::layout;
use crate::password_policy::draw;
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gotmpl::{FuncMap, Result, TemplateError, Value};
use jiff::Timestamp;
use std::sync::Arc;

/// `random` of more is a mistake, and no platform takes such names.
const MAX_RANDOM: i64 = 4096;

/// Longer texts are a mistake, too; without a bound, functions that lengthen what they are given could be chained until
/// memory is full.
const MAX_TEXT: usize = 65_536;

const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

type Call = Box<dyn Fn(&Args<'_>) -> Result<Value> + Send + Sync>;

/// Every function, with the time they tell.
pub(super) fn all(now: Timestamp) -> FuncMap {
    let mut map = FuncMap::new();
    let mut add = |name: &'static str, arity: usize, call: Call| {
        let checked = move |values: &[Value]| {
            let args = Args { name, values };
            if values.len() != arity {
                return Err(args.error(format!("takes {arity} argument(s), got {}", values.len())));
            }
            args.bounded(call(&args)?)
        };
        map.insert(name.to_owned(), Arc::new(checked));
    };
    add("random", 1, Box::new(random));
    add("truncate", 2, Box::new(truncate));
    add("truncate_sha256", 2, Box::new(truncate_sha256));
    add("uppercase", 1, Box::new(|args| Ok(string(args.text(0)?.to_uppercase()))));
    add("lowercase", 1, Box::new(|args| Ok(string(args.text(0)?.to_lowercase()))));
    add("replace", 3, Box::new(replace));
    add("sha256", 1, Box::new(|args| Ok(string(sha256(&args.text(0)?)))));
    add("base64", 1, Box::new(|args| Ok(string(STANDARD.encode(bytes_of(&args.text(0)?))))));
    add("utf16le", 1, Box::new(|args| Ok(utf16le(&args.text(0)?))));
    add("dn_escape", 1, Box::new(|args| Ok(string(dn_escape(&args.text(0)?)))));
    add("decode_base64", 1, Box::new(|args| args.decoded(STANDARD.decode(args.text(0)?).ok())));
    add("hex", 1, Box::new(|args| Ok(string(hex::encode(args.text(0)?)))));
    add("decode_hex", 1, Box::new(|args| args.decoded(hex::decode(args.text(0)?).ok())));
    add("glob", 2, Box::new(|args| Ok(Value::Bool(matches(&args.text(0)?, &args.text(1)?)))));
    add("unix_time", 0, Box::new(move |_| Ok(string(now.as_second().to_string()))));
    add("unix_time_millis", 0, Box::new(move |_| Ok(string(now.as_millisecond().to_string()))));
    add("timestamp", 1, Box::new(move |args| Ok(string(layout::format(&args.text(0)?, now)))));
    add("uuid", 0, Box::new(|_| Ok(string(uuid()))));
    map
}

struct Args<'a> {
    name: &'static str,
    values: &'a [Value],
}

impl Args<'_> {
    fn error(&self, reason: impl std::fmt::Display) -> TemplateError {
        TemplateError::Exec(format!("{}: {reason}", self.name))
    }
    fn bounded(&self, value: Value) -> Result<Value> {
        match &value {
            Value::String(text) if text.len() > MAX_TEXT => Err(self.too_long()),
            _ => Ok(value),
        }
    }
    fn too_long(&self) -> TemplateError {
        self.error(format!("the result is longer than {MAX_TEXT} bytes"))
    }
    fn text(&self, at: usize) -> Result<String> {
        match self.values.get(at) {
            Some(Value::Nil) | None => Err(self.error("expected a string, got nothing")),
            Some(value @ (Value::List(_) | Value::Map(_) | Value::Function(_))) => {
                Err(self.error(format!("expected a string, got a {}", value.type_name())))
            }
            Some(value) => Ok(value.to_string()),
        }
    }
    fn number(&self, at: usize) -> Result<i64> {
        self.values.get(at).and_then(Value::as_int).ok_or_else(|| self.error("expected a whole number"))
    }
    fn decoded(&self, bytes: Option<Vec<u8>>) -> Result<Value> {
        let bytes = bytes.ok_or_else(|| self.error("the text is not in this encoding"))?;
        String::from_utf8(bytes).map(string).map_err(|_| self.error("the result is no text"))
    }
}

/// Stands in front of bytes that are no text, each of them written as the character of its number. It is a private
/// character, which nothing else in a template stands for.
const BYTES: char = '\u{F8FF}';

/// The text in UTF-16, little endian, as Active Directory takes passwords; `base64` is what can be made of it.
fn utf16le(text: &str) -> Value {
    let bytes = text.encode_utf16().flat_map(u16::to_le_bytes);
    string(std::iter::once(BYTES).chain(bytes.map(char::from)).collect())
}

fn bytes_of(text: &str) -> Vec<u8> {
    match text.strip_prefix(BYTES) {
        Some(bytes) => bytes.chars().filter_map(|byte| u8::try_from(byte).ok()).collect(),
        None => text.as_bytes().to_vec(),
    }
}

/// A value inside a distinguished name (RFC 4514, section 2.4).
fn dn_escape(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut escaped = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '\0' => escaped.push_str("\\00"),
            ' ' | '#' if at == 0 => escaped.extend(['\\', c]),
            ' ' if at == last => escaped.push_str("\\ "),
            '"' | '+' | ',' | ';' | '<' | '>' | '=' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

fn string(text: String) -> Value {
    Value::String(text.into())
}

fn replace(args: &Args<'_>) -> Result<Value> {
    let (from, to, text) = (args.text(0)?, args.text(1)?, args.text(2)?);
    // Counted first, because every byte of the text may be replaced by a long one.
    let longest = text.matches(&from).count().saturating_mul(to.len()).saturating_add(text.len());
    if longest > MAX_TEXT { Err(args.too_long()) } else { Ok(string(text.replace(&from, &to))) }
}

fn random(args: &Args<'_>) -> Result<Value> {
    let length = args.number(0)?;
    if !(1..=MAX_RANDOM).contains(&length) {
        return Err(args.error(format!("length must be between 1 and {MAX_RANDOM}, got {length}")));
    }
    Ok(string((0..length).map(|_| char::from(*draw(LETTERS_AND_DIGITS))).collect()))
}

/// The longest beginning of `text` with at most `bytes` bytes that does not split a character.
fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn truncate(args: &Args<'_>) -> Result<Value> {
    let limit = args.number(0)?;
    match usize::try_from(limit) {
        Ok(limit) if limit > 0 => Ok(string(head(&args.text(1)?, limit).to_owned())),
        _ => Err(args.error(format!("max length must be > 0, got {limit}"))),
    }
}

fn truncate_sha256(args: &Args<'_>) -> Result<Value> {
    let limit = args.number(0)?;
    let Some(limit) = usize::try_from(limit).ok().filter(|limit| *limit > 8) else {
        return Err(args.error(format!("max length must be > 8, got {limit}")));
    };
    let text = args.text(1)?;
    if text.len() <= limit {
        return Ok(string(text));
    }
    let kept = head(&text, limit - 8);
    let hash = sha256(&text[kept.len()..]);
    Ok(string(format!("{kept}{}", &hash[..8])))
}

fn sha256(text: &str) -> String {
    hex::encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// Whether `text` fits `pattern`, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;
    use crate::template::Template;
    use serde_json::json;

    #[test]
    fn chained_functions_cannot_fill_the_memory() {
        let long = "z".repeat(400);
        let doubled = format!("{{{{ \"{long}\" {} }}}}", "| hex ".repeat(200));
        let replaced = format!("{{{{ \"{long}\" {} }}}}", format!("| replace \"z\" \"{long}\" ").repeat(9));
        for source in [doubled, replaced] {
            let error = Template::parse(&source).unwrap().render(&json!({})).unwrap_err().to_string();
            assert!(error.contains("longer than 65536 bytes"), "{error}");
        }
    }

    #[test]
    fn globs_match_as_a_whole() {
        for (pattern, text) in
            [("*", ""), ("a*", "abc"), ("*c", "abc"), ("a*c", "abbc"), ("*b*", "abc"), ("a*b*c", "aXbYc")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "abd"), ("*x*", "abc"), ("ab*b", "ab")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
