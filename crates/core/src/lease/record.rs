//! What is kept of a lease and of an intent.
use crate::keys::{Due, DueKind, Target};
use jiff::Timestamp;
use lessor_engine::Grant;
use rand::Rng;
use serde::{Deserialize, Serialize};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// 24 base62 characters, the first eight of which count milliseconds: ids made one after the other are neighbours
/// in storage, and 16 random ones (95 bits) keep them from being guessed.
pub fn ordered_id(now: Timestamp) -> String {
    let mut text = [0_u8; 24];
    let mut millis = now.as_millisecond().unsigned_abs();
    for slot in text[..8].iter_mut().rev() {
        *slot = BASE62[usize::try_from(millis % 62).unwrap_or_default()];
        millis /= 62;
    }
    let mut random = rand::rng();
    for slot in &mut text[8..] {
        *slot = BASE62[random.random_range(0..62)];
    }
    text.iter().map(|byte| char::from(*byte)).collect()
}

/// A lease: a credential, who holds it, and when it ends.
#[derive(Clone, Serialize, Deserialize)]
pub struct Lease {
    /// `<namespace><request path>/<24 characters>`, in a namespace with its id behind a dot; never changes, never
    /// reused.
    pub id: String,
    /// The namespace it lies in: empty for the root, else with a trailing slash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The uuid of the mount that issued it.
    pub mount: String,
    /// The storage id of the token it dies with; empty where it only ends by time.
    pub token: String,
    /// An end that renewals do not pass: that of the batch token it was issued for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_by: Option<Timestamp>,
    /// How to find and delete the credential.
    pub grant: Grant,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// The last renewal.
    pub renewed: Option<Timestamp>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// When the next attempt to revoke it is due: its place in the due index.
    pub due: i64,
    /// Failed revocations so far.
    pub attempts: u32,
    /// What the last of them said.
    pub error: Option<String>,
}

impl Lease {
    /// Its id as clients know it: without the namespace in front.
    pub fn shown_id(&self) -> &str {
        self.id.strip_prefix(&self.namespace).unwrap_or(&self.id)
    }
    /// Its entry in the due index.
    pub fn due(&self) -> Due {
        Due { at: self.due, kind: DueKind::Lease, subject: self.id.clone() }
    }
    /// Where its credential stands.
    pub fn target(&self) -> Target {
        Target { mount: self.mount.clone(), name: self.grant.target.clone() }
    }
}

/// A credential that is being made: durable before the platform hears of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Intent {
    /// Time-ordered.
    pub id: String,
    /// The uuid of the mount.
    pub mount: String,
    /// How to find and delete what may exist.
    pub grant: Grant,
    /// When it was opened.
    pub opened: Timestamp,
    /// Its place in the due index.
    pub due: i64,
    /// Failed attempts to clean up.
    pub attempts: u32,
    /// What the last of them said.
    pub error: Option<String>,
    /// The node that makes the credential.
    #[serde(default)]
    pub owner: String,
}

impl Intent {
    /// Its entry in the due index.
    pub fn due(&self) -> Due {
        Due { at: self.due, kind: DueKind::Intent, subject: self.id.clone() }
    }
    /// Where its credential may stand.
    pub fn target(&self) -> Target {
        Target { mount: self.mount.clone(), name: self.grant.target.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_24_base62_characters_in_the_order_of_time() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let (first, second) = (ordered_id(now), ordered_id(now + std::time::Duration::from_millis(1)));
        assert_eq!(first.len(), 24);
        assert!(first.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(first < second);
        assert_ne!(first[8..], second[8..]);
    }
}
