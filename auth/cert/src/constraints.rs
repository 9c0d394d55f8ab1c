//! What a role asks of a trusted certificate: names by glob, and extensions.
use crate::certificate::Certificate;
use crate::roles::Role;

/// Whether the certificate has all that the role asks for.
pub(crate) fn hold(role: &Role, certificate: &Certificate) -> bool {
    let one = |name: &String| std::slice::from_ref(name).to_vec();
    let common_name = one(&certificate.common_name);
    let all = [common_name.clone(), certificate.dns.clone(), certificate.emails.clone()].concat();
    any(&role.allowed_names, &all)
        && any(&role.allowed_common_names, &common_name)
        && any(&role.allowed_dns_sans, &certificate.dns)
        && any(&role.allowed_email_sans, &certificate.emails)
        && any(&role.allowed_uri_sans, &certificate.uris)
        && any(&role.allowed_organizational_units, &certificate.units)
        && any(&role.allowed_organizations, &certificate.organizations)
        && role.required_extensions.iter().all(|required| has(certificate, required))
}

fn any(allowed: &[String], names: &[String]) -> bool {
    allowed.is_empty() || allowed.iter().any(|pattern| names.iter().any(|name| glob(pattern, name)))
}

/// `oid:glob` of a text, or `hex:oid:glob` of the raw value in hex.
fn has(certificate: &Certificate, required: &str) -> bool {
    let (text, rest) = match required.strip_prefix("hex:") {
        Some(rest) => (false, rest),
        None => (true, required),
    };
    let Some((oid, pattern)) = rest.split_once(':') else { return false };
    let value = if text { certificate.extension_text(oid) } else { certificate.extensions.get(oid).map(hex::encode) };
    value.is_some_and(|value| glob(pattern, &value))
}

/// `*` stands for any text, the empty one too; everything else for itself.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, mut rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    while let Some((part, later)) = rest.split_once('*') {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
        rest = later;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [("*", ""), ("a*", "a"), ("*.example.com", "a.b.example.com"), ("a*b*c", "a-b-b-c")] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "A"), ("*.example.com", "example.com"), ("a*b*c", "a-c-b"), ("ab*ba", "aba")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }
}
