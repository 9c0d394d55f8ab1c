//! Parameters of checks: what there are, and what a file changes.
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Check;
use crate::duration;

/// What a parameter takes, and what it is if nobody says.
#[derive(Clone, Copy)]
pub enum Usual {
    /// `180d`, or seconds.
    Duration(&'static str),
    /// A number of at least one and at most this.
    Number {
        usual: i64,
        most: i64,
    },
    /// A percentage, shown as text as the field does.
    Percent(&'static str),
    Names,
}

/// One parameter of a check.
pub struct Parameter {
    pub name: &'static str,
    pub usual: Usual,
}

/// A parameter in one line.
pub const fn parameter(name: &'static str, usual: Usual) -> Parameter {
    Parameter { name, usual }
}

enum Is {
    Duration(Duration),
    Number(i64),
    Names(Vec<String>),
}

/// The parameters a check runs with.
pub struct Settings {
    pub enabled: bool,
    values: BTreeMap<&'static str, Is>,
}

fn usual_value(usual: Usual) -> Value {
    match usual {
        Usual::Duration(text) | Usual::Percent(text) => json!(text),
        Usual::Number { usual, .. } => json!(usual),
        Usual::Names => json!([]),
    }
}

/// A check's parameters as they are if nobody says.
pub fn usual(check: &Check) -> Value {
    let values = check.parameters.iter().map(|parameter| (parameter.name.to_owned(), usual_value(parameter.usual)));
    let mut all: Map<String, Value> = values.collect();
    if !check.enabled {
        all.insert("enabled".to_owned(), json!(false));
    }
    Value::Object(all)
}

fn number(value: &Value, most: i64) -> Option<i64> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (1..=most).contains(&number).then_some(number)
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(is) => Some(*is),
        Value::String(text) => text.to_lowercase().parse().ok(),
        _ => None,
    }
}

fn read(usual: Usual, value: &Value) -> Result<Is, String> {
    match usual {
        Usual::Duration(_) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            duration::parse(&text).map(Is::Duration)
        }
        Usual::Number { most, .. } => {
            number(value, most).map(Is::Number).ok_or_else(|| format!("use a number from 1 to {most}"))
        }
        Usual::Percent(_) => number(value, 99).map(Is::Number).ok_or_else(|| "use a number from 1 to 99".to_owned()),
        Usual::Names => {
            let names =
                value.as_array().and_then(|all| all.iter().map(|name| name.as_str().map(str::to_owned)).collect());
            names.map(Is::Names).ok_or_else(|| "use a list of texts".to_owned())
        }
    }
}

impl Settings {
    /// What a file says in `given` laid over the usual.
    ///
    /// # Errors
    /// When it names a parameter that there is not, or a value that does not fit.
    pub fn new(check: &str, known: &'static [Parameter], usually: bool, given: Option<&Value>) -> Result<Self, String> {
        let none = Map::new();
        let given = match given {
            None => &none,
            Some(Value::Object(given)) => given,
            Some(_) => return Err(format!("{check}: use an object of its parameters")),
        };
        let stranger = given.keys().find(|name| *name != "enabled" && known.iter().all(|p| p.name != name.as_str()));
        if let Some(name) = stranger {
            return Err(format!("unknown configuration option for {check}: {name}"));
        }
        let enabled = match given.get("enabled") {
            None => usually,
            Some(value) => boolean(value).ok_or_else(|| format!("{check}.enabled: use true or false"))?,
        };
        let mut values = BTreeMap::new();
        for parameter in known {
            let value = given.get(parameter.name).cloned().unwrap_or_else(|| usual_value(parameter.usual));
            let is =
                read(parameter.usual, &value).map_err(|why| format!("{check}.{}={value}: {why}", parameter.name))?;
            values.insert(parameter.name, is);
        }
        Ok(Self { enabled, values })
    }

    pub fn duration(&self, name: &str) -> Duration {
        match self.values.get(name) {
            Some(Is::Duration(duration)) => *duration,
            _ => Duration::ZERO,
        }
    }

    pub fn number(&self, name: &str) -> i64 {
        match self.values.get(name) {
            Some(Is::Number(number)) => *number,
            _ => 0,
        }
    }

    pub fn names(&self, name: &str) -> &[String] {
        match self.values.get(name) {
            Some(Is::Names(names)) => names,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static KNOWN: [Parameter; 4] = [
        parameter("age", Usual::Duration("2d")),
        parameter("count", Usual::Number { usual: 5, most: 10 }),
        parameter("part", Usual::Percent("95")),
        parameter("names", Usual::Names),
    ];

    #[test]
    fn a_file_changes_what_it_names_and_only_to_what_fits() {
        let given = json!({ "age": 60, "count": "7", "names": ["a"], "enabled": "true" });
        let settings = Settings::new("c", &KNOWN, false, Some(&given)).unwrap();
        assert!(settings.enabled);
        assert_eq!(settings.duration("age").as_secs(), 60);
        assert_eq!((settings.number("count"), settings.number("part")), (7, 95));
        assert_eq!(settings.names("names"), ["a"]);
        for bad in [
            json!({ "age": "soon" }),
            json!({ "count": 11 }),
            json!({ "part": "100" }),
            json!({ "names": "a" }),
            json!({ "other": 1 }),
            json!({ "enabled": "maybe" }),
            json!([]),
        ] {
            assert!(Settings::new("c", &KNOWN, true, Some(&bad)).is_err(), "{bad}");
        }
    }
}
