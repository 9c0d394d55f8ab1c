//! How a directory keeps passwords.
use crate::directory::{Action, Change, Record};
use lessor_engine::{FieldKind, FieldValue, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

/// The kinds of directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// OpenLDAP and those like it: `userPassword`.
    OpenLdap,
    /// Active Directory: `unicodePwd`.
    Ad,
    /// IBM's RACF: `racfPassword` or `racfPassPhrase`.
    Racf,
}

impl FieldValue for Schema {
    const KIND: FieldKind = FieldKind::String;
    fn coerce(value: Value) -> Result<Self, String> {
        match value.as_str() {
            Some("" | "openldap") => Ok(Self::OpenLdap),
            Some("ad") => Ok(Self::Ad),
            Some("racf") => Ok(Self::Racf),
            _ => Err("the configured schema is not valid. Supported schemas: [openldap ad racf]".to_owned()),
        }
    }
    fn absent() -> Self {
        Self::OpenLdap
    }
}

/// RACF's two kinds of secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialType {
    /// At most eight characters.
    Password,
    /// Nine to a hundred.
    Phrase,
}

impl FieldValue for CredentialType {
    const KIND: FieldKind = FieldKind::String;
    fn coerce(value: Value) -> Result<Self, String> {
        match value.as_str() {
            Some("" | "password") => Ok(Self::Password),
            Some("phrase") => Ok(Self::Phrase),
            _ => Err("unsupported credential type: expected password or phrase".to_owned()),
        }
    }
    fn absent() -> Self {
        Self::Password
    }
}

fn text(value: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(value.as_bytes().to_vec())
}

/// `unicodePwd` takes the password in double quotes, in UTF-16, little endian (MS-ADTS 3.1.1.3.1.5).
fn unicode(password: &Secret) -> Zeroizing<Vec<u8>> {
    let quoted = Zeroizing::new(format!("\"{}\"", password.expose()));
    Zeroizing::new(quoted.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

impl Schema {
    /// The attribute people are searched by unless the configuration says otherwise.
    pub fn user_attribute(self) -> &'static str {
        match self {
            Self::OpenLdap => "cn",
            Self::Ad => "userPrincipalName",
            Self::Racf => "racfid",
        }
    }
    /// Gives an account a password, as an administrator does; with `unlock` also ends a lock.
    pub fn reset(self, kind: CredentialType, dn: &str, new: &Secret, unlock: bool) -> Vec<Record> {
        let replace = |name: &str, value| Change::Replace(name.to_owned(), vec![value]);
        let changes = match (self, kind) {
            (Self::OpenLdap, _) => vec![replace("userPassword", text(new.expose()))],
            (Self::Ad, _) => vec![replace("unicodePwd", unicode(new))],
            (Self::Racf, kind) => {
                let name = if kind == CredentialType::Phrase { "racfPassPhrase" } else { "racfPassword" };
                vec![replace(name, text(new.expose())), replace("racfAttributes", text("noexpired"))]
            }
        };
        let record = |changes| Record { dn: dn.to_owned(), action: Action::Modify(changes) };
        let mut records = vec![record(changes)];
        if unlock && self == Self::Ad {
            records.push(record(vec![replace("lockoutTime", text("0"))]));
        }
        records
    }
    /// Changes an account's password as the account itself.
    pub fn change(self, dn: &str, old: &Secret, new: &Secret) -> Record {
        let action = match self {
            // A deletion of the old and an addition of the new value is a change, which obeys age and history.
            Self::Ad => Action::Modify(vec![
                Change::Delete("unicodePwd".to_owned(), vec![unicode(old)]),
                Change::Add("unicodePwd".to_owned(), vec![unicode(new)]),
            ]),
            Self::OpenLdap | Self::Racf => Action::ChangePassword { old: old.clone(), new: new.clone() },
        };
        Record { dn: dn.to_owned(), action }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(record: &Record) -> Vec<(String, Vec<u8>)> {
        let Action::Modify(changes) = &record.action else { panic!("no modification") };
        let replaced = changes.iter().map(|change| match change {
            Change::Replace(name, values) => (name.clone(), values[0].to_vec()),
            Change::Add(name, _) | Change::Delete(name, _) => panic!("{name} is not replaced"),
        });
        replaced.collect()
    }

    #[test]
    fn every_schema_has_its_attributes() {
        let (password, new) = (CredentialType::Password, Secret::new("aé"));
        let set = |schema: Schema, kind| changes(&schema.reset(kind, "cn=a", &new, false)[0]);
        assert_eq!(set(Schema::OpenLdap, password), [("userPassword".to_owned(), "aé".as_bytes().to_vec())]);
        let quoted = vec![b'"', 0, b'a', 0, 0xe9, 0, b'"', 0];
        assert_eq!(set(Schema::Ad, password), [("unicodePwd".to_owned(), quoted)]);
        let names = |found: Vec<(String, Vec<u8>)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(set(Schema::Racf, password)), ["racfPassword", "racfAttributes"]);
        assert_eq!(names(set(Schema::Racf, CredentialType::Phrase)), ["racfPassPhrase", "racfAttributes"]);
        assert_eq!(names(changes(&Schema::Ad.reset(password, "cn=a", &new, true)[1])), ["lockoutTime"]);
        assert_eq!(Schema::OpenLdap.reset(password, "cn=a", &new, true).len(), 1);
    }
}
