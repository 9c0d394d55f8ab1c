//! Google: a service account's key, or Application Default Credentials
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>): the file that a variable names, the
//! file that `gcloud` writes, the account of the machine.
mod ask;
mod key;
mod surroundings;

pub use key::{Delegation, NoKey, ServiceKey};

use crate::kept::{Granted, Kept};
use crate::{Error, Surroundings};
use ask::{as_account, exchange};
use key::{by_delegation, by_key};
use lessor_engine::{Secret, Timestamp};
use lessor_platform_http::Http;
use serde_json::Value;
use surroundings::{by_default, by_path_or_text};

/// A statement of this server's own that Google exchanges, and the account that may then be acted as.
#[derive(Clone)]
pub struct Federation {
    /// Full name of the provider in a workload identity pool, with or without `https:` before it.
    pub audience: String,
    /// The signed statement.
    pub statement: Secret,
    /// Address of the token service.
    pub token_url: String,
    /// Address at which the account's tokens are generated.
    pub account_url: String,
}

impl PartialEq for Federation {
    fn eq(&self, other: &Self) -> bool {
        // Every statement is another text.
        (&self.audience, &self.token_url, &self.account_url) == (&other.audience, &other.token_url, &other.account_url)
    }
}

/// Who asks.
#[derive(Clone, PartialEq)]
pub enum Identity {
    /// The account of a key.
    Key(ServiceKey),
    /// The account of a key, as somebody else.
    Delegated(Delegation),
    /// Whoever a statement stands for.
    Federated(Federation),
    /// Whoever the surroundings of this server offer.
    Surroundings,
}

async fn by_federation(http: &Http, federation: &Federation, now: Timestamp) -> Result<Granted, Error> {
    let audience = federation.audience.trim_start_matches("https:");
    let kind = "urn:ietf:params:oauth:token-type:jwt";
    let own = exchange(http, &federation.token_url, audience, kind, &federation.statement, now).await?;
    as_account(http, &federation.account_url, &own, &Value::Null, now).await
}

/// Access tokens of one mount or seal.
#[derive(Default)]
pub struct Access {
    kept: Kept<Identity>,
    given: Option<Secret>,
    own: Surroundings,
}

impl Access {
    /// In other surroundings than this process's.
    pub fn within(own: Surroundings) -> Self {
        Self { own, ..Self::default() }
    }
    /// With a file of credentials of any kind, by its path or its text.
    pub fn with(credentials: Secret) -> Self {
        Self { given: Some(credentials), ..Self::default() }
    }
    /// A token that Google takes now.
    ///
    /// # Errors
    /// When Google refuses the credentials, or nobody answers.
    pub async fn token(&self, http: &Http, who: &Identity, now: Timestamp) -> Result<Secret, Error> {
        let ask = async {
            match (who, &self.given) {
                (Identity::Key(key), _) => by_key(http, key, now).await,
                (Identity::Delegated(who), _) => by_delegation(http, who, now).await,
                (Identity::Federated(federation), _) => by_federation(http, federation, now).await,
                (Identity::Surroundings, Some(given)) => by_path_or_text(http, given, now).await,
                (Identity::Surroundings, None) => by_default(http, &self.own, now).await,
            }
        };
        self.kept.get(who.clone(), now, ask).await
    }
    /// Asks anew the next time.
    pub async fn forget(&self) {
        self.kept.forget().await;
    }
}
