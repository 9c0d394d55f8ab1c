//! Flags in the field's syntax: `-name=value`, `-name value`, `--name`, anywhere on the line.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::duration;

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Present or `=true`/`=false`; never takes the next word.
    Bool,
    /// One text; the last one wins.
    Text,
    /// May be repeated.
    List,
    /// `key=value`, may be repeated.
    Map,
    /// See [`duration::parse`].
    Duration,
    /// A whole number.
    Number,
    /// No flag: see [`REST`].
    Rest,
}

/// One flag of a command.
#[derive(Debug)]
pub struct Flag {
    pub name: &'static str,
    pub alias: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

/// A flag without an alias.
pub const fn flag(name: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag { name, alias: "", kind, help }
}

/// A flag that no help text shows.
pub const fn hidden(name: &'static str, kind: Kind) -> Flag {
    Flag { name, alias: "", kind, help: "" }
}

/// Among a command's flags: its own end at the first word that is none, what follows belongs to another program.
pub const REST: Flag = hidden("", Kind::Rest);

/// A flag with a second name.
pub const fn aliased(name: &'static str, alias: &'static str, kind: Kind, help: &'static str) -> Flag {
    Flag { name, alias, kind, help }
}

/// A parsed command line: flag values and the words left over.
#[derive(Debug, Default)]
pub struct Args {
    values: BTreeMap<&'static str, Vec<String>>,
    pub rest: Vec<String>,
}

/// Parses `words`; `-h`, `-help` and `--help` are the caller's business.
pub fn parse(words: &[String], flags: &[&'static [Flag]]) -> Result<Args, String> {
    let mut args = Args::default();
    let mut words = words.iter();
    let passes_on = flags.iter().flat_map(|set| set.iter()).any(|flag| flag.kind == Kind::Rest);
    while let Some(word) = words.next() {
        if word == "--" {
            args.rest.extend(words.cloned());
            break;
        }
        let Some(named) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) else {
            args.rest.push(word.clone());
            if passes_on {
                args.rest.extend(words.cloned());
                break;
            }
            continue;
        };
        let named = named.strip_prefix('-').unwrap_or(named);
        let (name, inline) = match named.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (named, None),
        };
        let known = flags.iter().flat_map(|set| set.iter());
        let Some(flag) = known
            .into_iter()
            .filter(|f| f.kind != Kind::Rest)
            .find(|f| f.name == name || (f.alias == name && !name.is_empty()))
        else {
            return Err(format!("flag provided but not defined: -{name}"));
        };
        let value = match (inline, flag.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true".to_owned(),
            (None, _) => match words.next() {
                Some(value) => value.clone(),
                None => return Err(format!("flag needs an argument: -{name}")),
            },
        };
        check(flag, &value)?;
        args.values.entry(flag.name).or_default().push(value);
    }
    Ok(args)
}

fn truth(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn check(flag: &Flag, value: &str) -> Result<(), String> {
    let bad = |why: &str| Err(format!("invalid value {value:?} for flag -{}: {why}", flag.name));
    match flag.kind {
        Kind::Text | Kind::List | Kind::Rest => Ok(()),
        Kind::Bool if truth(value).is_none() => bad("expected true or false"),
        Kind::Number if value.parse::<i64>().is_err() => bad("expected a whole number"),
        Kind::Map if !value.contains('=') => bad(&format!("missing = in KV pair: {value:?}")),
        Kind::Duration => match duration::parse(value) {
            Ok(_) => Ok(()),
            Err(why) => bad(&why),
        },
        _ => Ok(()),
    }
}

impl Args {
    fn last(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(|all| all.last()).map(String::as_str)
    }

    /// True when the flag was given at all.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub fn is(&self, name: &str) -> bool {
        self.boolean(name).unwrap_or(false)
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.last(name).and_then(truth)
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.last(name)
    }

    pub fn list(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Repeated values, each possibly separated by commas.
    pub fn comma_list(&self, name: &str) -> Vec<String> {
        let parts = self.list(name).iter().flat_map(|value| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub fn map(&self, name: &str) -> serde_json::Map<String, serde_json::Value> {
        let pairs = self.list(name).iter().filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.into())).collect()
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.last(name)?.parse().ok()
    }

    pub fn duration(&self, name: &str) -> Option<Duration> {
        duration::parse(self.last(name)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static FLAGS: &[Flag] = &[
        flag("format", Kind::Text, ""),
        aliased("force", "f", Kind::Bool, ""),
        flag("policy", Kind::List, ""),
        flag("ttl", Kind::Duration, ""),
        flag("use-limit", Kind::Number, ""),
        flag("metadata", Kind::Map, ""),
    ];

    fn run(line: &str) -> Result<Args, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words, &[FLAGS])
    }

    #[test]
    fn the_three_spellings_of_a_flag_mean_the_same() {
        for line in ["-format=json a", "-format json a", "--format=json a", "a --format json"] {
            let args = run(line).unwrap();
            assert_eq!((args.text("format"), args.rest.as_slice()), (Some("json"), &["a".to_owned()][..]));
        }
    }

    #[test]
    fn booleans_never_take_the_next_word() {
        let args = run("-f a b=c").unwrap();
        assert!(args.is("force"));
        assert_eq!(args.rest, ["a", "b=c"]);
        assert_eq!(run("-force=false a").unwrap().boolean("force"), Some(false));
        assert!(run("-force=maybe").is_err());
    }

    #[test]
    fn flags_may_follow_positionals_and_a_bare_dash_is_data() {
        let args = run("path - -policy a -policy=b -metadata k=v=w").unwrap();
        assert_eq!(args.rest, ["path", "-"]);
        assert_eq!(args.list("policy"), ["a", "b"]);
        assert_eq!(args.map("metadata")["k"], "v=w");
    }

    #[test]
    fn two_dashes_end_the_flags() {
        assert_eq!(run("-f -- -format x").unwrap().rest, ["-format", "x"]);
    }

    #[test]
    fn what_belongs_to_another_program_is_left_as_it_is() {
        let words = ["-format", "json", "a@h", "-format", "x", "--", "-p"].map(str::to_owned);
        let args = parse(&words, &[FLAGS, &[REST]]).unwrap();
        assert_eq!((args.text("format"), &args.rest[..]), (Some("json"), &words[2..]));
        assert!(parse(&["-".to_owned() + "="], &[&[REST]]).is_err());
    }

    #[test]
    fn mistakes_name_the_flag() {
        assert_eq!(run("-nope").unwrap_err(), "flag provided but not defined: -nope");
        assert_eq!(run("-format").unwrap_err(), "flag needs an argument: -format");
        for bad in ["-ttl=5x", "-use-limit=a", "-metadata=k"] {
            assert!(run(bad).unwrap_err().starts_with("invalid value"), "{bad}");
        }
    }
}
