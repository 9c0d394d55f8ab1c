//! Errors and warnings quote what was wrong with a request; what they quote is hashed as it is in the request itself.
use super::record::hash;
use aws_lc_rs::hmac;
use serde_json::Value;

/// Shorter texts are words of the message rather than secrets.
const SHORTEST: usize = 8;

/// Hashes the texts of the request's payload wherever a message repeats them; fields in `clear` stay.
pub fn hash_quotes(salt: &hmac::Key, value: &mut Value, clear: &[String]) {
    let mut texts = Vec::new();
    if let Some(Value::Object(fields)) = value.pointer("/request/data") {
        fields.iter().filter(|(name, _)| !clear.contains(name)).for_each(|(_, field)| collect(field, &mut texts));
    }
    // What contains another text goes first.
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    for pointer in ["/error", "/response/warnings"] {
        if let Some(message) = value.pointer_mut(pointer) {
            replace(salt, message, &texts);
        }
    }
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(map) => map.values().for_each(|item| collect(item, texts)),
        _ => {}
    }
}

fn replace(salt: &hmac::Key, message: &mut Value, texts: &[String]) {
    match message {
        Value::String(message) => {
            for text in texts.iter().filter(|text| message.contains(*text)).collect::<Vec<_>>() {
                *message = message.replace(text.as_str(), &hash(salt, text));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(salt, item, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_quoted_value_is_hashed_and_the_rest_of_the_message_is_not() {
        let salt = hmac::Key::new(hmac::HMAC_SHA256, b"salt");
        let mut value = json!({
            "request": { "data": { "ttl": "typed-password", "shown": "in-the-clear", "n": ["a"] } },
            "error": "ttl: invalid duration \"typed-password\", shown is in-the-clear",
        });
        hash_quotes(&salt, &mut value, &["shown".to_owned()]);
        let expected = format!("ttl: invalid duration \"{}\", shown is in-the-clear", hash(&salt, "typed-password"));
        assert_eq!(value["error"], expected);
    }
}
