//! How AWS is asked on the mount's own behalf: which session is used for which account, and the calls.
//!
//! IAM and STS are asked by AWS's own SDK, EC2's one question by a signed request: the SDK's part for EC2 is larger than
//! the rest of Lessor.
mod credentials;
mod error;
mod federation;
mod iam;
mod session;

pub(crate) use iam::Entity;
pub(crate) use session::Session;

use crate::config::{Config, KEY};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use lessor_engine::{Context, Result};
use lessor_storage::Version;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions that are kept; accounts and regions are few.
const KEPT: usize = 64;

/// Account and region.
type Place = (String, String);

#[derive(Default)]
struct Sessions {
    /// Version of the configuration they were opened by.
    config: Option<Version>,
    open: HashMap<Place, Arc<Session>>,
}

/// Makes sessions that share one pool of connections, and keeps them until the configuration changes.
pub(crate) struct Cloud {
    http: SharedHttpClient,
    sessions: Mutex<Sessions>,
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
        let (config, version) = match cx.view.get_versioned::<Config>(KEY).await? {
            Some((config, version)) => (config, Some(version)),
            None => (Config::default(), None),
        };
        let place = (account.to_owned(), region.to_owned());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.config != version || sessions.open.len() >= KEPT {
            *sessions = Sessions { config: version, open: HashMap::new() };
        }
        let open = || Arc::new(Session::new(self.http.clone(), cx, config, region));
        Ok(Arc::clone(sessions.open.entry(place).or_insert_with(open)))
    }
}
