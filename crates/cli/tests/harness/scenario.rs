//! Scripts of command lines, and running them on two sides.
//!
//! A line is a command line without the program's name. In front of it may stand
//! - `~`: the words on stderr differ on purpose, only exit code and stdout are compared;
//! - `!`: only the exit code is compared;
//! - `%`: the lines of stdout may come in another order;
//! - `^`: as `%`, and only the first two columns of a table (all but `message` of JSON) are compared;
//! - `name :=`: what it prints is called `$name` in later lines; with `| Row` behind the line, the cell
//!   behind `Row` of the table it prints.
//!
//! `VAR=value` words in front set the environment (`VAR=` takes a variable away), `<<< text` behind is
//! the input. `FILE name text` writes a file, `CAT name` compares it. `$HOME` is each side's directory.
use super::bao::{Bao, Server};
use super::normal;
use super::program::{self, Outcome};

struct Step<'a> {
    line: &'a str,
    compared: Compared,
    name: Option<&'a str>,
    row: Option<&'a str>,
    input: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    All,
    Output,
    Code,
    Lines,
    Findings,
}

fn parse(line: &str) -> Step<'_> {
    let (line, input) = line.split_once(" <<< ").unwrap_or((line, ""));
    let (line, row) = line.split_once(" | ").map_or((line, None), |(line, row)| (line, Some(row)));
    let marks = [("~ ", Compared::Output), ("! ", Compared::Code), ("% ", Compared::Lines), ("^ ", Compared::Findings)];
    let marked = marks.into_iter().find_map(|(mark, compared)| Some((line.strip_prefix(mark)?, compared)));
    let (line, compared) = marked.unwrap_or((line, Compared::All));
    let (name, line) = line.split_once(" := ").map_or((None, line), |(name, line)| (Some(name), line));
    Step { line, compared, name, row, input: unescaped(input) }
}

fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n")
}

/// One program, its server and what it has been told.
struct Side {
    server: Server,
    /// Names and their values, longest names first.
    known: Vec<(String, String)>,
}

impl Side {
    fn new(server: Server) -> Self {
        let mut known = vec![
            ("$HOME".to_owned(), server.home.path().display().to_string()),
            ("$PORT".to_owned(), server.port.to_string()),
        ];
        known.push(("$unseal".to_owned(), server.unseal_key()));
        Self { server, known }
    }

    fn filled(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    /// Words and environment of a line.
    fn command(&self, line: &str) -> (Vec<String>, Vec<(String, String)>) {
        let mut words = split(&self.filled(line));
        let mut env = vec![
            ("HOME".to_owned(), self.server.home.path().display().to_string()),
            ("BAO_ADDR".to_owned(), self.server.address()),
            ("BAO_TOKEN".to_owned(), "root".to_owned()),
        ];
        while let Some((name, value)) = words.first().and_then(|word| word.split_once('=')) {
            if !name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
                break;
            }
            env.retain(|(key, _)| key != name);
            if !value.is_empty() {
                env.push((name.to_owned(), value.to_owned()));
            }
            words.remove(0);
        }
        (words, env)
    }

    fn remember(&mut self, step: &Step<'_>, outcome: &Outcome) {
        let Some(name) = step.name else { return };
        let value = match step.row {
            Some(row) => {
                let lines = outcome.out.lines();
                let cell = lines.filter_map(|line| line.strip_prefix(row)).find(|rest| rest.starts_with([' ', ':']));
                cell.unwrap_or_default().trim_start_matches(':').trim().to_owned()
            }
            None => outcome.out.trim().to_owned(),
        };
        assert!(!value.is_empty(), "{name}: nothing printed by {}: {outcome:?}", step.line);
        self.known.retain(|(known, _)| known != &format!("${name}"));
        self.known.push((format!("${name}"), value));
        self.known.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    }
}

/// Words as a shell splits them, with single and double quotes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut open) = (None, false);
    for c in line.chars() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                open = true;
            }
            (Some(q), c) if q == c => quote = None,
            (None, ' ') => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Findings without what they say, which stands in the third column or as `message`.
fn findings(text: &str) -> String {
    let lines: Vec<String> = match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(checks)) => {
            checks.into_iter().flat_map(|(name, found)| json_lines(&name, &found)).collect()
        }
        _ => text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect(),
    };
    lines.join("\n")
}

fn sorted_lines(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn json_lines(name: &str, found: &serde_json::Value) -> Vec<String> {
    let found = found.as_array().cloned().unwrap_or_default();
    let line = |finding: &serde_json::Value| {
        let told = finding["message"].as_str().is_some_and(|text| !text.is_empty());
        format!("{name} {} {} {} {told}", finding["status"], finding["status_code"], finding["endpoint"])
    };
    if found.is_empty() { vec![format!("{name} nothing")] } else { found.iter().map(line).collect() }
}

/// Runs a script on both sides and fails with everything that differs.
pub async fn compare(bao: &Bao, servers: [Server; 2], name: &str, script: &str) {
    let [mut theirs, mut ours] = servers.map(Side::new);
    let mut differences = Vec::new();
    let mut compared = 0;
    for line in script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if let Some((file, text)) = line.strip_prefix("FILE ").and_then(|rest| rest.split_once(' ')) {
            for side in [&theirs, &ours] {
                std::fs::write(side.server.home.path().join(file), unescaped(text)).unwrap();
            }
            continue;
        }
        if let Some(file) = line.strip_prefix("CAT ") {
            let read = |side: &Side| std::fs::read_to_string(side.server.home.path().join(file)).unwrap();
            let (a, b) = (read(&theirs), read(&ours));
            if a != b {
                differences.push(format!("=== {line}\n--- bao\n{a}\n--- lessor\n{b}"));
            }
            continue;
        }
        let step = parse(line);
        let (words, env) = theirs.command(step.line);
        let a = bao.run(&words, &env, &theirs.filled(&step.input), theirs.server.home.path());
        let (words, env) = ours.command(step.line);
        let b = program::run("lessor", &words, &env, &ours.filled(&step.input)).await;
        theirs.remember(&step, &a);
        ours.remember(&step, &b);
        let told = |outcome: Outcome| match step.compared {
            Compared::Findings => Outcome { out: findings(&outcome.out), ..outcome },
            _ => outcome,
        };
        let (a, b) = (told(a), told(b));
        let (mut a, mut b) = (normal::outcome(&a, &theirs.known), normal::outcome(&b, &ours.known));
        for side in [&mut a, &mut b] {
            if step.compared != Compared::All {
                side.err.clear();
            }
            match step.compared {
                Compared::Code => side.out.clear(),
                Compared::Lines | Compared::Findings => side.out = sorted_lines(&side.out),
                Compared::All | Compared::Output => {}
            }
        }
        compared += 1;
        if a != b {
            differences.push(format!(
                "=== {line}\n--- bao {}\n{}\n{}\n--- lessor {}\n{}\n{}",
                a.code, a.out, a.err, b.code, b.out, b.err
            ));
        }
    }
    assert!(compared > 0, "{name}: an empty script compares nothing");
    assert!(differences.is_empty(), "{name}: {} of {compared} differ\n{}", differences.len(), differences.join("\n\n"));
}
