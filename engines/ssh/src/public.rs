//! Public keys as clients send them.
use crate::wire::take;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Error, Result};
use ssh_key::public::KeyData;
use std::collections::BTreeMap;

/// A public key that certificates can be made for.
pub(crate) struct Public {
    /// The key as it stands behind the name in an `authorized_keys` line, decoded.
    pub(crate) blob: Vec<u8>,
    /// `ssh-rsa`, `ecdsa-sha2-nistp256`, …
    pub(crate) name: String,
    bits: u64,
}

/// Names by which roles call the kinds of keys, and the curve's size where the name says it.
fn named(name: &str) -> Option<(&'static str, Option<u64>)> {
    Some(match name {
        "rsa" | "ssh-rsa" => ("rsa", None),
        "dsa" | "ssh-dss" => ("dsa", None),
        "ec" | "ecdsa" => ("ec", None),
        "ecdsa-sha2-nistp256" => ("ec", Some(256)),
        "ecdsa-sha2-nistp384" => ("ec", Some(384)),
        "ecdsa-sha2-nistp521" => ("ec", Some(521)),
        "ed25519" | "ssh-ed25519" => ("ed25519", None),
        "sk-ssh-ed25519@openssh.com" => ("sk-ed25519", None),
        "sk-ecdsa-sha2-nistp256@openssh.com" => ("sk-ec", None),
        _ => return None,
    })
}

/// Bits of a positive number.
fn bits(number: &[u8]) -> u64 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    let first = digits.first().map_or(0, |byte| u64::from(byte.leading_zeros()));
    u64::try_from(digits.len()).unwrap_or(u64::MAX / 8) * 8 - first
}

fn broken(why: &str) -> Error {
    Error::Invalid(format!("failed to parse public_key as SSH key: {why}"))
}

impl Public {
    /// Reads an `authorized_keys` line without options; the comment is dropped.
    ///
    /// # Errors
    /// When it is something else: a private key, a certificate, several lines.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.contains("PRIVATE KEY-----") {
            return Err(broken("this is a private key; keep it, and send the .pub file beside it"));
        }
        if text.contains(['\n', '\r']) {
            return Err(broken("it has to be one line: 'ssh-ed25519 AAAA… comment'"));
        }
        let mut words = text.split_ascii_whitespace();
        let (said, encoded) = match (words.next(), words.next()) {
            (Some(said), Some(encoded)) => (Some(said), encoded),
            (Some(encoded), None) => (None, encoded),
            _ => return Err(Error::invalid("missing public_key")),
        };
        let blob = STANDARD.decode(encoded).map_err(|_| broken("it has to read 'ssh-ed25519 AAAA… comment'"))?;
        let public = Self::from_blob(blob)?;
        if said.is_some_and(|said| said != public.name) {
            return Err(broken("the key is of another kind than its line says"));
        }
        Ok(public)
    }

    /// Reads the decoded form.
    pub(crate) fn from_blob(blob: Vec<u8>) -> Result<Self> {
        let mut rest = blob.as_slice();
        let name = take(&mut rest).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| broken("it is cut off"))?.to_owned();
        if name.contains("-cert-v0") {
            return Err(broken("this is a certificate; send the key it was made for"));
        }
        if named(&name).is_none() {
            return Err(broken("OpenSSH knows no certificates for this kind of key"));
        }
        let key = ssh_key::PublicKey::from_bytes(&blob).map_err(|error| broken(&error.to_string()))?;
        let bits = match key.key_data() {
            KeyData::Rsa(key) => key.n.as_positive_bytes().map_or(0, bits),
            KeyData::Dsa(key) => key.p.as_positive_bytes().map_or(0, bits),
            _ => named(&name).and_then(|(_, size)| size).unwrap_or(256),
        };
        Ok(Self { blob, name, bits })
    }

    /// Whether a role's `allowed_user_key_lengths` have this key; none there allow every key.
    ///
    /// # Errors
    /// When they have not.
    pub(crate) fn allowed_by(&self, lengths: &BTreeMap<String, Vec<i64>>) -> Result<()> {
        if lengths.is_empty() {
            return Ok(());
        }
        let (kind, _) = named(&self.name).unwrap_or(("", None));
        let mut known = false;
        for (name, sizes) in lengths {
            let Some((allowed, curve)) = named(name) else { continue };
            if allowed != kind {
                continue;
            }
            known = true;
            // The name of a curve says the size, and every ed25519 key has the same.
            let fits = match (kind, curve) {
                ("ed25519" | "sk-ed25519" | "sk-ec", _) => true,
                (_, Some(size)) => size == self.bits,
                (_, None) => sizes.iter().any(|size| u64::try_from(*size) == Ok(self.bits)),
            };
            if fits {
                return Ok(());
            }
        }
        if known {
            let text =
                format!("public_key failed to meet the key requirements: key is of an invalid size: {}", self.bits);
            return Err(Error::Invalid(text));
        }
        Err(Error::Invalid(format!(
            "public_key failed to meet the key requirements: key type of {} is not allowed",
            self.name
        )))
    }
}

/// Whether this is a name of `allowed_user_key_lengths`.
pub(crate) fn is_kind(name: &str) -> bool {
    named(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICqMsfQTIYVnBcYwM2Ux5GnIvt5HzM5pSdYQuhWqAKmL";

    #[test]
    fn a_line_is_read_with_and_without_a_comment() {
        for line in [ED.to_owned(), format!("{ED} me@host\n"), format!("  {ED} two words")] {
            assert_eq!(Public::parse(&line).unwrap().name, "ssh-ed25519");
        }
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        let cut = &ED[..ED.len() - 8];
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-rsa AAAA",
            cut,
            &ED.replace("ssh-ed25519 ", "ssh-rsa "),
            &format!("{ED}\n{ED}"),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t",
        ] {
            assert!(Public::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths_are_exact_and_curves_by_name_need_none() {
        let key = Public { blob: Vec::new(), name: "ecdsa-sha2-nistp256".to_owned(), bits: 256 };
        let allowed = |name: &str, sizes: &[i64]| key.allowed_by(&BTreeMap::from([(name.to_owned(), sizes.to_vec())]));
        assert!(allowed("ec", &[256]).is_ok() && allowed("ecdsa-sha2-nistp256", &[0]).is_ok());
        assert!(allowed("ecdsa", &[384, 521]).is_err() && allowed("rsa", &[256]).is_err());
        assert!(key.allowed_by(&BTreeMap::new()).is_ok());
    }
}
