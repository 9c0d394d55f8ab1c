//! `key=value` words, files and stdin become the JSON object of a request.

use std::io::Read;

use serde_json::{Map, Value};

use crate::context::Ctx;
use crate::failure::Failure;

impl Ctx {
    /// The data arguments of a command; `-` reads the command's own input.
    pub fn parse_data(&mut self, words: &[String]) -> Result<Map<String, Value>, Failure> {
        self.parse_pairs(words).map_err(|reason| Failure::local(format!("Failed to parse K=V data: {reason}")))
    }

    /// The same for callers who name the mistake themselves.
    pub fn parse_pairs(&mut self, words: &[String]) -> Result<Map<String, Value>, String> {
        parse(words, &mut *self.io.input)
    }
}

/// Parses data arguments; `stdin` is read at most once.
pub fn parse(words: &[String], stdin: &mut dyn Read) -> Result<Map<String, Value>, String> {
    let mut out = Map::new();
    let mut stdin = Some(stdin);
    let mut take = || -> Result<String, String> {
        let input = stdin.take().ok_or("stdin already consumed")?;
        let mut text = String::new();
        input.read_to_string(&mut text).map_err(|error| format!("error reading stdin: {error}"))?;
        Ok(text)
    };
    for word in words {
        one(&mut out, word, &mut take).map_err(|why| format!("invalid key/value pair {word:?}: {why}"))?;
    }
    Ok(out)
}

fn one(
    out: &mut Map<String, Value>,
    word: &str,
    take: &mut impl FnMut() -> Result<String, String>,
) -> Result<(), String> {
    if word == "-" {
        return merge(out, &take()?);
    }
    if let Some(path) = word.strip_prefix('@') {
        return merge(out, &read(path)?);
    }
    let (key, value) = word.split_once('=').ok_or("format must be key=value")?;
    let value = if value == "-" {
        take()?
    } else if let Some(path) = value.strip_prefix('@') {
        read(path).map_err(|why| format!("error reading file: {why}"))?
    } else if value.starts_with("\\@") {
        value[1..].to_owned()
    } else {
        value.to_owned()
    };
    add(out, key, Value::String(value));
    Ok(())
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("open {path}: {}", reason(&error)))
}

/// What went wrong, in the words the field's tools use and without the number of the system's error.
pub fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "is a directory".to_owned(),
        _ => error.to_string(),
    }
}

fn merge(out: &mut Map<String, Value>, text: &str) -> Result<(), String> {
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))?;
    for (key, value) in object {
        out.insert(key, value);
    }
    Ok(())
}

fn add(out: &mut Map<String, Value>, key: &str, value: Value) {
    match out.get_mut(key) {
        Some(Value::Array(items)) => items.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => {
            out.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use serde_json::json;

    use super::*;

    fn run(words: &[&str], stdin: &str) -> Result<Value, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        parse(&words, &mut stdin.as_bytes()).map(Value::Object)
    }

    #[test]
    fn values_stay_strings_and_repeats_become_lists() {
        let got = run(&["a=1", "b=", "c=x=y", "d={\"e\":1}", "f=1", "f=2", "f=3", r"g=\@h"], "");
        let want = json!({"a":"1","b":"","c":"x=y","d":"{\"e\":1}","f":["1","2","3"],"g":"@h"});
        assert_eq!(got, Ok(want));
    }

    #[test]
    fn files_and_stdin_are_taken_unmodified() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{{\"n\":1}}").unwrap();
        let path = file.path().display().to_string();
        let got = run(&[&format!("k=@{path}"), "s=-"], "in\n");
        assert_eq!(got, Ok(json!({"k":"{\"n\":1}\n","s":"in\n"})));
        assert_eq!(run(&[&format!("@{path}"), "b=c"], ""), Ok(json!({"n":1,"b":"c"})));
        assert_eq!(run(&["-"], "{\"t\":true}"), Ok(json!({"t":true})));
    }

    #[test]
    fn words_without_an_equals_sign_and_stdin_twice_are_refused() {
        assert_eq!(run(&["x"], "").unwrap_err(), "invalid key/value pair \"x\": format must be key=value");
        assert_eq!(run(&["a=-", "b=-"], "").unwrap_err(), "invalid key/value pair \"b=-\": stdin already consumed");
        assert!(run(&["@/nonexistent/file"], "").is_err());
    }
}
