//! A policy's text into typed rules.
use super::error::{PolicyError, UnknownKeys};
use super::pattern::Pattern;
use super::{Capabilities, Capability, Parameters, PathTemplate, Permissions, Policy, Rule};
use lessor_engine::{Timestamp, duration};
use lessor_hcl::{Body, Error, Node, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const OUTER: [&str; 2] = ["name", "path"];
const INNER: [&str; 14] = [
    "allowed_parameters",
    "capabilities",
    "comment",
    "control_group",
    "denied_parameters",
    "expiration",
    "list_scan_response_keys_filter_path",
    "max_wrapping_ttl",
    "mfa_methods",
    "min_wrapping_ttl",
    "pagination_limit",
    "policy",
    "required_parameters",
    "subscribe_event_types",
];

/// Reads a policy in HCL or JSON.
///
/// # Errors
/// The first fault, in Vault's words.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    let body = lessor_hcl::parse(text)?;
    let unknown = unknown(&body, &OUTER);
    if !unknown.0.is_empty() {
        return Err(PolicyError::Keys(unknown));
    }
    let mut rules = Vec::new();
    for block in body.blocks("path", 1)? {
        rules.push(rule(block.label(0).unwrap_or_default(), block.body)?);
    }
    Ok(Policy { rules })
}

fn unknown(body: &Body, known: &[&str]) -> UnknownKeys {
    UnknownKeys(body.unknown(known).map(|item| (item.name().to_owned(), item.span().line)).collect())
}

fn rule(path: &str, body: &Body) -> Result<Rule, PolicyError> {
    let keys = unknown(body, &INNER);
    if !keys.0.is_empty() {
        return Err(PolicyError::PathKeys { path: path.to_owned(), keys });
    }
    let wrong = |reason: String| PolicyError::Path { path: path.to_owned(), reason };
    once_each(body).map_err(|error| wrong(error.to_string()))?;
    let template = PathTemplate::parse(path.strip_prefix('/').unwrap_or(path))
        .map_err(|error| wrong(format!("failed to validate policy templating: {error}")))?;
    Pattern::check(path).map_err(|reason| wrong(reason.to_owned()))?;
    let permissions = permissions(body).map_err(wrong)?;
    let expires = expiration(body).map_err(wrong)?;
    Ok(Rule { path: template, permissions, expires })
}

/// An attribute that stands twice means one thing to its author and another to its reader; Vault refuses it since 1.21.
fn once_each(body: &Body) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match body.items.iter().find(|item| !seen.insert(item.name())) {
        None => Ok(()),
        Some(item) => {
            let text = format!("the argument {:?} was already set: each can be defined once", item.name());
            Err(Error::at(item.span(), text))
        }
    }
}

fn permissions(body: &Body) -> Result<Permissions, String> {
    let permissions = Permissions {
        capabilities: capabilities(body)?,
        allowed: parameters(body, "allowed_parameters")?,
        denied: parameters(body, "denied_parameters")?,
        required: list(body, "required_parameters")?.into_iter().map(str::to_lowercase).collect(),
        min_wrapping: wrapping(body, "min_wrapping_ttl")?,
        max_wrapping: wrapping(body, "max_wrapping_ttl")?,
        pagination_limit: pagination_limit(body)?,
        keys_filter: keys_filter(body)?,
        control_group: body.attr("control_group").is_some(),
    };
    if let (Some(min), Some(max)) = (permissions.min_wrapping, permissions.max_wrapping)
        && max < min
    {
        return Err("max_wrapping_ttl cannot be less than min_wrapping_ttl".to_owned());
    }
    if permissions.keys_filter.is_some() && !permissions.capabilities.has(Capability::List) {
        let text = "list_scan_response_keys_filter_path needs to be used on a path with the list capability";
        return Err(text.to_owned());
    }
    Ok(permissions)
}

/// A list of strings; one string alone is none.
fn list<'a>(body: &'a Body, name: &str) -> Result<Vec<&'a str>, String> {
    match body.attr(name) {
        None => Ok(Vec::new()),
        Some(node) if matches!(node.value, Value::List(_)) => node.strings(name).map_err(|error| error.to_string()),
        Some(node) => Err(wrong(node, name, "list of strings")),
    }
}

fn wrong(node: &Node, name: &str, wanted: &str) -> String {
    Error::at(node.span, format!("`{name}` must be a {wanted}, got a {}", node.value.kind())).to_string()
}

fn capabilities(body: &Body) -> Result<Capabilities, String> {
    use Capability::{Create, Delete, Deny, List, Read, Sudo, Update};
    let legacy: &[Capability] = match body.string("policy").map_err(|error| error.to_string())?.unwrap_or_default() {
        "" => &[],
        "deny" => &[Deny],
        "read" => &[Read, List],
        "write" => &[Create, Read, Update, Delete, List],
        "sudo" => &[Create, Read, Update, Delete, List, Sudo],
        other => return Err(format!("invalid policy {other:?}")),
    };
    let mut all = legacy.to_vec();
    for word in list(body, "capabilities")? {
        all.push(Capability::parse(word).ok_or_else(|| format!("invalid capability {word:?}"))?);
    }
    Ok(all.into_iter().collect())
}

fn parameters(body: &Body, name: &str) -> Result<Parameters, String> {
    let Some(node) = body.attr(name) else { return Ok(Parameters::default()) };
    let Value::Object(map) = &node.value else { return Err(wrong(node, name, "map of names to lists")) };
    let mut parameters = BTreeMap::new();
    for item in &map.items {
        match &item.value.value {
            Value::List(values) if item.keys.len() == 1 => {
                let values = values.iter().map(Node::to_json).collect();
                parameters.insert(item.name().to_lowercase(), values);
            }
            _ => return Err(wrong(&item.value, item.name(), "list of values")),
        }
    }
    Ok(Parameters::new(parameters))
}

fn wrapping(body: &Body, name: &str) -> Result<Option<Duration>, String> {
    let Some(node) = body.attr(name) else { return Ok(None) };
    let written = match &node.value {
        Value::Int(seconds) => seconds.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(wrong(node, name, "duration such as \"90s\" or a number of seconds")),
    };
    let length = duration::parse(&written).map_err(|error| format!("error parsing {name}: time: {error}"))?;
    Ok(Some(length).filter(|length| !length.is_zero()))
}

fn pagination_limit(body: &Body) -> Result<Option<u64>, String> {
    let limit = body.int("pagination_limit").map_err(|error| error.to_string())?;
    Ok(limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0))
}

fn keys_filter(body: &Body) -> Result<Option<String>, String> {
    let filter = body.string("list_scan_response_keys_filter_path").map_err(|error| error.to_string())?;
    let Some(filter) = filter.filter(|filter| !filter.is_empty()) else { return Ok(None) };
    let rendered = |key: &str| super::template::key_path(filter, "a/", key);
    if rendered("b")? == rendered("c")? {
        return Err("list_scan_response_keys_filter_path resulted in same path for two different keys".to_owned());
    }
    Ok(Some(filter.to_owned()))
}

fn expiration(body: &Body) -> Result<Option<Timestamp>, String> {
    let Some(node) = body.attr("expiration") else { return Ok(None) };
    let time = match &node.value {
        Value::String(text) if text.is_empty() => return Ok(None),
        Value::String(text) => text.parse().ok(),
        Value::Int(seconds) => Timestamp::from_second(*seconds).ok(),
        _ => None,
    };
    let text = "invalid expiration time: could not parse string as date and time: use 2030-01-31T12:00:00Z";
    time.map(Some).ok_or_else(|| text.to_owned())
}
