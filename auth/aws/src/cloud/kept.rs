//! Credentials for requests that are not the SDK's, kept as long as they are good.
use super::credentials::CALL;
use super::error::{Answer, CallError, behind};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use lessor_engine::Clock;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Before their end they are not used any more.
const MARGIN: Duration = Duration::from_secs(60);

pub(super) struct Kept {
    provider: Option<SharedCredentialsProvider>,
    clock: Arc<dyn Clock>,
    last: Mutex<Option<Credentials>>,
}

impl Kept {
    pub(super) fn new(provider: Option<SharedCredentialsProvider>, clock: Arc<dyn Clock>) -> Self {
        Self { provider, clock, last: Mutex::default() }
    }
    /// The last ones, or fresh ones. Whoever asks meanwhile waits for the same.
    pub(super) async fn get(&self) -> Answer<Credentials> {
        let mut last = self.last.lock().await;
        let until = SystemTime::from(self.clock.now()) + MARGIN;
        let good = |kept: &&Credentials| kept.expiry().is_some_and(|expiry| expiry > until);
        if let Some(kept) = last.as_ref().filter(good) {
            return Ok(kept.clone());
        }
        let provider = self.provider.as_ref().ok_or(CallError::NoCredentials)?;
        let asked = tokio::time::timeout(CALL, provider.provide_credentials()).await;
        let late = |_| CallError::Unavailable("no credentials for AWS in time".to_owned());
        let fresh = asked.map_err(late)?.map_err(|error| behind(&error))?;
        *last = Some(fresh.clone());
        Ok(fresh)
    }
}
