//! The text of a policy.
use super::{PasswordPolicy, Rule};
use crate::{Error, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lessor_hcl::{Body, Item, Node, Value};
use std::borrow::Cow;

/// Policies may arrive in base64. No policy in clear is also base64: it has an `=` in its middle or a brace.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    let plain = STANDARD.decode(text.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    plain.map_or(Cow::Borrowed(text), Cow::Owned)
}

pub(super) fn parse(text: &str) -> Result<PasswordPolicy> {
    if text.trim().is_empty() {
        return Err(Error::invalid("missing policy"));
    }
    let body = lessor_hcl::parse(text).map_err(hcl)?;
    if let Some(item) = body.unknown(&["length", "rule"]).next() {
        return Err(unknown(item));
    }
    let length = body.int("length").map_err(hcl)?.unwrap_or(0);
    let mut rules = Vec::new();
    for block in body.blocks("rule", 1).map_err(hcl)? {
        match block.label(0) {
            Some("charset") => rules.push(rule(block.body)?),
            other => return Err(Error::Invalid(format!("unrecognized rule type {:?}", other.unwrap_or_default()))),
        }
    }
    PasswordPolicy::new(length, rules)
}

fn rule(body: &Body) -> Result<Rule> {
    if let Some(item) = body.unknown(&["charset", "min-chars"]).next() {
        return Err(unknown(item));
    }
    let charset: Vec<char> = match body.attr("charset") {
        Some(Node { value: Value::String(text), .. }) => text.chars().collect(),
        Some(node) => return Err(hcl(lessor_hcl::Error::at(node.span, "`charset` must be a string"))),
        None => Vec::new(),
    };
    if charset.is_empty() {
        return Err(Error::invalid("no charset specified"));
    }
    let min = body.int("min-chars").map_err(hcl)?.unwrap_or(0);
    let min = usize::try_from(min).map_err(|_| Error::invalid("min-chars must not be negative"))?;
    Ok(Rule { charset, min })
}

fn unknown(item: &Item) -> Error {
    let message = format!("`{}` is not known here: use length, rule, charset and min-chars", item.name());
    hcl(lessor_hcl::Error::at(item.span(), message))
}

#[allow(clippy::needless_pass_by_value)] // the shape `map_err` wants
fn hcl(error: lessor_hcl::Error) -> Error {
    Error::Invalid(error.to_string())
}
