//! Values in the spellings that Vault's configuration allows: `"90s"` or `90`, `"true"` or `1`, lists as CSV.
use super::Fault;
use ipnet::IpNet;
use lessor_engine::duration;
use lessor_hcl::{Body, Node, Value};
use std::net::IpAddr;
use std::time::Duration;

/// Text, number or boolean as text.
pub(super) fn text_of(name: &str, node: &Node) -> Result<String, Fault> {
    match &node.value {
        Value::Int(value) => Ok(value.to_string()),
        Value::Float(value) => Ok(value.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Ok(node.string(name)?.to_owned()),
    }
}

pub(super) fn text(body: &Body, name: &str) -> Result<Option<String>, Fault> {
    body.attr(name).map(|node| text_of(name, node)).transpose()
}

pub(super) fn flag(body: &Body, name: &str) -> Result<bool, Fault> {
    Ok(body.bool(name)?.unwrap_or_default())
}

pub(super) fn duration(body: &Body, name: &str) -> Result<Option<Duration>, Fault> {
    let Some(text) = text(body, name)? else { return Ok(None) };
    Ok(Some(duration::parse(&text).map_err(|error| Fault::Value(format!("{name}: {error}")))?))
}

/// A number of things, not negative.
pub(super) fn count(body: &Body, name: &str) -> Result<Option<usize>, Fault> {
    let Some(value) = body.int(name)? else { return Ok(None) };
    let wrong = || Fault::Value(format!("{name}: {value} is negative: use 0 or more"));
    Ok(Some(usize::try_from(value).map_err(|_| wrong())?))
}

/// A bound: absent is `default`, negative is none.
pub(super) fn bound(body: &Body, name: &str, default: usize) -> Result<Option<usize>, Fault> {
    Ok(match body.int(name)? {
        None | Some(0) => Some(default),
        Some(value) => usize::try_from(value).ok(),
    })
}

/// An array, or one string separated by commas.
pub(super) fn list(body: &Body, name: &str) -> Result<Vec<String>, Fault> {
    let given = body.strings(name)?.unwrap_or_default();
    let items = given.iter().flat_map(|text| text.split(',')).map(str::trim);
    Ok(items.filter(|item| !item.is_empty()).map(str::to_owned).collect())
}

/// Networks; a plain address is a network of one.
pub(super) fn networks(body: &Body, name: &str) -> Result<Vec<IpNet>, Fault> {
    list(body, name)?.iter().map(|text| network(name, text)).collect()
}

fn network(name: &str, text: &str) -> Result<IpNet, Fault> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let parsed = text.parse::<IpNet>().or_else(|_| address());
    parsed.map_err(|_| Fault::Value(format!("{name}: '{text}' is no network: use addresses such as 10.0.0.0/8")))
}
