//! Parameters: what a client may send, coerced once, at the edge.
//!
//! The accepted spellings are those of Vault's field types (`"1h"`, `3600`, `"3600"`; `"a,b"` or
//! `["a","b"]`; `k=v` lists for maps), see <https://developer.hashicorp.com/vault/api-docs>.
use crate::{Secret, duration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ops::Deref;

/// Parameters as they arrived: body, query and path captures merged.
pub type Fields = Map<String, Value>;

/// What a field accepts; decides help, OpenAPI and forms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// Text; numbers and booleans are taken as their text.
    String,
    /// A whole number or its text.
    Integer,
    /// A number or its text.
    Float,
    /// A boolean or its text.
    Boolean,
    /// Seconds, or a duration such as `1h30m`.
    Duration,
    /// An array, or one string as its only element.
    StringList,
    /// An array, or names separated by commas.
    CommaList,
    /// An object of strings, or `k=v` strings.
    KeyValues,
    /// A JSON object.
    Object,
    /// Any JSON value.
    Any,
}

impl FieldKind {
    /// The word help texts use, as Vault's do.
    pub fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "int",
            Self::Float => "float",
            Self::Boolean => "bool",
            Self::Duration => "duration (sec)",
            Self::StringList | Self::CommaList => "slice",
            Self::KeyValues => "keypair",
            Self::Object => "map",
            Self::Any => "any",
        }
    }
}

/// One parameter of an endpoint, as data.
#[derive(Clone, Copy, Debug)]
pub struct FieldSpec {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it accepts.
    pub kind: FieldKind,
    /// Its help text.
    pub doc: &'static str,
    /// Its default, as a client would write it.
    pub default: Option<&'static str>,
    /// Whether the value is never shown nor audited in clear.
    pub secret: bool,
    /// Whether a request without it is refused.
    pub required: bool,
}

/// A parameter that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The value does not fit the type.
    #[error("Field validation failed: error converting input for field {name:?}: {reason}")]
    Conversion {
        /// The field.
        name: String,
        /// Why, and what would fit.
        reason: String,
    },
    /// It is required and not there.
    #[error("missing required field {0:?}")]
    Missing(&'static str),
}

impl From<FieldError> for crate::Error {
    fn from(error: FieldError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// The typed parameters of one endpoint; derive it.
pub trait Params: Sized + Send + 'static {
    /// The fields, in the order they are shown.
    const FIELDS: &'static [FieldSpec];
    /// Whether fields that are not declared are kept too (a `#[param(rest)]` member).
    const KEEPS_UNKNOWN: bool = false;
    /// Takes the fields out of `raw`, leaving what it does not know.
    ///
    /// # Errors
    /// When a value does not fit its field.
    fn parse(raw: &mut Fields) -> Result<Self, FieldError>;
}

impl Params for () {
    const FIELDS: &'static [FieldSpec] = &[];
    fn parse(_: &mut Fields) -> Result<Self, FieldError> {
        Ok(())
    }
}

/// How many fields the parts of a parameter struct have; used by the derive.
pub const fn count(parts: &[&[FieldSpec]]) -> usize {
    let (mut total, mut part) = (0, 0);
    while part < parts.len() {
        total += parts[part].len();
        part += 1;
    }
    total
}

/// The fields of all parts, one after the other; used by the derive.
pub const fn join<const N: usize>(parts: &[&[FieldSpec]]) -> [FieldSpec; N] {
    const NONE: FieldSpec =
        FieldSpec { name: "", kind: FieldKind::Any, doc: "", default: None, secret: false, required: false };
    let mut all = [NONE; N];
    let (mut at, mut part) = (0, 0);
    while part < parts.len() {
        let mut field = 0;
        while field < parts[part].len() {
            all[at] = parts[part][field];
            at += 1;
            field += 1;
        }
        part += 1;
    }
    all
}

/// A type a field can have.
pub trait FieldValue: Sized {
    /// What it accepts.
    const KIND: FieldKind;
    /// Converts one JSON value; `Null` never arrives here.
    ///
    /// # Errors
    /// What is wrong and what would fit.
    fn coerce(value: Value) -> Result<Self, String>;
    /// The value of a field that is absent and has no default.
    fn absent() -> Self;
}

/// Takes one field out of the raw parameters; used by the derive.
///
/// # Errors
/// When the value does not fit, or a required field is missing.
pub fn take<T: FieldValue>(
    raw: &mut Fields,
    name: &'static str,
    default: Option<&'static str>,
    required: bool,
) -> Result<T, FieldError> {
    let fail = |reason| FieldError::Conversion { name: name.to_owned(), reason };
    match raw.remove(name) {
        Some(Value::Null) | None => match default {
            _ if required => Err(FieldError::Missing(name)),
            Some(text) => T::coerce(Value::String(text.to_owned())).map_err(fail),
            None => Ok(T::absent()),
        },
        Some(value) => T::coerce(value).map_err(fail),
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    const KIND: FieldKind = T::KIND;
    fn coerce(value: Value) -> Result<Self, String> {
        T::coerce(value).map(Some)
    }
    fn absent() -> Self {
        None
    }
}

fn wrong(value: &Value, expected: &str) -> String {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    format!("expected {expected}, got {got}")
}

fn scalar_text(value: Value, expected: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(if flag { "1" } else { "0" }.to_owned()),
        other => Err(wrong(&other, expected)),
    }
}

impl FieldValue for String {
    const KIND: FieldKind = FieldKind::String;
    fn coerce(value: Value) -> Result<Self, String> {
        scalar_text(value, "a string")
    }
    fn absent() -> Self {
        Self::new()
    }
}

impl FieldValue for Secret {
    const KIND: FieldKind = FieldKind::String;
    fn coerce(value: Value) -> Result<Self, String> {
        scalar_text(value, "a string").map(Self::new)
    }
    fn absent() -> Self {
        Self::default()
    }
}

impl FieldValue for bool {
    const KIND: FieldKind = FieldKind::Boolean;
    fn coerce(value: Value) -> Result<Self, String> {
        match &value {
            Value::Bool(flag) => Ok(*flag),
            Value::Number(number) => Ok(number.as_f64().is_some_and(|n| n != 0.0)),
            Value::String(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
                "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
                other => Err(format!("cannot parse '{other}' as a boolean: use true or false")),
            },
            other => Err(wrong(other, "true or false")),
        }
    }
    fn absent() -> Self {
        false
    }
}

impl FieldValue for i64 {
    const KIND: FieldKind = FieldKind::Integer;
    fn coerce(value: Value) -> Result<Self, String> {
        match &value {
            Value::Number(number) => number.as_i64().ok_or_else(|| format!("expected a whole number, got {number}")),
            Value::String(text) if text.is_empty() => Ok(0),
            Value::String(text) => text.parse().map_err(|_| format!("expected a whole number, got '{text}'")),
            Value::Bool(flag) => Ok(Self::from(*flag)),
            other => Err(wrong(other, "a whole number")),
        }
    }
    fn absent() -> Self {
        0
    }
}

impl FieldValue for f64 {
    const KIND: FieldKind = FieldKind::Float;
    fn coerce(value: Value) -> Result<Self, String> {
        match &value {
            Value::Number(number) => number.as_f64().ok_or_else(|| format!("expected a number, got {number}")),
            Value::String(text) => text.parse().map_err(|_| format!("expected a number, got '{text}'")),
            other => Err(wrong(other, "a number")),
        }
    }
    fn absent() -> Self {
        0.0
    }
}

/// A duration in whole seconds, never negative; stored and answered as a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

impl Seconds {
    /// As a duration.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0)
    }
    /// `None` for 0, which everywhere means "not set".
    pub fn nonzero(self) -> Option<std::time::Duration> {
        (self.0 > 0).then(|| self.duration())
    }
}

impl FieldValue for Seconds {
    const KIND: FieldKind = FieldKind::Duration;
    fn coerce(value: Value) -> Result<Self, String> {
        let text = match &value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            other => return Err(wrong(other, "seconds or a duration such as 1h30m")),
        };
        duration::parse(&text).map(|parsed| Self(parsed.as_secs())).map_err(|e| e.to_string())
    }
    fn absent() -> Self {
        Self(0)
    }
}

macro_rules! list_type {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $split:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Vec<String>);

        impl Deref for $name {
            type Target = Vec<String>;
            fn deref(&self) -> &Vec<String> {
                &self.0
            }
        }

        impl FieldValue for $name {
            const KIND: FieldKind = FieldKind::$kind;
            fn coerce(value: Value) -> Result<Self, String> {
                list(value, $split).map(Self)
            }
            fn absent() -> Self {
                Self(Vec::new())
            }
        }
    };
}

list_type!(
    /// A list of texts that may hold commas (statements, policies): one string is one element.
    StringList, StringList, false
);
list_type!(
    /// A list of names: an array, or one string separated by commas.
    CommaList, CommaList, true
);

fn list(value: Value, split: bool) -> Result<Vec<String>, String> {
    let items = match value {
        Value::Array(items) => {
            items.into_iter().map(|item| scalar_text(item, "an array of strings")).collect::<Result<_, _>>()?
        }
        Value::String(text) if split && text.trim_start().starts_with('[') => {
            serde_json::from_str::<Vec<String>>(&text).unwrap_or_else(|_| split_commas(&text))
        }
        Value::String(text) if split => split_commas(&text),
        Value::String(text) if text.is_empty() => Vec::new(),
        other => vec![scalar_text(other, "an array of strings")?],
    };
    Ok(items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !split || !item.is_empty()).collect())
}

fn split_commas(text: &str) -> Vec<String> {
    text.split(',').map(str::to_owned).collect()
}

/// A map of texts: an object, `k=v` strings in an array, or one `k=v`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyValues(pub BTreeMap<String, String>);

impl Deref for KeyValues {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl FieldValue for KeyValues {
    const KIND: FieldKind = FieldKind::KeyValues;
    fn coerce(value: Value) -> Result<Self, String> {
        let pair = |text: &str| {
            text.split_once('=')
                .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
                .ok_or_else(|| format!("'{text}' is not of the form key=value"))
        };
        match value {
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| Ok((key, scalar_text(value, "a map of strings")?)))
                .collect::<Result<_, String>>()
                .map(Self),
            Value::Array(items) => items
                .into_iter()
                .map(|item| pair(&scalar_text(item, "key=value strings")?))
                .collect::<Result<_, String>>()
                .map(Self),
            Value::String(text) if text.is_empty() => Ok(Self::default()),
            Value::String(text) if text.trim_start().starts_with('{') => {
                serde_json::from_str(&text).map(Self).map_err(|error| format!("expected an object of strings: {error}"))
            }
            Value::String(text) => Ok(Self(BTreeMap::from([pair(&text)?]))),
            other => Err(wrong(&other, "a map of strings")),
        }
    }
    fn absent() -> Self {
        Self::default()
    }
}

/// A JSON object, or its text.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(pub Map<String, Value>);

impl FieldValue for Object {
    const KIND: FieldKind = FieldKind::Object;
    fn coerce(value: Value) -> Result<Self, String> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            Value::String(text) => serde_json::from_str(&text)
                .map(Self)
                .map_err(|_| "expected type 'map[string]interface {}', got unconvertible type 'string'".to_owned()),
            other => Err(format!("expected type 'map[string]interface {{}}': {}", wrong(&other, "an object"))),
        }
    }
    fn absent() -> Self {
        Self::default()
    }
}

/// Any JSON value as it is.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Any(pub Value);

impl FieldValue for Any {
    const KIND: FieldKind = FieldKind::Any;
    fn coerce(value: Value) -> Result<Self, String> {
        Ok(Self(value))
    }
    fn absent() -> Self {
        Self(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seconds(value: Value) -> Result<u64, String> {
        Seconds::coerce(value).map(|s| s.0)
    }

    #[test]
    fn durations_take_seconds_and_go_style_in_number_and_text() {
        assert_eq!(seconds(json!(3600)), Ok(3600));
        assert_eq!(seconds(json!("3600")), Ok(3600));
        assert_eq!(seconds(json!("1h")), Ok(3600));
        assert_eq!(seconds(json!("2d")), Ok(172_800));
        assert!(seconds(json!(-5)).is_err());
    }

    #[test]
    fn comma_lists_split_and_string_lists_do_not() {
        assert_eq!(CommaList::coerce(json!("a, b,,c")).unwrap().0, ["a", "b", "c"]);
        assert_eq!(CommaList::coerce(json!(["a,b"])).unwrap().0, ["a,b"]);
        assert_eq!(StringList::coerce(json!("a,b")).unwrap().0, ["a,b"]);
    }

    #[test]
    fn maps_take_objects_and_pairs() {
        let expected = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        for value in [json!({"a": 1}), json!(["a=1"]), json!("a=1")] {
            assert_eq!(KeyValues::coerce(value).unwrap().0, expected);
        }
    }

    #[test]
    fn derived_parameters_take_defaults_and_name_what_is_wrong() {
        #[derive(crate::Params)]
        struct Sample {
            /// Lifetime.
            #[param(default = "1h")]
            ttl: Seconds,
            /// Kind.
            #[param(name = "type", required)]
            kind: String,
            #[param(rest)]
            rest: Fields,
        }
        let mut raw = Map::from_iter([("type".to_owned(), json!("x")), ("more".to_owned(), json!(1))]);
        let sample = Sample::parse(&mut raw).unwrap();
        assert_eq!((sample.ttl.0, sample.kind.as_str(), sample.rest.len()), (3600, "x", 1));
        assert_eq!(Sample::FIELDS[0].doc, "Lifetime.");
        let error = Sample::parse(&mut Map::from_iter([("ttl".to_owned(), json!("soon"))])).err().unwrap();
        assert!(error.to_string().contains("\"ttl\""), "{error}");
    }
}
