//! OpenBao's own command line on Lessor's server, through every group of commands it has.
//!
//! A line of `bao.txt` is the exit code, the command line, and behind ` => ` words of what it prints. `name :=` in front of
//! the command keeps what it prints as `$name`; ` <<< ` gives it input.
use crate::lessor::Lessor;
use crate::targets::tool;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

struct Line<'a> {
    code: i32,
    name: Option<&'a str>,
    words: Vec<String>,
    input: &'a str,
    expected: String,
}

/// Words as a shell splits them, with single quotes.
fn split(text: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

fn parse<'a>(line: &'a str, known: &BTreeMap<String, String>) -> Line<'a> {
    let (line, expected) = line.split_once(" => ").unwrap_or((line, ""));
    let (line, input) = line.split_once(" <<< ").unwrap_or((line, ""));
    let (code, line) = line.split_once(' ').unwrap();
    let (name, line) = line.split_once(" := ").map_or((None, line), |(name, line)| (Some(name), line));
    let fill =
        |text: &str| known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value));
    Line { code: code.parse().unwrap(), name, words: split(&fill(line)), input, expected: fill(expected) }
}

/// Exit code and what it printed, errors last.
fn run(lessor: &Lessor, token: &str, line: &Line<'_>) -> (i32, String) {
    let mut child = Command::new(tool("bao-2.7.2", "bao"))
        .args(&line.words)
        .env_clear()
        .envs([("HOME", "/nonexistent"), ("BAO_ADDR", lessor.address.as_str()), ("BAO_TOKEN", token)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(line.input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_group_of_baos_commands_works() {
    let directory = tempfile::tempdir().unwrap();
    let lessor = Lessor::stored(directory.path(), "").await;
    let init = parse("0 operator init -key-shares=1 -key-threshold=1 -format=json", &BTreeMap::new());
    let (code, text) = run(&lessor, "", &init);
    assert_eq!(code, 0, "{text}");
    let made: serde_json::Value = serde_json::from_str(&text).unwrap();
    let token = made["root_token"].as_str().unwrap();
    let mut known = BTreeMap::from([("dir".to_owned(), directory.path().display().to_string())]);
    known.insert("share".to_owned(), made["unseal_keys_b64"][0].as_str().unwrap().to_owned());
    known.insert("root".to_owned(), token.to_owned());

    let (mut failures, mut count) = (Vec::new(), 0);
    for text in include_str!("bao.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = parse(text, &known);
        let (code, printed) = run(&lessor, token, &line);
        if code != line.code || !printed.contains(&line.expected) {
            failures.push(format!("{text}\n{code} {printed}"));
        }
        if let Some(name) = line.name {
            known.insert(name.to_owned(), printed.trim().to_owned());
        }
        count += 1;
    }
    assert!(count > 100, "{count} lines");
    assert!(failures.is_empty(), "{} of {count} lines\n{}", failures.len(), failures.join("\n"));
}
