//! Names of whoever calls AWS, and of what may be bound
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>).

/// What an ARN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Role,
    InstanceProfile,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Role => "role",
            Self::InstanceProfile => "instance-profile",
        }
    }
}

/// What a principal's ARN says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// `aws`, `aws-cn`, `aws-us-gov` and the like.
    pub(crate) partition: String,
    pub(crate) account: String,
    pub(crate) kind: Kind,
    /// Without path: `bob`.
    pub(crate) name: String,
    /// Of a role that somebody took on; an instance's is its id.
    pub(crate) session: Option<String>,
}

impl Principal {
    /// Reads an ARN; `None` for those of the account itself and of what else is no principal.
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, _, account, resource] = parts.as_slice() else { return None };
        let segments: Vec<&str> = resource.split('/').collect();
        let (kind, name, session) = match (*service, segments.as_slice()) {
            ("sts", ["assumed-role", name, session]) => (Kind::Role, name, Some((*session).to_owned())),
            ("iam", ["user", .., name]) => (Kind::User, name, None),
            ("iam", ["role", .., name]) => (Kind::Role, name, None),
            ("iam", ["instance-profile", .., name]) => (Kind::InstanceProfile, name, None),
            _ => return None,
        };
        let (partition, account) = ((*partition).to_owned(), (*account).to_owned());
        (!name.is_empty()).then(|| Self { partition, account, kind, name: (*name).to_owned(), session })
    }
    /// The same for one who calls: a user, or a session of a role.
    pub(crate) fn caller(arn: &str) -> Option<Self> {
        Self::parse(arn).filter(|found| found.kind == Kind::User || found.session.is_some())
    }
    /// Without session and path, which the ARN of a session does not have.
    pub(crate) fn canonical(&self) -> String {
        let Self { partition, account, kind, name, .. } = self;
        format!("arn:{partition}:iam::{account}:{}/{name}", kind.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_that_of_its_role_and_a_user_is_itself() {
        let of = |arn: &str| Principal::caller(arn).map(|found| (found.canonical(), found.session));
        let role = of("arn:aws:sts::123456789012:assumed-role/app/i-1").unwrap();
        assert_eq!(role, ("arn:aws:iam::123456789012:role/app".into(), Some("i-1".into())));
        let user = of("arn:aws-cn:iam::123456789012:user/team/bob").unwrap();
        assert_eq!(user, ("arn:aws-cn:iam::123456789012:user/bob".into(), None));
        for other in [
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:role/app",
            "arn:aws:sts::1:federated-user/x",
            "x",
            "arn:aws:iam::1:user",
            "arn:aws:iam::1:user/",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        let profile = Principal::parse("arn:aws:iam::1:instance-profile/a/web").unwrap();
        assert_eq!((profile.kind, profile.name.as_str()), (Kind::InstanceProfile, "web"));
    }
}
