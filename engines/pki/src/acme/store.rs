//! What is kept of accounts, orders and authorizations. All of it is in storage, so any node goes on with it.
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(crate) const ACCOUNTS: &str = "acme/accounts/";
pub(crate) const EABS: &str = "acme/eab/";

pub(crate) fn account_at(id: &str) -> String {
    format!("{ACCOUNTS}{id}")
}

/// Who has this key in this directory.
pub(crate) fn thumb_at(directory: &str, thumbprint: &str) -> String {
    format!("acme/thumbs/{}/{thumbprint}", directory.replace('/', "+"))
}

pub(crate) fn orders_at(account: &str) -> String {
    format!("acme/orders/{account}/")
}

pub(crate) fn order_at(account: &str, id: &str) -> String {
    format!("acme/orders/{account}/{id}")
}

pub(crate) fn authorization_at(account: &str, id: &str) -> String {
    format!("acme/authorizations/{account}/{id}")
}

pub(crate) fn eab_at(id: &str) -> String {
    format!("{EABS}{id}")
}

/// Whose certificate it is.
pub(crate) fn issued_at(serial: &str) -> String {
    format!("acme/certs/{serial}")
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    /// `valid`, `deactivated` or `revoked`.
    pub(crate) status: String,
    pub(crate) contacts: Vec<String>,
    pub(crate) terms_agreed: bool,
    pub(crate) jwk: Map<String, Value>,
    /// The directory's path below the mount.
    pub(crate) directory: String,
    pub(crate) created: i64,
    /// 0 while it is valid.
    pub(crate) ended: i64,
    pub(crate) eab: Option<Binding>,
}

/// The external account binding that an account was made with.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Binding {
    pub(crate) id: String,
    pub(crate) directory: String,
    pub(crate) created: i64,
    /// What the client sent.
    pub(crate) shown: Value,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Identifier {
    /// `dns` or `ip`.
    pub(crate) kind: String,
    /// Without the wildcard.
    pub(crate) value: String,
    pub(crate) wildcard: bool,
}

impl Identifier {
    /// As the order names it.
    pub(crate) fn name(&self) -> String {
        if self.wildcard { format!("*.{}", self.value) } else { self.value.clone() }
    }
    pub(crate) fn show(&self) -> Value {
        json!({ "type": self.kind, "value": self.name() })
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) account: String,
    /// `pending`, `ready`, `valid` or `invalid`.
    pub(crate) status: String,
    pub(crate) identifiers: Vec<Identifier>,
    pub(crate) authorizations: Vec<String>,
    pub(crate) expires: i64,
    /// Storage key of the certificate; empty until there is one.
    pub(crate) serial: String,
    pub(crate) issuer_id: String,
    pub(crate) cert_expires: i64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Authorization {
    pub(crate) id: String,
    pub(crate) account: String,
    /// `pending`, `valid`, `invalid`, `deactivated` or `expired`.
    pub(crate) status: String,
    pub(crate) identifier: Identifier,
    pub(crate) expires: i64,
    pub(crate) challenges: Vec<Challenge>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Challenge {
    /// `http-01`, `dns-01` or `tls-alpn-01`.
    pub(crate) kind: String,
    pub(crate) token: String,
    /// `pending`, `processing`, `valid` or `invalid`.
    pub(crate) status: String,
    pub(crate) validated: i64,
    pub(crate) attempts: u32,
    pub(crate) tried: i64,
    /// A problem document, or null.
    pub(crate) error: Value,
}

/// A key for an external account binding, until it is used.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct EabKey {
    pub(crate) id: String,
    /// Bytes in base64url.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) key: lessor_engine::Secret,
    pub(crate) directory: String,
    pub(crate) created: i64,
}
