//! Takes out of an answer what is different by nature: ids, times, names and passwords that were made by chance.
use serde_json::Value;

/// The answer with a word in the place of everything that chance or the clock decided.
pub fn normal(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().map(|(name, value)| (name.clone(), field(&name, value))).collect(),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::String(text) => Value::String(words(&text)),
        other => other,
    }
}

fn field(name: &str, value: Value) -> Value {
    match (name, &value) {
        ("request_id", Value::String(text)) if !text.is_empty() => "<id>".into(),
        // What identity makes of a login is compared elsewhere.
        ("entity_id", Value::String(_)) => "<id>".into(),
        // Counted from the login, by the clock: full minutes are compared.
        ("lease_duration", Value::Number(_)) => match value.as_i64() {
            Some(seconds) if seconds > 3000 => ((seconds + 59) / 60 * 60).into(),
            _ => value,
        },
        ("client_token" | "accessor", Value::String(text)) if !text.is_empty() => "<id>".into(),
        ("password", Value::String(text)) => format!("<password of {}>", text.len()).into(),
        ("lease_id" | "id", Value::String(text)) if text.contains('/') => {
            let (path, id) = text.rsplit_once('/').unwrap_or(("", text));
            format!("{path}/<id>{}", if id.len() == 24 { "" } else { " of another length" }).into()
        }
        // Counted down by the clock: full minutes are compared.
        ("ttl", Value::Number(_)) => value.as_i64().map_or(value, |seconds| ((seconds + 59) / 60).into()),
        _ => normal(value),
    }
}

/// Times and generated names inside a text.
fn words(text: &str) -> String {
    if text.parse::<jiff::Timestamp>().is_ok() && text.contains('T') {
        return "<time>".to_owned();
    }
    // How a value that does not fit is described is each server's own business; the field is named by both.
    for told in ["error converting input for field ", "failed to decode JSON input: "] {
        if let Some(at) = text.find(told) {
            let rest = &text[at + told.len()..];
            let field = rest.split_once(": ").filter(|_| told.ends_with("field ")).map_or("", |(field, _)| field);
            return format!("{}{told}{field} <reason>", &text[..at]);
        }
    }
    text.split_inclusive([' ', '"', '\'', '/', '\n']).map(word).collect()
}

fn word(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '"', '\'', '/', '\n']);
    let parts: Vec<&str> = bare.split('-').collect();
    let [.., random, seconds] = parts.as_slice() else { return word.to_owned() };
    let generated = parts[0] == "v" && random.len() == 20 && seconds.len() >= 10;
    if !generated {
        return word.to_owned();
    }
    let kept = parts[..parts.len() - 2].join("-");
    word.replacen(bare, &format!("{kept}-<random>-<seconds>"), 1)
}
