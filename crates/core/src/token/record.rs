//! What is kept of a token, and how its text becomes a storage key.
use crate::keys::{self, Due, DueKind};
use crate::lease::record::ordered_id;
use aws_lc_rs::hmac;
use ipnet::IpNet;
use jiff::Timestamp;
use lessor_engine::Secret;
use lessor_engine::auth::show_cidr;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The policy of tokens that hold a wrapped answer; nobody can ask for it.
pub const WRAPPING_POLICY: &str = "response-wrapping";

/// How a token is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In storage, under its key.
    #[default]
    Service,
    /// Nowhere: its text is its record, encrypted.
    Batch,
}

impl Kind {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Batch => "batch",
        }
    }
}

/// How a token came from a login: what its renewal asks for again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The uuid of the auth mount.
    pub mount: String,
    /// The method's own note, by which it finds the role or user again.
    pub renewal: Value,
    /// The role of the login, where the method knows of roles; quotas count by it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
}

/// One token. Its text is not in it.
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
    /// How it is kept.
    #[serde(default)]
    pub kind: Kind,
    /// The identity entity behind it, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub entity_id: String,
    /// Addresses it may be used from; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound_cidrs: Vec<IpNet>,
    /// The token role it was made by, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The login it was made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The namespace it lives in: empty for the root, else with a trailing slash.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

impl Token {
    /// A token that never ends, may do nothing and belongs to nobody; its maker fills in the rest.
    pub fn new(now: Timestamp, path: impl Into<String>) -> Self {
        Self {
            key: String::new(),
            accessor: ordered_id(now),
            parent: None,
            policies: Vec::new(),
            meta: BTreeMap::new(),
            display_name: "token".to_owned(),
            path: path.into(),
            created: now,
            creation_ttl: 0,
            expires: None,
            explicit_max_ttl: 0,
            period: 0,
            num_uses: 0,
            renewable: false,
            renewed: None,
            kind: Kind::Service,
            entity_id: String::new(),
            bound_cidrs: Vec::new(),
            role: String::new(),
            origin: None,
            namespace: String::new(),
        }
    }
    /// Whether it may be used from that address.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        let bound = &self.bound_cidrs;
        bound.is_empty() || address.is_some_and(|address| bound.iter().any(|block| block.contains(&address)))
    }
    /// Whether it has uses and time left.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.num_uses >= 0 && self.expires.is_none_or(|at| at > now)
    }
    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.policies.iter().any(|policy| policy == "root")
    }
    /// The token its leases end with: a batch token's are its parent's, or nobody's.
    pub fn holder(&self) -> Option<&str> {
        match self.kind {
            Kind::Service => Some(&self.key),
            Kind::Batch => self.parent.as_deref(),
        }
    }
    /// Its entry in the list of tokens by the path they were made at; only what ends is listed.
    pub fn path_key(&self) -> Option<String> {
        self.expires.map(|_| keys::token_path(&format!("{}{}", self.namespace, self.path), &self.key))
    }
    /// Whether lease quotas count it.
    pub fn is_leased(&self) -> bool {
        self.kind == Kind::Service && self.expires.is_some() && !self.is_wrapping()
    }
    /// Whether it holds a wrapped answer and nothing else.
    pub fn is_wrapping(&self) -> bool {
        self.policies == [WRAPPING_POLICY]
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
            ("entity_id", json!(self.entity_id)),
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
            ("type", json!(self.kind.word())),
        ] {
            data.insert(name.to_owned(), value);
        }
        if self.period > 0 {
            data.insert("period".to_owned(), json!(self.period));
        }
        if !self.role.is_empty() {
            data.insert("role".to_owned(), json!(self.role));
        }
        if !self.bound_cidrs.is_empty() {
            let shown: Vec<String> = self.bound_cidrs.iter().map(show_cidr).collect();
            data.insert("bound_cidrs".to_owned(), json!(shown));
        }
        if !self.namespace.is_empty() {
            data.insert("namespace_path".to_owned(), json!(self.namespace));
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
            "entity_id": self.entity_id,
            "token_type": self.kind.word(),
            "orphan": self.parent.is_none(),
            "mfa_requirement": Value::Null,
            "num_uses": self.num_uses.max(0),
        })
    }
}

/// A fresh token text: `hvs.` and 24 base62 characters, the first eight of which count milliseconds, and the
/// namespace's id (empty for the root) behind a dot.
pub fn fresh_text(now: Timestamp, namespace: &str) -> Secret {
    let dot = if namespace.is_empty() { "" } else { "." };
    Secret::new(format!("hvs.{}{dot}{namespace}", ordered_id(now)))
}

/// Whether a text has the form of a storage id, which no lease has.
pub fn is_storage_id(text: &str) -> bool {
    text.len() == 73 && text.as_bytes()[8] == b'h'
}

/// The storage id of a token text. Texts of our own making begin with their time, so that tokens made one after
/// the other are neighbours in storage; texts somebody chose stand together at the beginning.
pub fn storage_id(salt: &hmac::Key, text: &str) -> String {
    let id = text.strip_prefix("hvs.").map(|rest| rest.split_once('.').map_or(rest, |(id, _)| id));
    let own = id.filter(|id| id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let time = own.map_or("00000000", |rest| &rest[..8]);
    format!("{time}h{}", hex::encode(hmac::sign(salt, text.as_bytes())))
}
