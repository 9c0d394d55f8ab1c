//! Roles of old clients: one `arn`, or one `policy`.
use crate::roles::{Kind, Role};
use lessor_engine::{Error, Result};
use serde_json::Value;

/// The modern role that an old one means.
///
/// # Errors
/// When the text is neither an ARN of a role or policy nor a policy.
pub(crate) fn role(arn: &str, policy: &str) -> Result<Role> {
    let mut role = Role { legacy: true, ..Role::default() };
    match (arn, policy) {
        (arn, "") => {
            let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
            if arn.starts_with("arn:") && resource.starts_with("role/") {
                role.kinds = vec![Kind::AssumedRole];
                role.role_arns = vec![arn.to_owned()];
            } else if arn.starts_with("arn:") && resource.starts_with("policy/") {
                role.kinds = vec![Kind::IamUser];
                role.policy_arns = vec![arn.to_owned()];
            } else {
                return Err(Error::invalid(format!("arn: {arn:?} is the ARN of neither a role nor a policy")));
            }
        }
        ("", policy) => {
            let document: Value =
                serde_json::from_str(policy).map_err(|error| Error::invalid(format!("policy: not JSON: {error}")))?;
            role.kinds = vec![Kind::IamUser, Kind::FederationToken];
            role.policy_document = document.to_string();
        }
        _ => return Err(Error::invalid("only one of policy or arn should be provided")),
    }
    Ok(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_forms_become_modern_roles() {
        assert_eq!(role("arn:aws:iam::1:role/a", "").unwrap().kinds, [Kind::AssumedRole]);
        assert_eq!(role("arn:aws:iam::aws:policy/A", "").unwrap().kinds, [Kind::IamUser]);
        assert_eq!(role("", "{\"Version\": \"2012-10-17\"}").unwrap().policy_document, "{\"Version\":\"2012-10-17\"}");
        assert!(role("arn:aws:s3:::bucket", "").is_err());
        assert!(role("", "nonsense").is_err());
        assert!(role("arn:aws:iam::1:role/a", "{}").is_err());
    }
}
