//! How AWS is asked on the mount's own behalf: which session is used for which account, and the calls.
//!
//! IAM and STS are asked by AWS's own SDK, EC2's one question by a signed request: the SDK's part for EC2 is larger than
//! the rest of Lessor.
mod credentials;
mod ec2;
mod error;
mod federation;
mod iam;
mod instance;
mod kept;
mod keys;
mod session;

pub(crate) use error::CallError;
pub(crate) use iam::Entity;
pub(crate) use instance::Instance;
pub(crate) use keys::Key;
pub(crate) use session::Session;

use crate::accounts::{self, Account};
use crate::config::{Config, KEY};
use crate::partition;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use lessor_engine::{Context, Result};
use lessor_storage::Version;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions that are kept; accounts and regions are few.
const KEPT: usize = 64;

/// Account and region.
type Place = (String, String);

/// Of the configuration and of the account's role: what a session was opened by.
type Versions = (Option<Version>, Option<Version>);

/// Makes sessions that share one pool of connections, and keeps them until the configuration changes.
pub(crate) struct Cloud {
    http: SharedHttpClient,
    sessions: Mutex<HashMap<Place, (Versions, Arc<Session>)>>,
}

impl Default for Cloud {
    fn default() -> Self {
        let builder = aws_smithy_http_client::Builder::new();
        let http = builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
        Self { http, sessions: Mutex::default() }
    }
}

impl Cloud {
    /// The session for what lies in an account and a region.
    pub(crate) async fn session(&self, cx: &Context, account: &str, region: &str) -> Result<Arc<Session>> {
        let (config, config_version) = versioned::<Config>(cx, KEY).await?;
        let (through, role_version) = versioned::<Account>(cx, &accounts::key(account)).await?;
        let (place, versions) = ((account.to_owned(), region.to_owned()), (config_version, role_version));
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, session)) = sessions.get(&place).filter(|(of, _)| *of == versions) {
            return Ok(Arc::clone(session));
        }
        if sessions.len() >= KEPT {
            sessions.clear();
        }
        let session = Arc::new(self.open(cx, config.unwrap_or_default(), through, region));
        sessions.insert(place, (versions, Arc::clone(&session)));
        Ok(session)
    }
    /// A session that is not kept, with this configuration and in the mount's own account.
    pub(crate) fn own_as(&self, cx: &Context, config: Config) -> Session {
        let of_environment = || ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| std::env::var(name).ok());
        let configured = Some(config.sts_region.clone()).filter(|region| !region.is_empty());
        let region = configured.or_else(of_environment).unwrap_or_else(|| partition::home("aws").to_owned());
        self.open(cx, config, None, &region)
    }
    fn open(&self, cx: &Context, config: Config, through: Option<Account>, region: &str) -> Session {
        Session::new(self.http.clone(), cx, config, through, region)
    }
}

async fn versioned<T: DeserializeOwned>(cx: &Context, key: &str) -> Result<(Option<T>, Option<Version>)> {
    Ok(cx.view.get_versioned(key).await?.unzip())
}
