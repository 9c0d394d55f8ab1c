//! Completion in shells: they start the program with the line so far in `COMP_LINE`, and it prints what
//! may come next, one a line. Bash does so by itself (`complete -C`), zsh with its bash functions, fish
//! with a function; [`install`] sets that up.

mod install;
mod values;

use crate::command::Command;
use crate::commands;
use crate::context::Ctx;
use crate::environment::Environment;
use crate::flags::{Args, Flag, Kind};
use crate::globals::GLOBAL;
use crate::output::Io;
use crate::server_args::Builtins;

pub use install::{install, uninstall};

/// The words before the cursor; the last one is the one to complete and may be empty.
fn words(env: &Environment) -> Option<Vec<String>> {
    let line = env.plain("COMP_LINE")?;
    let point = env.plain("COMP_POINT").and_then(|point| point.parse::<usize>().ok()).unwrap_or(line.len());
    let line = line.get(..point.min(line.len())).unwrap_or(line);
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if line.ends_with(char::is_whitespace) || words.is_empty() {
        words.push(String::new());
    }
    Some(words)
}

/// True when a shell asks for completions.
pub fn is_asked(env: &Environment) -> bool {
    env.plain("COMP_LINE").is_some()
}

/// Prints what may come next. Whatever goes wrong, nothing is printed: a shell shows errors as words.
pub async fn answer(program: String, env: Environment, mut io: Io, builtins: Builtins) -> i32 {
    let Some(words) = words(&env) else { return 0 };
    io.err = Box::new(std::io::sink());
    let found = match Ctx::new(&Args::default(), program, env, io, builtins) {
        Ok(mut ctx) => {
            let found = candidates(&mut ctx, &words).await;
            io = ctx.io;
            found
        }
        Err((back, _)) => {
            io = back;
            Vec::new()
        }
    };
    for candidate in found {
        io.say(&candidate);
    }
    0
}

async fn candidates(ctx: &mut Ctx, words: &[String]) -> Vec<String> {
    let Some((last, before)) = words.split_last() else { return Vec::new() };
    let plain: Vec<&str> =
        before.iter().skip(1).map(String::as_str).take_while(|word| !word.starts_with('-')).collect();
    let mut found = match command_of(&plain) {
        Some((command, used)) => {
            let given = &before[1 + used..];
            arguments(ctx, command, given, last).await
        }
        None if last.starts_with('-') => Vec::new(),
        None => next_words(&plain),
    };
    found.retain(|candidate| candidate.starts_with(last.as_str()));
    found.sort_unstable();
    found.dedup();
    found
}

/// The command the words name whole, and how many words that took.
fn command_of(words: &[&str]) -> Option<(&'static Command, usize)> {
    let matching = commands::all().filter_map(|command| {
        let name: Vec<&str> = command.name.split(' ').collect();
        words.starts_with(&name).then_some((command, name.len()))
    });
    matching.max_by_key(|(_, length)| *length)
}

/// The words that may follow these.
fn next_words(words: &[&str]) -> Vec<String> {
    let next = |name: &'static str| {
        let name: Vec<&str> = name.split(' ').collect();
        let rest = name.strip_prefix(words)?;
        rest.first().map(|word| (*word).to_owned())
    };
    commands::all().filter_map(|command| next(command.name)).collect()
}

fn flag_of(command: &'static Command, name: &str) -> Option<&'static Flag> {
    let mut known = command.flags.iter().chain(GLOBAL);
    known.find(|flag| flag.name == name || (!flag.alias.is_empty() && flag.alias == name))
}

async fn arguments(ctx: &mut Ctx, command: &'static Command, given: &[String], last: &str) -> Vec<String> {
    if let Some((name, value)) = last.strip_prefix('-').and_then(|flag| flag.trim_start_matches('-').split_once('=')) {
        let values = values::of_flag(ctx, name, value).await;
        let stem = last.strip_suffix(value).unwrap_or(last);
        return values.into_iter().map(|value| format!("{stem}{value}")).collect();
    }
    if last.starts_with('-') {
        let known = command.flags.iter().chain(GLOBAL).filter(|flag| !flag.help.is_empty());
        return known.map(|flag| format!("-{}", flag.name)).collect();
    }
    let waiting = given.last().and_then(|word| word.strip_prefix('-')).and_then(|name| flag_of(command, name));
    if let Some(flag) = waiting.filter(|flag| flag.kind != Kind::Bool) {
        return values::of_flag(ctx, flag.name, last).await;
    }
    let position = positionals(command, given);
    values::of_argument(ctx, command.name, position, last).await
}

/// How many words without a dash were given that are no flag's value.
fn positionals(command: &'static Command, given: &[String]) -> usize {
    let mut count = 0;
    let mut words = given.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix('-').filter(|name| !name.is_empty()) {
            None => count += 1,
            Some(name) if name.contains('=') => {}
            Some(name) => {
                if flag_of(command, name).is_some_and(|flag| flag.kind != Kind::Bool) {
                    words.next();
                }
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_cut_at_the_cursor() {
        let env = Environment::from_pairs([("COMP_LINE", "lessor kv get secret"), ("COMP_POINT", "9")]);
        assert_eq!(words(&env).unwrap(), ["lessor", "kv"]);
        let env = Environment::from_pairs([("COMP_LINE", "lessor kv ")]);
        assert_eq!(words(&env).unwrap(), ["lessor", "kv", ""]);
    }

    #[test]
    fn words_follow_words() {
        assert!(next_words(&["kv", "metadata"]).contains(&"get".to_owned()));
        assert!(next_words(&[]).contains(&"operator".to_owned()));
        assert!(command_of(&["kv", "metadata", "get", "x"]).is_some_and(|(_, used)| used == 3));
    }

    #[test]
    fn a_flags_value_is_no_positional() {
        let (command, _) = command_of(&["kv", "get"]).unwrap();
        let given: Vec<String> = ["-mount", "secret", "-version=2", "a"].map(str::to_owned).to_vec();
        assert_eq!(positionals(command, &given), 1);
    }
}
