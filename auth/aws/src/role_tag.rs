//! Values of role tags: what an instance that bears one may at most, signed with the role's own key. The form is Vault's.
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Error, Result, Secret};
use rand::Rng;

const VERSION: &str = "v1";
/// AWS's own limit of a tag's value.
const LONGEST: usize = 255;

/// What a tag says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) role: String,
    /// Empty leaves the role's own policies.
    pub(crate) policies: Vec<String>,
    /// Seconds; 0 for no bound of its own.
    pub(crate) max_ttl: u64,
    /// Empty for any instance.
    pub(crate) instance: String,
    pub(crate) disallow_reauthentication: bool,
    pub(crate) allow_instance_migration: bool,
}

/// A tag as it was found, which nobody vouches for yet.
pub(crate) struct Unverified {
    pub(crate) tag: Tag,
    signed: String,
    signature: Vec<u8>,
}

fn key(secret: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes())
}

fn flag(text: &str) -> Result<bool> {
    text.parse().map_err(|_| Error::invalid(format!("invalid tag: {text:?} is neither true nor false")))
}

impl Tag {
    /// The value of the tag.
    pub(crate) fn sign(&self, secret: &Secret) -> Result<String> {
        if self.policies.iter().chain([&self.instance]).any(|part| part.contains([':', ','])) {
            return Err(Error::invalid(
                "neither a policy's name nor an instance's id may have a colon or comma in a tag",
            ));
        }
        let nonce = STANDARD.encode(rand::rng().random::<[u8; 8]>());
        let (again, migrates) = (self.disallow_reauthentication, self.allow_instance_migration);
        let mut text = format!("{VERSION}:{nonce}:r={}:d={again}:m={migrates}", self.role);
        if !self.policies.is_empty() {
            text.push_str(&format!(":p={}", self.policies.join(",")));
        }
        if !self.instance.is_empty() {
            text.push_str(&format!(":i={}", self.instance));
        }
        if self.max_ttl > 0 {
            text.push_str(&format!(":t={}", self.max_ttl));
        }
        let signature = STANDARD.encode(hmac::sign(&key(secret), text.as_bytes()));
        let value = format!("{text}:{signature}");
        if value.len() > LONGEST {
            return Err(Error::invalid("role tag 'value' exceeding the limit of 255 characters: name fewer policies"));
        }
        Ok(value)
    }
    /// Reads a value.
    pub(crate) fn parse(value: &str) -> Result<Unverified> {
        let wrong = |what: &str| Error::invalid(format!("invalid tag: {what}"));
        let (signed, signature) = value.rsplit_once(':').ok_or_else(|| wrong("it has no signature"))?;
        let signature = STANDARD.decode(signature).map_err(|_| wrong("its signature is no base64"))?;
        let mut parts = signed.split(':');
        if parts.next() != Some(VERSION) {
            return Err(Error::invalid("invalid role tag version"));
        }
        if parts.next().is_none_or(str::is_empty) {
            return Err(wrong("it has no nonce"));
        }
        let mut tag = Self::default();
        for part in parts {
            match part.split_once('=') {
                Some(("r", role)) => role.clone_into(&mut tag.role),
                Some(("i", instance)) => instance.clone_into(&mut tag.instance),
                Some(("p", names)) => tag.policies = names.split(',').map(str::to_owned).collect(),
                Some(("d", text)) => tag.disallow_reauthentication = flag(text)?,
                Some(("m", text)) => tag.allow_instance_migration = flag(text)?,
                Some(("t", text)) => tag.max_ttl = text.parse().map_err(|_| wrong("its t is no number of seconds"))?,
                _ => return Err(Error::invalid(format!("unrecognized item {part:?} in tag"))),
            }
        }
        if tag.role.is_empty() {
            return Err(wrong("missing role name"));
        }
        Ok(Unverified { tag, signed: signed.to_owned(), signature })
    }
}

impl Unverified {
    /// The tag, if it was signed with this key.
    pub(crate) fn verified(self, secret: &Secret) -> Result<Tag> {
        // Roles that were never given a key have signed nothing.
        let signed = !secret.is_empty() && hmac::verify(&key(secret), self.signed.as_bytes(), &self.signature).is_ok();
        if signed { Ok(self.tag) } else { Err(Error::invalid("role tag signature verification failed")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_says_what_was_signed_and_nothing_else() {
        let secret = Secret::new("key");
        let tag = Tag {
            role: "dev".to_owned(),
            policies: vec!["default".to_owned(), "prod".to_owned()],
            max_ttl: 300,
            instance: "i-1".to_owned(),
            disallow_reauthentication: true,
            allow_instance_migration: false,
        };
        let value = tag.sign(&secret).unwrap();
        assert!(value.contains(":r=dev:d=true:m=false:p=default,prod:i=i-1:t=300:"), "{value}");
        assert_eq!(Tag::parse(&value).unwrap().verified(&secret).unwrap(), tag);
        assert!(Tag::parse(&value).unwrap().verified(&Secret::new("other")).is_err());
        assert!(Tag::parse(&value).unwrap().verified(&Secret::new("")).is_err());
        for (old, new) in [("p=default,prod", "p=root"), ("t=300", "t=3000"), ("i=i-1", "i=i-2"), ("d=true", "d=false")]
        {
            assert!(Tag::parse(&value.replace(old, new)).unwrap().verified(&secret).is_err(), "{new}");
        }
        let long = Tag { policies: vec!["p".repeat(200)], ..tag };
        assert!(long.sign(&secret).unwrap_err().to_string().contains("255 characters"));
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for value in [
            "",
            "v1",
            "v1:n",
            "v2:n:r=x:AA==",
            "v1::r=x:AA==",
            "v1:n:AA==",
            "v1:n:r=x:d=maybe:AA==",
            "v1:n:r=x:t=-1:AA==",
            "v1:n:r=x:z=1:AA==",
            "v1:n:r=x:%",
        ] {
            assert!(Tag::parse(value).is_err(), "{value}");
        }
    }
}
