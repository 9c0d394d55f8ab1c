//! Names of users and sessions.
use lessor_engine::template::Template;
use lessor_engine::{Context, Error, Result};
use serde_json::json;

/// Vault's own.
pub(crate) const TEMPLATE: &str = r#"{{ if (eq .Type "STS") }}{{ printf "vault-%s-%s" (unix_time) (random 20) | truncate 32 }}{{ else }}{{ printf "vault-%s-%s-%s" (printf "%s-%s" (.DisplayName) (.PolicyName) | truncate 42) (unix_time) (random 20) | truncate 64 }}{{ end }}"#;

/// Which limit a name has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A user, or the session of an assumed role.
    Iam,
    /// A federation.
    Sts,
}

/// Letters of IAM names; everything else becomes `_`.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "+=,.@_-".contains(c) { c } else { '_' }).collect()
}

fn render(source: &str, cx: Option<&Context>, kind: Kind, display: &str, policy: &str) -> Result<String> {
    let fail = |error: Error| Error::invalid(format!("unable to initialize username template: {error}"));
    let template = Template::parse(source).map_err(fail)?;
    let data = match kind {
        Kind::Iam => json!({ "Type": "IAM", "DisplayName": clean(display), "PolicyName": clean(policy) }),
        Kind::Sts => json!({ "Type": "STS", "DisplayName": "", "PolicyName": "" }),
    };
    let name = match cx {
        Some(cx) => template.render_at(cx.now(), &data),
        None => template.render(&data),
    };
    let name = name.map_err(fail)?;
    let (limit, what) = if kind == Kind::Iam { (64, "an IAM user") } else { (32, "an STS federation") };
    if name.is_empty() || name.len() > limit {
        return Err(Error::invalid(format!(
            "the username template generates a name of {} characters: {what} has 1 to {limit}",
            name.len()
        )));
    }
    Ok(name)
}

/// A fresh name.
pub(crate) fn name(cx: &Context, template: &str, kind: Kind, role: &str) -> Result<String> {
    let template = if template.is_empty() { TEMPLATE } else { template };
    render(template, Some(cx), kind, &cx.caller.display_name, role)
}

/// Tries a template with long names.
pub(crate) fn check(template: &str) -> Result<()> {
    let long = "x".repeat(48);
    render(template, None, Kind::Iam, &long, &long)?;
    render(template, None, Kind::Sts, "", "").map(drop)
}

/// A session name as STS takes it.
pub(crate) fn session_name(asked: &str) -> String {
    clean(asked).chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_names_keep_aws_limits() {
        check(TEMPLATE).unwrap();
        let name = render(TEMPLATE, None, Kind::Iam, "token with spaces", "ci").unwrap();
        assert!(name.starts_with("vault-token_with_spaces-ci-"), "{name}");
        assert!(render(TEMPLATE, None, Kind::Sts, "", "").unwrap().len() <= 32);
        assert!(check("{{.DisplayName}}-{{.PolicyName}}-{{random 40}}").is_err());
        assert_eq!(session_name("a b/c"), "a_b_c");
    }
}
