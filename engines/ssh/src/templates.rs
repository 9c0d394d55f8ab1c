//! `{{identity.…}}` in fields of roles, filled in for the caller.
use lessor_engine::{Caller, Error, Result};

/// What a value may bring into the text.
#[derive(Clone, Copy)]
pub(crate) struct Admits {
    /// A comma would make several principals of one: metadata may be writable by its own subject.
    pub(crate) commas: bool,
    /// A `*` would stand for anything.
    pub(crate) wildcards: bool,
}

/// The text for this caller; text without variables, and all text for a caller without an entity, stays as it is.
///
/// # Errors
/// When something is not known of the caller, or a value brings in what it must not.
pub(crate) fn render(text: &str, caller: &Caller, admits: Admits) -> Result<String> {
    let Some(identified) = &caller.identified else { return Ok(text.to_owned()) };
    let failed = || Error::Invalid(format!("template '{text}' could not be rendered"));
    let mut pieces = text.split("{{");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (variable, rest) = piece.split_once("}}").ok_or_else(failed)?;
        let variable = variable.trim();
        let value = identified.value(variable).filter(|value| !value.is_empty()).ok_or_else(failed)?;
        if !admits.commas && value.contains(',') {
            return Err(Error::Invalid(format!(
                "the value of {variable} holds a comma, which allow_commas_in_identity_templates of the role does not admit"
            )));
        }
        if !admits.wildcards && value.contains('*') {
            return Err(Error::Invalid(format!(
                "the value of {variable} holds a wildcard, which allow_wildcards_in_identity_templates of the role does not admit"
            )));
        }
        out.push_str(&value);
        out.push_str(rest);
    }
    Ok(out)
}

/// Whether there is anything to fill in.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lessor_engine::Identified;
    use std::sync::Arc;

    #[derive(Debug)]
    struct Known;

    impl Identified for Known {
        fn value(&self, variable: &str) -> Option<String> {
            match variable {
                "identity.entity.name" => Some("ann".to_owned()),
                "identity.entity.metadata.many" => Some("a,root".to_owned()),
                "identity.entity.metadata.star" => Some("*".to_owned()),
                _ => None,
            }
        }
    }

    const NOTHING: Admits = Admits { commas: false, wildcards: false };

    fn ann() -> Caller {
        Caller { identified: Some(Arc::new(Known)), ..Caller::default() }
    }

    #[test]
    fn a_caller_without_an_entity_leaves_the_text_as_it_is() {
        let text = "a,{{identity.entity.name}}";
        assert_eq!(render(text, &Caller::default(), NOTHING).unwrap(), text);
        assert_eq!(render(text, &ann(), NOTHING).unwrap(), "a,ann");
        assert_eq!(render("{{ identity.entity.name }}-x", &ann(), NOTHING).unwrap(), "ann-x");
    }

    #[test]
    fn values_bring_in_no_further_principals_and_no_wildcards_unless_the_role_admits_them() {
        let all = Admits { commas: true, wildcards: true };
        for (text, open) in
            [("{{identity.entity.metadata.many}}", "a,root"), ("{{identity.entity.metadata.star}}", "*")]
        {
            assert!(render(text, &ann(), NOTHING).is_err());
            assert_eq!(render(text, &ann(), all).unwrap(), open);
        }
        for bad in ["{{identity.entity.metadata.none}}", "{{identity.entity.name"] {
            let text = render(bad, &ann(), all).unwrap_err().to_string();
            assert!(text.contains("could not be rendered"), "{text}");
        }
    }
}
