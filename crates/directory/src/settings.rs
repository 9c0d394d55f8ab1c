//! Where a directory is, and how it is spoken to.
use crate::tls;
use lessor_engine::{Error, FieldKind, FieldValue, Result, Secret};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A version of TLS, as clients write it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl FieldValue for TlsVersion {
    const KIND: FieldKind = FieldKind::String;
    fn coerce(value: Value) -> Result<Self, String> {
        match value.as_str() {
            Some("" | "tls12") => Ok(Self::Tls12),
            Some("tls13") => Ok(Self::Tls13),
            _ => Err("expected tls12 or tls13: older versions are not safe".to_owned()),
        }
    }
    fn absent() -> Self {
        Self::Tls12
    }
}

/// Whether references in the directory are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aliases {
    /// Nowhere.
    Never,
    /// Where a search begins.
    Finding,
    /// Below it.
    Searching,
    /// Both.
    Always,
}

impl FieldValue for Aliases {
    const KIND: FieldKind = FieldKind::String;
    fn coerce(value: Value) -> Result<Self, String> {
        serde_json::from_value(value).map_err(|_| "expected never, finding, searching or always".to_owned())
    }
    fn absent() -> Self {
        Self::Never
    }
}

/// What it takes to reach a directory.
#[derive(Clone)]
pub struct Settings {
    /// Separated by commas, tried in this order.
    pub url: String,
    /// Bound of opening a connection, TLS included.
    pub connection_timeout: Duration,
    /// Bound of one request.
    pub request_timeout: Duration,
    /// Begins TLS on an `ldap://` connection.
    pub starttls: bool,
    /// Oldest version of TLS.
    pub tls_min_version: TlsVersion,
    /// Newest version of TLS.
    pub tls_max_version: TlsVersion,
    /// Takes every certificate.
    pub insecure_tls: bool,
    /// Who vouches for the directory, in PEM; empty for the system's.
    pub certificate: String,
    /// Certificate of this server, in PEM.
    pub client_tls_cert: String,
    /// Its key, in PEM.
    pub client_tls_key: Secret,
    /// Whether references are followed.
    pub aliases: Aliases,
    /// Entries of one page of a search; 0 for no pages.
    pub page: i32,
}

impl Settings {
    /// The addresses.
    pub fn urls(&self) -> impl Iterator<Item = &str> {
        self.url.split(',').map(str::trim)
    }
    /// The parts of TLS, from the texts.
    ///
    /// # Errors
    /// Which text is no certificate or key.
    pub fn tls(&self) -> Result<Arc<ClientConfig>> {
        tls::config(self)
    }
    /// Refuses what can never work; nothing is contacted.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the field's name.
    pub fn check(&self) -> Result<()> {
        for text in self.urls() {
            let known = Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "ldap" | "ldaps") && url.host_str().is_some_and(|host| !host.is_empty())
            });
            if !known {
                return Err(Error::invalid(format!("url {text:?} is no ldap://host or ldaps://host address")));
            }
        }
        if self.tls_min_version > self.tls_max_version {
            let text = "'tls_max_version' must be greater than or equal to 'tls_min_version'";
            return Err(Error::invalid(text));
        }
        if self.client_tls_cert.is_empty() != self.client_tls_key.is_empty() {
            return Err(Error::invalid("both client_tls_cert and client_tls_key must be set"));
        }
        self.tls().map(drop)
    }
}
