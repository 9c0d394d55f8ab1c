//! Whom a certificate speaks for: what is asked, and what the role allows.
use crate::certificate::Kind;
use crate::roles::{CaRole, parts};
use crate::templates::{Admits, render};
use lessor_engine::{Caller, Error, Result};
use std::collections::BTreeSet;

/// The principals of a certificate, sorted, each once. `asked` is `None` where the request names none; an empty text
/// names none on purpose.
///
/// # Errors
/// When the role does not allow one of them, or none at all.
pub(crate) fn principals(role: &CaRole, kind: Kind, asked: Option<&str>, caller: &Caller) -> Result<Vec<String>> {
    let admits = Admits {
        commas: role.allow_commas_in_identity_templates,
        wildcards: role.allow_wildcards_in_identity_templates,
    };
    let filled = |text: &str, template: bool, admits: Admits| {
        if template { render(text, caller, admits) } else { Ok(text.to_owned()) }
    };
    let wanted = match asked {
        Some(asked) => asked.to_owned(),
        // What it becomes has to be allowed as well, so commas do no harm here.
        None => filled(&role.default_user, role.default_user_template, Admits { commas: true, ..admits })?,
    };
    let wanted: BTreeSet<&str> = parts(&wanted).collect();
    let (allowed, template) = match kind {
        Kind::User => (&role.allowed_users, role.allowed_users_template),
        Kind::Host => (&role.allowed_domains, role.allowed_domains_template),
    };
    let allowed = filled(allowed, template, admits)?;
    let any = allowed.trim() == "*";
    if wanted.is_empty() {
        if role.allow_empty_principals || any {
            return Ok(Vec::new());
        }
        return Err(Error::invalid(
            "refusing to issue unsafe, globally-valid certificate with no principals specified; set valid_principals or default_user, or allow_empty_principals of the role if it is to be valid for every user",
        ));
    }
    let allowed: Vec<&str> = parts(&allowed).collect();
    if allowed.is_empty() {
        let field = if kind == Kind::User { "allowed_users" } else { "allowed_domains" };
        return Err(Error::Invalid(format!("role is not configured to allow any principals: set its {field}")));
    }
    for principal in &wanted {
        // They are written into logs, and sshd reads text to the first zero.
        if principal.chars().any(char::is_control) {
            return Err(Error::invalid("valid_principals must not hold control characters"));
        }
        let fits = any
            || match kind {
                Kind::User => allowed.contains(principal),
                Kind::Host => allowed.iter().any(|domain| is_host_of(role, principal, domain)),
            };
        if !fits {
            return Err(Error::Invalid(format!("{principal} is not a valid value for valid_principals")));
        }
    }
    Ok(wanted.into_iter().map(str::to_owned).collect())
}

fn is_host_of(role: &CaRole, principal: &str, domain: &str) -> bool {
    let below = || principal.strip_suffix(domain).is_some_and(|host| host.len() > 1 && host.ends_with('.'));
    (role.allow_bare_domains && principal == domain) || (role.allow_subdomains && below())
}
