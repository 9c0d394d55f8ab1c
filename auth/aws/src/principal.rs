//! Names of whoever calls AWS
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).

/// A user, or a role that somebody took on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// Without path: `bob`.
    pub(crate) name: String,
    /// Without session: `arn:aws:iam::123456789012:role/name`.
    pub(crate) canonical: String,
}

impl Principal {
    /// Reads the ARN of a caller; `None` for those that are neither, such as the account itself.
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, _, account, resource] = parts.as_slice() else { return None };
        let segments: Vec<&str> = resource.split('/').collect();
        match (*service, segments.as_slice()) {
            ("sts", ["assumed-role", name, _session]) => {
                let canonical = format!("arn:{partition}:iam::{account}:role/{name}");
                Some(Self { name: (*name).to_owned(), canonical })
            }
            ("iam", ["user", .., name]) => Some(Self { name: (*name).to_owned(), canonical: arn.to_owned() }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_that_of_its_role_and_a_user_is_itself() {
        let of = |arn: &str| Principal::parse(arn).map(|found| (found.name, found.canonical));
        let role = of("arn:aws:sts::123456789012:assumed-role/app/i-1").unwrap();
        assert_eq!(role, ("app".into(), "arn:aws:iam::123456789012:role/app".into()));
        let user = of("arn:aws:iam::123456789012:user/team/bob").unwrap();
        assert_eq!(user, ("bob".into(), "arn:aws:iam::123456789012:user/team/bob".into()));
        for other in ["arn:aws:iam::123456789012:root", "arn:aws:sts::1:federated-user/x", "x", "arn:aws:iam::1:user"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
