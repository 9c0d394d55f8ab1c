//! Claims of identity tokens: a JSON object with `{{identity…}}` and `{{time…}}` in the place of values.
use crate::identity::subject::{Subject, SubjectAlias};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use lessor_engine::{Error, Result, duration};
use serde_json::{Map, Value, json};

/// Claims that only the server sets.
const RESERVED: [&str; 10] =
    ["iat", "aud", "exp", "iss", "sub", "namespace", "nonce", "auth_time", "at_hash", "c_hash"];

/// A template may be sent in base64.
pub(super) fn decode(template: &str) -> String {
    STANDARD
        .decode(template)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| template.to_owned())
}

/// Checks a template for an entity that has nothing; answers with its top-level keys.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(template: &str) -> Result<Vec<String>> {
    let claims = render(template, &Subject::default(), Timestamp::UNIX_EPOCH)?;
    for key in claims.keys() {
        if RESERVED.contains(&key.as_str()) {
            let reserved = RESERVED.join(", ");
            return Err(Error::invalid(format!("top level key {key:?} not allowed. Restricted keys: {reserved}")));
        }
    }
    Ok(claims.into_iter().map(|(key, _)| key).collect())
}

/// The claims for `subject` at `now`.
///
/// # Errors
/// When a directive is not known or the result is no JSON object.
pub(super) fn render(template: &str, subject: &Subject, now: Timestamp) -> Result<Map<String, Value>> {
    if template.is_empty() {
        return Ok(Map::new());
    }
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (directive, behind) = behind
            .split_once("}}")
            .ok_or_else(|| Error::invalid("error parsing template: a {{ is not closed by }}"))?;
        text.push_str(before);
        text.push_str(&value(directive.trim(), subject, now)?.to_string());
        rest = behind;
    }
    text.push_str(rest);
    serde_json::from_str(&text).map_err(|error| Error::invalid(format!("error parsing template JSON: {error}")))
}

fn value(directive: &str, subject: &Subject, now: Timestamp) -> Result<Value> {
    let unknown =
        || Error::invalid("error parsing template: no value could be found for one of the template directives");
    let text = |found: Option<&String>| json!(found.cloned().unwrap_or_default());
    if let Some(rest) = directive.strip_prefix("identity.entity.aliases.") {
        let (accessor, what) = rest.split_once('.').ok_or_else(unknown)?;
        let none = SubjectAlias::default();
        let alias = subject.aliases.iter().find(|alias| alias.mount_accessor == accessor).unwrap_or(&none);
        return Ok(match what.split_once('.') {
            None if what == "id" => json!(alias.id),
            None if what == "name" => json!(alias.name),
            None if what == "metadata" => json!(alias.metadata),
            None if what == "custom_metadata" => json!(alias.custom_metadata),
            Some(("metadata", key)) => text(alias.metadata.get(key)),
            Some(("custom_metadata", key)) => text(alias.custom_metadata.get(key)),
            _ => return Err(unknown()),
        });
    }
    let names = |list: Vec<&String>| if list.is_empty() { Value::Null } else { json!(list) };
    match directive {
        "identity.entity.id" => Ok(json!(subject.id)),
        "identity.entity.name" => Ok(json!(subject.name)),
        "identity.entity.metadata" => Ok(json!(subject.metadata)),
        "identity.entity.groups.ids" => Ok(names(subject.groups.iter().map(|group| &group.id).collect())),
        "identity.entity.groups.names" => Ok(names(subject.groups.iter().map(|group| &group.name).collect())),
        "time.now" => Ok(json!(now.as_second())),
        _ => {
            if let Some(key) = directive.strip_prefix("identity.entity.metadata.") {
                return Ok(text(subject.metadata.get(key)));
            }
            let plus = directive.strip_prefix("time.now.plus.").map(|span| (span, 1));
            let (span, sign) =
                plus.or(directive.strip_prefix("time.now.minus.").map(|s| (s, -1))).ok_or_else(unknown)?;
            let span = duration::parse(span).map_err(|_| unknown())?.as_secs();
            Ok(json!(now.as_second() + sign * i64::try_from(span).unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_become_json_values_and_cannot_break_out_of_them() {
        let name = "a\",\"admin\":\"true".to_owned();
        let subject = Subject { name: name.clone(), ..Subject::default() };
        let claims =
            render("{\"n\":{{identity.entity.name}},\"t\":{{time.now.plus.1h}}}", &subject, Timestamp::UNIX_EPOCH);
        let claims = claims.unwrap();
        assert_eq!((claims.len(), &claims["n"], &claims["t"]), (2, &json!(name), &json!(3600)));
    }

    #[test]
    fn templates_that_make_no_sense_are_refused_when_they_are_written() {
        for (template, text) in [
            ("{bad", "error parsing template JSON"),
            ("{\"a\":{{identity.entity.nope}}}", "no value could be found"),
            ("{\"aud\":\"x\"}", "top level key \"aud\" not allowed"),
            ("{\"a\":{{identity.entity.name}", "error parsing template"),
        ] {
            let error = check(template).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
