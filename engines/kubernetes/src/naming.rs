//! Names of what a lease makes. Accounts bear DNS names of lower-case letters
//! (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>), so other letters become dashes.
use lessor_engine::template::Template;
use lessor_engine::{Context, Error, Result};
use serde_json::json;

/// Vault's own.
const TEMPLATE: &str = r#"{{ printf "v-%s-%s-%s-%s" (.DisplayName | truncate 8) (.RoleName | truncate 8) (unix_time) (random 24) | truncate 62 | lowercase }}"#;
/// Names end up in labels.
const LONGEST: usize = 63;

/// Whether an address can hold it: a DNS name.
pub(crate) fn is_dns(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(plain) && name.bytes().next_back().is_some_and(plain);
    let labels = name
        .split('.')
        .all(|label| label.bytes().next().is_some_and(plain) && label.bytes().next_back().is_some_and(plain));
    ends && labels && name.len() <= 253 && name.bytes().all(|byte| plain(byte) || byte == b'-' || byte == b'.')
}

fn cleaned(text: &str) -> String {
    let letters =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' });
    let text: String = letters.collect();
    text.trim_matches(['-', '.']).to_owned()
}

fn render(template: &str, data: &serde_json::Value, cx: Option<&Context>) -> Result<String> {
    let template = Template::parse(if template.is_empty() { TEMPLATE } else { template })?;
    let text = match cx {
        Some(cx) => template.render_at(cx.now(), data)?,
        None => template.render(data)?,
    };
    let name = cleaned(&text);
    if !is_dns(&name) || name.len() > LONGEST {
        return Err(Error::invalid(format!(
            "name_template generates {name:?}: use 1 to {LONGEST} lower-case letters, digits, '-' and '.'"
        )));
    }
    Ok(name)
}

/// A fresh name.
pub(crate) fn name(cx: &Context, template: &str, role: &str) -> Result<String> {
    render(template, &json!({ "DisplayName": cx.caller.display_name, "RoleName": role }), Some(cx))
}

/// Reads a template and renders it on trial.
pub(crate) fn check(template: &str) -> Result<()> {
    let data = json!({ "DisplayName": "token-display", "RoleName": "role" });
    let fail = |error: Error| Error::invalid(format!("unable to initialize name template: {error}"));
    render(template, &data, None).map(drop).map_err(fail)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn whatever_people_are_called_names_are_dns_names() {
        let data = json!({ "DisplayName": "ldap-a_b@corp", "RoleName": "My.Role" });
        let name = render("", &data, None).unwrap();
        assert!(name.starts_with("v-ldap-a-b-my.role-") && is_dns(&name), "{name}");
        assert!(render("{{.DisplayName}}-{{random 90}}", &data, None).is_err());
        assert!(check("{{ .Nope }}").is_err() && check("--").is_err() && check("").is_ok());
        assert!(!is_dns("a/b") && !is_dns("..") && !is_dns("A") && !is_dns("") && !is_dns("a..b"));
    }
}
