//! Whether an account takes a password, asked on a connection of its own.
use crate::connection::{Account, Bound, Connection, Failure};
use crate::result::code;
use crate::settings::Settings;
use lessor_engine::{Result, Secret};

/// What the directory said to a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Login {
    /// The password is right.
    Accepted,
    /// The password is wrong.
    Wrong,
    /// It was refused for another reason (disabled, locked, expired), which says nothing of the password.
    Unknown,
}

/// What the directory says of a login that it refuses. Active Directory tells the reason behind `data`, in hexadecimal;
/// Samba may name it in words.
fn refusal(text: &str) -> Login {
    let text = text.to_uppercase();
    let told = text.split_once("DATA ").map(|(_, rest)| rest.split(|c: char| !c.is_ascii_hexdigit()).next());
    let other = ["ACCOUNT_DISABLED", "ACCOUNT_LOCKED", "PASSWORD_EXPIRED", "MUST_CHANGE", "ACCOUNT_EXPIRED"];
    match told.flatten() {
        // Not at this hour, not from here, expired, disabled, account expired, must change, locked.
        Some("530" | "531" | "532" | "533" | "701" | "773" | "775") => Login::Unknown,
        _ if other.iter().any(|word| text.contains(word)) => Login::Unknown,
        _ => Login::Wrong,
    }
}

impl Login {
    /// Tries a login. An empty password is always wrong: a directory would take it for a login of nobody.
    ///
    /// # Errors
    /// [`lessor_engine::Error::Unavailable`] when no directory answers.
    pub async fn with(settings: &Settings, name: &str, password: &Secret) -> Result<Self> {
        if password.is_empty() {
            return Ok(Self::Wrong);
        }
        let explain = |failure: Failure| failure.explain("ldap operation failed", 500);
        let mut connection = Connection::open(settings).await?;
        match connection.bind(Account::Named { dn: name, password: password.expose() }).await {
            Ok(Bound::Yes) => Ok(Self::Accepted),
            Ok(Bound::Refused(text)) => Ok(refusal(&text)),
            Err(failure @ Failure::Answered { code: code::BUSY | code::UNAVAILABLE, .. }) => Err(explain(failure)),
            Err(Failure::Answered { .. }) => Ok(Self::Unknown),
            Err(failure) => Err(explain(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_say_nothing_of_the_password_are_told_apart() {
        let told = |data: &str| {
            refusal(&format!(
                "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1"
            ))
        };
        assert_eq!(told("52e"), Login::Wrong);
        assert_eq!(told("525"), Login::Wrong);
        assert_eq!(told("533"), Login::Unknown);
        assert_eq!(told("775"), Login::Unknown);
        assert_eq!(refusal(""), Login::Wrong);
        assert_eq!(refusal("Simple Bind Failed: NT_STATUS_ACCOUNT_DISABLED"), Login::Unknown);
    }
}
