//! Who the claims speak of: bound claims, the alias, metadata and groups.
use crate::role::{ClaimMatch, Role};
use lessor_engine::glob;
use lessor_engine::{Error, Result};
use lessor_signed_token::Claims;
use serde_json::Value;
use std::collections::BTreeMap;

/// Somebody, as a role reads them out of the claims.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) groups: Vec<String>,
}

/// The claim of that name, or at that JSON pointer when it begins with a slash; null is no claim.
pub(crate) fn claim<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    let found = if name.starts_with('/') { pointer(claims, name) } else { claims.get(name) };
    found.filter(|value| !value.is_null())
}

fn pointer<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    let (first, rest) = path[1..].find('/').map_or((&path[1..], ""), |at| (&path[1..=at], &path[1 + at..]));
    claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
}

/// Puts a value where [`claim`] finds it; where a pointer leads through what is no object, nowhere.
pub(crate) fn set_claim(claims: &mut Claims, name: &str, value: Value) {
    let Some(path) = name.strip_prefix('/') else {
        claims.insert(name.to_owned(), value);
        return;
    };
    let mut parts: Vec<String> = path.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let last = parts.pop().unwrap_or_default();
    let mut place = Some(claims);
    for part in parts {
        let next =
            place.and_then(|place| place.entry(part).or_insert_with(|| Value::Object(Claims::new())).as_object_mut());
        place = next;
    }
    if let Some(place) = place {
        place.insert(last, value);
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn matches(kind: ClaimMatch, expected: &Value, actual: &Value) -> bool {
    match (kind, expected, actual) {
        (ClaimMatch::Glob, Value::String(pattern), Value::String(text)) => glob::fits(pattern, text),
        (ClaimMatch::Glob, ..) => false,
        (ClaimMatch::String, expected, actual) => expected == actual,
    }
}

/// Whether every bound claim has one of its values.
///
/// # Errors
/// Which one has not.
pub(crate) fn check_bound(role: &Role, claims: &Claims) -> Result<()> {
    for (name, expected) in role.bound_claims.iter().flatten() {
        let refused = |why: &str| Error::invalid(format!("error validating claims: claim {name:?} {why}"));
        let actual = claim(claims, name).ok_or_else(|| refused("is missing"))?;
        let one = |actual| list(expected).iter().any(|expected| matches(role.bound_claims_type, expected, actual));
        if !list(actual).iter().any(one) {
            return Err(refused("does not match any associated bound claim values"));
        }
    }
    Ok(())
}

fn groups(role: &Role, claims: &Claims) -> Result<Vec<String>> {
    if role.groups_claim.is_empty() {
        return Ok(Vec::new());
    }
    let absent = || Error::invalid(format!("failed to fetch groups: {:?} claim not found in token", role.groups_claim));
    let group = |value: &Value| {
        let text = value.as_str().map(str::to_owned);
        text.ok_or_else(|| Error::invalid(format!("value {value} in groups claim could not be parsed as string")))
    };
    let found: Result<Vec<String>> =
        list(claim(claims, &role.groups_claim).ok_or_else(absent)?).iter().map(group).collect();
    Ok(found?.into_iter().filter(|group| !group.is_empty()).collect())
}

fn metadata(role: &Role, claims: &Claims) -> Result<BTreeMap<String, String>> {
    let mut metadata = BTreeMap::from([("role".to_owned(), role.name.clone())]);
    for (source, target) in role.claim_mappings.iter().flatten() {
        let Some(value) = claim(claims, source) else { continue };
        let text = value.as_str();
        let text = text.ok_or_else(|| Error::invalid(format!("error converting claim '{source}' to string")))?;
        metadata.insert(target.clone(), text.to_owned());
    }
    Ok(metadata)
}

/// Reads somebody out of the claims.
///
/// # Errors
/// Which claim is missing or of the wrong type.
pub(crate) fn identity(role: &Role, claims: &Claims) -> Result<Identity> {
    let name = &role.user_claim;
    let found = if role.user_claim_json_pointer { claim(claims, name) } else { claims.get(name) };
    let found = found.filter(|value| !value.is_null());
    let found = found.ok_or_else(|| Error::invalid(format!("claim {name:?} not found in token")))?;
    let text = found.as_str().filter(|text| !text.is_empty());
    let user = text.ok_or_else(|| Error::invalid(format!("claim {name:?} could not be converted to string")))?;
    Ok(Identity { name: user.to_owned(), metadata: metadata(role, claims)?, groups: groups(role, claims)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Claims {
        let Value::Object(map) = value else { panic!("an object") };
        map
    }

    fn bound(kind: ClaimMatch, expected: Value, actual: Value) -> bool {
        let role = Role { bound_claims: Some(object(expected)), bound_claims_type: kind, ..Role::default() };
        check_bound(&role, &object(actual)).is_ok()
    }

    #[test]
    fn every_bound_claim_has_one_of_its_values() {
        let string = |expected, actual| bound(ClaimMatch::String, expected, actual);
        assert!(string(json!({ "a": "x", "b": [1, "y"] }), json!({ "a": ["z", "x"], "b": "y" })));
        assert!(string(json!({ "/d/e~1f/0": "x" }), json!({ "d": { "e/f": ["x"] } })));
        assert!(string(json!({ "a": true }), json!({ "a": true })));
        assert!(!string(json!({ "a": "true" }), json!({ "a": true })));
        assert!(!string(json!({ "a": "x*" }), json!({ "a": "xy" })));
        assert!(!string(json!({ "a": "x" }), json!({})));
        assert!(!string(json!({ "a": "x", "b": "y" }), json!({ "a": "x" })));
        assert!(!string(json!({ "a": "1" }), json!({ "a": 1 })));
        assert!(bound(ClaimMatch::Glob, json!({ "a": ["x*"] }), json!({ "a": "xy" })));
        assert!(!bound(ClaimMatch::Glob, json!({ "a": "*" }), json!({ "a": 1 })));
    }

    #[test]
    fn a_claim_is_set_where_it_is_found() {
        for name in ["groups", "/a/b~1c/d", "/x"] {
            let mut claims = object(json!({ "a": { "z": 1 } }));
            set_claim(&mut claims, name, json!(["g"]));
            assert_eq!(claim(&claims, name), Some(&json!(["g"])), "{name}");
            assert_eq!(claims["a"]["z"], 1);
        }
        let mut claims = object(json!({ "a": 5 }));
        set_claim(&mut claims, "/a/b", json!(1));
        assert_eq!(Value::Object(claims), json!({ "a": 5 }));
    }

    #[test]
    fn a_name_is_text_and_not_empty() {
        let role = Role { user_claim: "u".to_owned(), ..Role::default() };
        for wrong in [json!({}), json!({ "u": null }), json!({ "u": 5 }), json!({ "u": "" }), json!({ "u": ["a"] })] {
            assert!(identity(&role, &object(wrong)).is_err());
        }
        assert_eq!(identity(&role, &object(json!({ "u": "bob" }))).unwrap().name, "bob");
    }
}
