//! Usage texts, made from the same tables the parser uses.

use crate::command::{Command, Group};
use crate::commands;
use crate::flags::{Flag, Kind};
use crate::globals::GLOBAL;

/// All top-level words.
pub fn root() -> String {
    let mut text = String::from("Usage: lessor <command> [options] [args]\n\nCommands:\n");
    let mut lines: Vec<(&str, &str)> = commands::all()
        .filter(|command| !command.name.contains(' '))
        .map(|command| (command.name, command.about))
        .chain(commands::GROUPS.iter().filter(|g| !g.name.contains(' ')).map(|g| (g.name, g.about)))
        .collect();
    lines.sort_unstable();
    list(&mut text, &lines);
    text.push_str("\nExample: lessor kv get secret/app\n\n\"lessor <command> -h\" shows a command's options.");
    text
}

/// The commands below a word.
pub fn group(group: &Group) -> String {
    let mut text =
        format!("Usage: lessor {} <subcommand> [options] [args]\n\n{}\n\nSubcommands:\n", group.name, group.about);
    let below = |name: &'static str| {
        let rest = name.strip_prefix(group.name)?.strip_prefix(' ')?;
        (!rest.contains(' ')).then_some(rest)
    };
    let mut example = "";
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for command in commands::all() {
        if let Some(rest) = below(command.name) {
            lines.push((rest, command.about));
            if example.is_empty() {
                example = command.example;
            }
        }
    }
    lines.extend(commands::GROUPS.iter().filter_map(|g| Some((below(g.name)?, g.about))));
    lines.sort_unstable();
    list(&mut text, &lines);
    text.push_str(&format!("\nExample: {example}"));
    text
}

/// One command with its options.
pub fn command(command: &Command) -> String {
    let mut text = format!(
        "Usage: lessor {} [options] {}\n\n{}\n\nExample:\n\n    {}\n",
        command.name, command.usage, command.about, command.example
    );
    if !command.flags.is_empty() {
        text.push_str("\nOptions:\n");
        options(&mut text, command.flags);
    }
    text.push_str("\nOptions of every command:\n");
    options(&mut text, GLOBAL);
    text.trim_end().to_owned()
}

fn list(text: &mut String, lines: &[(&str, &str)]) {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, about) in lines {
        let first = about.split(". ").next().unwrap_or(about).trim_end_matches('.');
        text.push_str(&format!("    {name:width$}    {first}\n"));
    }
}

fn options(text: &mut String, flags: &[Flag]) {
    for flag in flags.iter().filter(|flag| !flag.help.is_empty()) {
        let value = match flag.kind {
            Kind::Bool | Kind::Rest => "",
            Kind::Text | Kind::List => "=<text>",
            Kind::Map => "=<key=value>",
            Kind::Duration => "=<duration>",
            Kind::Number => "=<number>",
        };
        let alias = if flag.alias.is_empty() { String::new() } else { format!(", -{}", flag.alias) };
        text.push_str(&format!("    -{}{value}{alias}\n        {}\n", flag.name, flag.help));
    }
}
