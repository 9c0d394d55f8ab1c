//! Which web pages may speak to the API: cross-origin resource sharing, set at `sys/config/cors`.
use lessor_engine::{Error, Result, View};
use lessor_storage::Storage;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Headers that every allowed page may send.
pub const STANDARD_HEADERS: [&str; 11] = [
    "Content-Type",
    "X-Requested-With",
    "X-Vault-AWS-IAM-Server-ID",
    "X-Vault-MFA",
    "X-Vault-Namespace",
    "X-Vault-No-Request-Forwarding",
    "X-Vault-Wrap-Format",
    "X-Vault-Wrap-TTL",
    "X-Vault-Policy-Override",
    "Authorization",
    "X-Vault-Token",
];
const NAME: &str = "cors";

/// The setting while it is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// Origins as browsers name them, or `*` alone.
    pub allowed_origins: Vec<String>,
    /// [`STANDARD_HEADERS`] and what was added.
    pub allowed_headers: Vec<String>,
    /// Lets pages send cookies and certificates.
    pub allow_credentials: bool,
}

fn view(storage: Arc<dyn Storage>) -> View {
    View::new(storage, "core/config/")
}

impl Cors {
    /// Checks and completes what an operator asks for.
    ///
    /// # Errors
    /// When no origin is named, or `*` beside others.
    pub fn new(origins: Vec<String>, headers: Vec<String>, allow_credentials: bool) -> Result<Self> {
        if origins.is_empty() {
            return Err(Error::Internal("at least one origin or the wildcard must be provided".into()));
        }
        if origins.len() > 1 && origins.iter().any(|origin| origin == "*") {
            return Err(Error::invalid("to allow all origins the '*' must be the only value for allowed_origins"));
        }
        let mut allowed_headers: Vec<String> = STANDARD_HEADERS.iter().map(ToString::to_string).collect();
        for header in headers {
            if !allowed_headers.iter().any(|known| known.eq_ignore_ascii_case(&header)) {
                allowed_headers.push(header);
            }
        }
        Ok(Self { allowed_origins: origins, allowed_headers, allow_credentials })
    }
    /// Whether pages of this origin may speak to the API.
    pub fn allows(&self, origin: &str) -> bool {
        self.allowed_origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
    /// The setting; `None` while it is switched off.
    ///
    /// # Errors
    /// When storage fails or is sealed.
    pub async fn load(storage: Arc<dyn Storage>) -> Result<Option<Self>> {
        view(storage).get(NAME).await
    }
    /// Switches it on.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn store(&self, storage: Arc<dyn Storage>) -> Result<()> {
        view(storage).put(NAME, self).await
    }
    /// Switches it off.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn remove(storage: Arc<dyn Storage>) -> Result<()> {
        view(storage).delete(NAME).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wildcard_stands_alone_and_standard_headers_are_always_allowed() {
        let some = |origins: &[&str]| origins.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(Cors::new(Vec::new(), Vec::new(), false).is_err());
        assert!(Cors::new(some(&["*", "http://a"]), Vec::new(), false).is_err());
        let cors = Cors::new(some(&["http://a"]), some(&["X-Own", "x-vault-token"]), false).unwrap();
        assert!(cors.allows("http://a") && !cors.allows("http://b"));
        assert_eq!(cors.allowed_headers.len(), STANDARD_HEADERS.len() + 1);
    }
}
