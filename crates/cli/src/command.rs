//! Finds the command a line names and runs it.

use std::pin::Pin;

use crate::commands;
use crate::completion;
use crate::context::Ctx;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::flags::{self, Args, Flag, Kind};
use crate::globals::GLOBAL;
use crate::help;
use crate::output::Io;
use crate::server_args::Builtins;

/// What a command ends with: an exit code or a failure to print.
pub type Outcome = Result<i32, Failure>;
/// A command at work.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// One command.
pub struct Command {
    /// All its words, such as `kv metadata get`.
    pub name: &'static str,
    /// What follows the words in the usage line.
    pub usage: &'static str,
    /// What it does, in a sentence or two.
    pub about: &'static str,
    /// A line to try.
    pub example: &'static str,
    pub flags: &'static [Flag],
    pub run: for<'a> fn(&'a mut Ctx, &'a Args) -> Pending<'a>,
}

impl Command {
    /// Whether words behind its own flags belong to another program.
    fn passes_on(&self) -> bool {
        self.flags.iter().any(|flag| flag.kind == Kind::Rest)
    }
}

/// Words that only hold other commands.
pub struct Group {
    pub name: &'static str,
    pub about: &'static str,
}

fn is_help(word: &str) -> bool {
    matches!(word, "-h" | "-help" | "--help")
}

/// Runs a whole command line and returns the exit code.
pub async fn dispatch(args: Vec<String>, builtins: Builtins, env: Environment, mut io: Io) -> i32 {
    let program = args.first().map(|path| path.rsplit('/').next().unwrap_or(path).to_owned());
    let program = program.filter(|name| !name.is_empty()).unwrap_or_else(|| "lessor".to_owned());
    let mut words: Vec<String> = args.into_iter().skip(1).collect();
    if completion::is_asked(&env) {
        return completion::answer(program, env, io, builtins).await;
    }
    match words.first().map(String::as_str) {
        Some(word @ ("-autocomplete-install" | "-autocomplete-uninstall")) => {
            return set_up_completion(word, &program, &env, &mut io);
        }
        None => {
            io.warn(&help::root());
            return 127;
        }
        Some(word) if is_help(word) || word == "help" && words.len() == 1 => {
            io.say(&help::root());
            return 0;
        }
        Some("-v" | "-version" | "--version") => words[0] = "version".to_owned(),
        Some(word) if word.starts_with('-') => {
            io.warn(&help::root());
            return 1;
        }
        _ => {}
    }
    let Some((command, used)) = find(&words) else {
        return no_command(&words, &mut io);
    };
    let rest = &words[used..];
    let parsed = flags::parse(rest, &[command.flags, GLOBAL]);
    // What another program gets may ask that program for help.
    let passed_on = if command.passes_on() { parsed.as_ref().map_or(0, |parsed| parsed.rest.len()) } else { 0 };
    let own = &rest[..rest.len() - passed_on];
    if own.iter().take_while(|word| *word != "--").any(|word| is_help(word)) {
        io.say(&help::command(command));
        return 0;
    }
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(message) => {
            let hint = format!("see \"lessor {} -h\"", command.name);
            return report(&mut io, &Failure::local(message).hint(hint));
        }
    };
    match Ctx::new(&parsed, program, env, io, builtins) {
        Ok(mut ctx) => match (command.run)(&mut ctx, &parsed).await {
            Ok(code) => code,
            Err(failure) => report(&mut ctx.io, &failure),
        },
        Err((mut io, failure)) => report(&mut io, &failure),
    }
}

fn set_up_completion(word: &str, program: &str, env: &Environment, io: &mut Io) -> i32 {
    let outcome = if word == "-autocomplete-install" {
        completion::install(env, program)
    } else {
        completion::uninstall(env, program)
    };
    match outcome {
        Ok(files) => {
            for file in files {
                io.say(&format!("Success! Changed {}; new shells follow it", file.display()));
            }
            0
        }
        Err(why) => report(io, &Failure::local(format!("Error setting up completion: {why}"))),
    }
}

fn report(io: &mut Io, failure: &Failure) -> i32 {
    if !failure.message.is_empty() {
        io.warn(&failure.message);
    }
    if let Some(hint) = &failure.hint {
        io.warn(&format!("\nHint: {hint}"));
    }
    failure.code
}

/// The command with the most words that the line starts with.
fn find(words: &[String]) -> Option<(&'static Command, usize)> {
    let matching = commands::all().filter_map(|command| {
        let name: Vec<&str> = command.name.split(' ').collect();
        let given = words.iter().map(String::as_str).take(name.len());
        given.eq(name.iter().copied()).then_some((command, name.len()))
    });
    matching.max_by_key(|(_, length)| *length)
}

fn no_command(words: &[String], io: &mut Io) -> i32 {
    let plain: Vec<&str> = words.iter().map(String::as_str).take_while(|word| !word.starts_with('-')).collect();
    let known = (1..=plain.len()).rev().find_map(|count| {
        let name = plain[..count].join(" ");
        commands::GROUPS.iter().find(|group| group.name == name).map(|group| (group, count))
    });
    match known {
        Some((group, count)) if words[count..].iter().any(|word| is_help(word)) => {
            io.say(&help::group(group));
            0
        }
        Some((group, count)) if count == words.len() => {
            io.warn(&help::group(group));
            1
        }
        Some((group, count)) => {
            io.warn(&format!("Unknown command: {} {}\n", group.name, words[count]));
            io.warn(&help::group(group));
            1
        }
        None => {
            io.warn(&format!("Unknown command: {}\n", words[0]));
            io.warn(&help::root());
            127
        }
    }
}

/// Exactly the number of words a command takes, or a message that says so.
pub fn arity(args: &Args, least: usize, most: usize) -> Result<(), Failure> {
    let count = args.rest.len();
    let expected = if least == most { most.to_string() } else { format!("{least}-{most}") };
    if count < least {
        Err(Failure::local(format!("Not enough arguments (expected {expected}, got {count})")))
    } else if count > most {
        Err(Failure::local(format!("Too many arguments (expected {expected}, got {count})")))
    } else {
        Ok(())
    }
}

/// A path without white space and slashes around it.
pub fn clean(path: &str) -> String {
    path.trim().trim_matches('/').to_owned()
}

/// A mount path with its slash.
pub fn mount(path: &str) -> String {
    format!("{}/", clean(path))
}
