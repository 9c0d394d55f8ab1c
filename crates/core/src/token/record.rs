//! What is kept of a token, and how its text becomes a storage key.
use crate::keys::{Due, DueKind};
use crate::lease::record::ordered_id;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use lessor_engine::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One service token. Its text is not in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    /// Storage id: the time part of the text and an HMAC of it.
    pub key: String,
    /// Stands for the token where its text must not be seen.
    pub accessor: String,
    /// Storage id of the token it dies with.
    pub parent: Option<String>,
    /// Names, sorted.
    pub policies: Vec<String>,
    /// Whatever its maker wanted to be audited.
    pub meta: BTreeMap<String, String>,
    /// For people.
    pub display_name: String,
    /// The path it was made at.
    pub path: String,
    /// When it was made.
    pub created: Timestamp,
    /// The TTL it was made with, in seconds.
    pub creation_ttl: u64,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    /// An upper bound that renewals do not pass, in seconds; 0 for none.
    pub explicit_max_ttl: u64,
    /// Seconds; 0 for none.
    pub period: u64,
    /// Uses left; 0 for unlimited, -1 for none.
    pub num_uses: i64,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// The last renewal.
    pub renewed: Option<Timestamp>,
}

impl Token {
    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }
    /// Its entry in the due index.
    pub fn due(&self) -> Option<Due> {
        self.expires.map(|at| Due::new(at, DueKind::Token, &self.key))
    }
    /// What is left of it, in whole seconds.
    pub fn ttl(&self, now: Timestamp) -> u64 {
        let left = self.expires.map(|at| at.duration_since(now).as_secs());
        left.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default()
    }
    /// The `data` of a lookup; `id` is empty where the text is not known.
    pub fn lookup(&self, id: &str, now: Timestamp) -> Map<String, Value> {
        let mut data = Map::new();
        let meta = if self.meta.is_empty() { Value::Null } else { json!(self.meta) };
        for (name, value) in [
            ("accessor", json!(self.accessor)),
            ("creation_time", json!(self.created.as_second())),
            ("creation_ttl", json!(self.creation_ttl)),
            ("display_name", json!(self.display_name)),
            ("entity_id", json!("")),
            ("expire_time", json!(self.expires)),
            ("explicit_max_ttl", json!(self.explicit_max_ttl)),
            ("id", json!(id)),
            ("issue_time", json!(self.created)),
            ("meta", meta),
            ("num_uses", json!(self.num_uses.max(0))),
            ("orphan", json!(self.parent.is_none())),
            ("path", json!(self.path)),
            ("policies", json!(self.policies)),
            ("renewable", json!(self.renewable)),
            ("ttl", json!(self.ttl(now))),
            ("type", json!("service")),
        ] {
            data.insert(name.to_owned(), value);
        }
        if self.period > 0 {
            data.insert("period".to_owned(), json!(self.period));
        }
        if let Some(at) = self.renewed {
            data.insert("last_renewal".to_owned(), json!(at));
            data.insert("last_renewal_time".to_owned(), json!(at.as_second()));
        }
        data
    }
    /// The `auth` of an answer; `text` is empty where it is not known.
    pub fn auth(&self, text: &str, now: Timestamp) -> Value {
        let meta = if self.meta.is_empty() { Value::Null } else { json!(self.meta) };
        json!({
            "client_token": text,
            "accessor": self.accessor,
            "policies": self.policies,
            "token_policies": self.policies,
            "metadata": meta,
            "lease_duration": self.ttl(now),
            "renewable": self.renewable,
            "entity_id": "",
            "token_type": "service",
            "orphan": self.parent.is_none(),
            "mfa_requirement": Value::Null,
            "num_uses": self.num_uses.max(0),
        })
    }
}

/// A fresh token text: `hvs.` and 24 base62 characters, the first eight of which count milliseconds.
pub fn fresh_text(now: Timestamp) -> Secret {
    Secret::new(format!("hvs.{}", ordered_id(now)))
}

/// The storage id of a token text. Texts of our own making begin with their time, so that tokens made one after
/// the other are neighbours in storage; texts somebody chose stand together at the beginning.
pub fn storage_id(salt: &hmac::Key, text: &str) -> String {
    let own =
        text.strip_prefix("hvs.").filter(|rest| rest.len() == 24 && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    let time = own.map_or("00000000", |rest| &rest[..8]);
    format!("{time}h{}", hex::encode(hmac::sign(salt, text.as_bytes())))
}
