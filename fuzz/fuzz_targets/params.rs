//! Typed parameters, from JSON and from `name=value` words.
#![no_main]
use lessor_engine::{Any, CommaList, Fields, KeyValues, Object, Params, Seconds, Secret, StringList};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[derive(Params)]
#[allow(dead_code)]
struct Everything {
    /// Text.
    name: String,
    /// A whole number.
    count: i64,
    /// Another.
    size: Option<i64>,
    /// A number.
    rate: Option<f64>,
    /// A boolean.
    flag: bool,
    /// A duration.
    #[param(default = "1h")]
    ttl: Seconds,
    /// Texts.
    items: StringList,
    /// Texts with commas.
    list: CommaList,
    /// Texts with names.
    pairs: KeyValues,
    /// An object.
    object: Option<Object>,
    /// A password.
    #[param(secret)]
    password: Option<Secret>,
    /// Anything.
    any: Any,
}

fuzz_target!(|text: &str| {
    let mut fields = match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => fields,
        _ => text
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), Value::from(value)))
            .collect::<Fields>(),
    };
    let _ = Everything::parse(&mut fields);
});
