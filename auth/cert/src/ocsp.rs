//! Asking OCSP responders whether a client's certificate is revoked.
mod message;

use crate::roles::Ocsp;
use crate::{chain, fetch};
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::Timestamp;
use message::{Question, Said, Status};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// A certificate, its issuer and what a role asks, hashed.
type Key = [u8; 32];

/// Answers that are in force. Bounded by `ocsp_cache_size`.
#[derive(Default)]
pub(crate) struct Cache(Mutex<HashMap<Key, (Status, i64)>>);

impl Cache {
    fn find(&self, key: &Key, now: i64) -> Option<Status> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(_, until)| now < *until).map(|(status, _)| *status)
    }
    fn keep(&self, key: Key, said: Said, now: i64, size: usize) {
        let Some(until) = said.until.filter(|until| now < *until) else { return };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= size {
            known.retain(|_, (_, until)| now < *until);
        }
        while known.len() >= size.max(1) {
            // The one that ends first is worth least.
            let Some(first) = known.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| *key) else { break };
            known.remove(&first);
        }
        known.insert(key, (said.status, until));
    }
}

/// One certificate under the rules of one role.
pub(crate) struct Check<'a> {
    pub(crate) rules: &'a Ocsp,
    /// DER.
    pub(crate) certificate: &'a [u8],
    /// DER.
    pub(crate) issuer: &'a [u8],
    pub(crate) now: Timestamp,
    pub(crate) cache_size: usize,
}

impl Check<'_> {
    /// Whether the certificate may be let in. Where no responder knows, `ocsp_fail_open` decides.
    pub(crate) async fn admits(&self, cache: &Cache) -> bool {
        let key = self.key();
        let now = self.now.as_second();
        let status = match cache.find(&key, now) {
            Some(status) => status,
            None => match self.ask().await {
                Ok(said) => {
                    cache.keep(key, said, now, self.cache_size);
                    said.status
                }
                Err(why) => {
                    tracing::warn!(why, fail_open = self.rules.fail_open, "no OCSP responder answered as it should");
                    Status::Unknown
                }
            },
        };
        match status {
            Status::Good => true,
            Status::Revoked => false,
            Status::Unknown => self.rules.fail_open,
        }
    }
    fn key(&self) -> Key {
        let mut text = serde_json::to_vec(self.rules).unwrap_or_default();
        for part in [self.certificate, self.issuer] {
            text.extend_from_slice(digest(&SHA256, part).as_ref());
        }
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, &text).as_ref());
        key
    }
    /// The first definite answer; of all of them, where the role asks all, the worst.
    async fn ask(&self) -> Result<Said, String> {
        let servers = self.servers();
        let question = Question::new(self.certificate, self.issuer)?;
        let request = question.encode()?;
        let trusted = chain::parse_pem(&self.rules.ca_certificates).unwrap_or_default();
        let trusted: Vec<Vec<u8>> = trusted.iter().map(|der| der.to_vec()).collect();
        let mut good = None;
        let mut why = "the certificate names no OCSP server, and the role names none".to_owned();
        for server in &servers {
            let answer = self.post(server, &request).await;
            let said =
                answer.and_then(|answer| question.read(&answer, &trusted, self.rules.this_update_max_age, self.now));
            match said {
                Ok(said) if said.status == Status::Revoked => return Ok(said),
                Ok(said) if said.status == Status::Good => {
                    good = good.or(Some(said));
                    if !self.rules.query_all_servers {
                        break;
                    }
                }
                Ok(_) => why = format!("{server} does not know the certificate"),
                Err(error) => why = format!("{server}: {error}"),
            }
        }
        good.ok_or(why)
    }
    async fn post(&self, server: &str, request: &[u8]) -> Result<Vec<u8>, String> {
        let retries = u32::try_from(self.rules.max_retries.unwrap_or(4)).unwrap_or(0).min(10);
        let mut pause = Duration::from_millis(100);
        let mut attempt = 0;
        loop {
            match fetch::post(server, "application/ocsp-request", request.to_vec()).await {
                Ok(answer) => return Ok(answer),
                Err(error) if attempt >= retries => return Err(error.to_string()),
                Err(_) => tokio::time::sleep(pause).await,
            }
            attempt += 1;
            pause *= 2;
        }
    }
    /// The role's own servers, or those that the certificate names.
    fn servers(&self) -> Vec<String> {
        if !self.rules.servers_override.is_empty() {
            return self.rules.servers_override.clone();
        }
        let Ok((_, certificate)) = X509Certificate::from_der(self.certificate) else { return Vec::new() };
        let mut servers = Vec::new();
        for extension in certificate.extensions() {
            let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else { continue };
            for place in &access.accessdescs {
                if let GeneralName::URI(uri) = place.access_location
                    && place.access_method.to_id_string() == "1.3.6.1.5.5.7.48.1"
                {
                    servers.push(uri.to_owned());
                }
            }
        }
        servers
    }
}
