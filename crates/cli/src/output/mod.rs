//! Everything that is printed: streams, formats, tables.

mod field;
pub mod kv;
mod secret;
mod table;
mod value;
mod yaml;

use std::io::{IsTerminal, Read, Write};

use serde_json::Value;

use crate::context::Ctx;
use crate::failure::Failure;

pub use field::lookup as lookup_field;
pub use secret::rows as secret_rows;
pub use table::{columns, key_value, plain, spaced, wrap};
pub use value::{data_rows, show, sorted};

/// The three streams, so that tests can hold them.
pub struct Io {
    /// Results.
    pub out: Box<dyn Write + Send>,
    /// Errors, warnings, questions.
    pub err: Box<dyn Write + Send>,
    /// Data and keys.
    pub input: Box<dyn Read + Send>,
    /// A bare field gets a line end only on a terminal.
    pub out_is_terminal: bool,
    /// Keys are asked for only at a terminal.
    pub input_is_terminal: bool,
}

impl Io {
    /// The process's own streams.
    #[must_use]
    pub fn from_process() -> Self {
        Self {
            out: Box::new(std::io::stdout()),
            err: Box::new(std::io::stderr()),
            input: Box::new(std::io::stdin()),
            out_is_terminal: std::io::stdout().is_terminal(),
            input_is_terminal: std::io::stdin().is_terminal(),
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        // A reader that went away (a closed pipe) is no reason to fail.
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        // As above.
        let _ = self.out.write_all(bytes).and_then(|()| self.out.flush());
    }

    pub(crate) fn warn(&mut self, text: &str) {
        // As above; there is no other place to report it.
        let _ = writeln!(self.err, "{text}");
    }

    /// Asks for a secret: hidden at a terminal, else the first line of stdin.
    pub(crate) fn ask(&mut self, prompt: &str) -> Result<String, Failure> {
        if self.input_is_terminal {
            let answer = rpassword::prompt_password(prompt)
                .map_err(|error| Failure::local(format!("Error reading input: {error}")))?;
            return Ok(answer.trim().to_owned());
        }
        let text = self.read_input()?;
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    pub(crate) fn read_input(&mut self) -> Result<String, Failure> {
        let mut text = String::new();
        self.input
            .read_to_string(&mut text)
            .map_err(|error| Failure::local(format!("Error reading stdin: {error}")))?;
        Ok(text)
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Json,
    Yaml,
    Pretty,
    Raw,
}

impl Format {
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_lowercase().as_str() {
            "table" => Some(Self::Table),
            "json" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            "pretty" => Some(Self::Pretty),
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }
}

/// JSON with two spaces and sorted keys below the top.
pub fn json_text(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

impl Ctx {
    /// True unless the user asked for a machine format.
    pub fn is_table(&self) -> bool {
        matches!(self.format, Format::Table | Format::Raw)
    }

    /// Prints a value in the machine format asked for.
    pub fn show_value(&mut self, value: &Value) {
        let text = match self.format {
            Format::Yaml => yaml::text(value),
            _ => json_text(value),
        };
        self.io.say(text.trim_end_matches('\n'));
    }

    /// Prints a secret: as a table, or whole in a machine format.
    pub fn show_secret(&mut self, secret: &Value) {
        if self.is_table() {
            self.show_warnings(secret);
            let rows = secret_rows(secret);
            if !rows.is_empty() {
                let text = key_value(&rows);
                self.io.say(&text);
            }
        } else {
            let value = secret::envelope(secret);
            self.show_value(&value);
        }
    }

    /// Prints the warnings of an answer on stderr.
    pub fn show_warnings(&mut self, secret: &Value) {
        let Some(warnings) = secret.get("warnings").and_then(Value::as_array) else { return };
        if warnings.is_empty() {
            return;
        }
        self.warn("WARNING! The following warnings were returned from Vault:\n");
        for warning in warnings {
            let text = wrap(&format!("* {}", show(warning)), 78);
            let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
            self.warn(&format!("{}\n", lines.join("\n")));
        }
    }

    /// Prints columns, or `data` in a machine format.
    pub fn show_columns(&mut self, header: &[&str], rows: &[Vec<String>], data: &Value) {
        if self.is_table() {
            let text = columns(header, rows);
            self.io.say(&text);
        } else {
            self.show_value(&sorted(data));
        }
    }

    /// Prints one field of a secret, or fails.
    pub fn show_field(&mut self, secret: &Value, name: &str) -> Result<i32, Failure> {
        match lookup_field(secret, name) {
            Some(value) => self.show_bare(&value),
            None => Err(Failure::local(format!("Field {name:?} not present in secret"))),
        }
    }

    /// Prints one value as it is.
    pub fn show_bare(&mut self, value: &Value) -> Result<i32, Failure> {
        if self.is_table() {
            let text = show(value);
            if self.io.out_is_terminal { self.io.say(&text) } else { self.io.raw(text.as_bytes()) }
        } else {
            let value = sorted(value);
            self.show_value(&value);
        }
        Ok(0)
    }

    /// `-field` when given, the whole secret otherwise.
    pub fn show_secret_or_field(&mut self, secret: &Value, field: Option<&str>) -> Result<i32, Failure> {
        match field {
            Some(name) => {
                self.show_warnings(secret);
                self.show_field(secret, name)
            }
            None => {
                self.show_secret(secret);
                Ok(0)
            }
        }
    }

    /// A list: one key a line below a header, or a JSON array.
    pub fn show_keys(&mut self, secret: &Value) {
        let keys = &secret["data"]["keys"];
        if self.is_table() {
            self.show_warnings(secret);
            let items = keys.as_array().map(Vec::as_slice).unwrap_or_default();
            let rows: Vec<Vec<String>> = items.iter().map(|key| vec![show(key)]).collect();
            let text = columns(&["Keys"], &rows);
            self.io.say(&text);
        } else {
            let keys = keys.clone();
            self.show_value(&keys);
        }
    }
}
