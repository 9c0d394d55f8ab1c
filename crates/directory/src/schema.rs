//! How a directory keeps passwords.
use lessor_engine::{FieldKind, FieldValue, Secret};
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

/// The kinds of directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// OpenLDAP and those like it: `userPassword`.
    #[default]
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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialType {
    /// At most eight characters.
    #[default]
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

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Letters and digits by chance: a password that every directory takes.
pub fn letters(length: usize) -> String {
    let mut source = rand::rng();
    (0..length).map(|_| char::from(LETTERS[source.random_range(0..LETTERS.len())])).collect()
}

/// A password as `unicodePwd` takes it: in double quotes, in UTF-16, little endian (MS-ADTS 3.1.1.3.1.5).
pub fn unicode(password: &Secret) -> Zeroizing<Vec<u8>> {
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
    /// The attributes, with their only values from now on, that give an account a password.
    pub fn password(self, kind: CredentialType, new: &Secret) -> Vec<(&'static str, Zeroizing<Vec<u8>>)> {
        match (self, kind) {
            (Self::OpenLdap, _) => vec![("userPassword", text(new.expose()))],
            (Self::Ad, _) => vec![("unicodePwd", unicode(new))],
            (Self::Racf, CredentialType::Password) => {
                vec![("racfPassword", text(new.expose())), ("racfAttributes", text("noexpired"))]
            }
            (Self::Racf, CredentialType::Phrase) => {
                vec![("racfPassPhrase", text(new.expose())), ("racfAttributes", text("noexpired"))]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_has_its_attributes() {
        let (password, new) = (CredentialType::Password, Secret::new("aé"));
        let set = |schema: Schema, kind| -> Vec<(&str, Vec<u8>)> {
            schema.password(kind, &new).into_iter().map(|(name, value)| (name, value.to_vec())).collect()
        };
        assert_eq!(set(Schema::OpenLdap, password), [("userPassword", "aé".as_bytes().to_vec())]);
        assert_eq!(set(Schema::Ad, password), [("unicodePwd", vec![b'"', 0, b'a', 0, 0xe9, 0, b'"', 0])]);
        let names = |kind| set(Schema::Racf, kind).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(password), ["racfPassword", "racfAttributes"]);
        assert_eq!(names(CredentialType::Phrase), ["racfPassPhrase", "racfAttributes"]);
    }
}
