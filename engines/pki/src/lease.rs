//! Certificates that are leased: the end of the lease revokes them.
//!
//! The plan signs; its result waits in memory for `create`, which stores it. A private key never reaches storage that way,
//! and of a certificate that was not handed out before a crash nothing is left that could be used: nobody has its key.
use crate::Engine;
use crate::revoke::{Stored, cert_at};
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Credential, Dynamic, Error, Grant, MadeObject, Result, Terms, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Certificates between plan and creation; more wait only where a quota refuses leases.
const WAITING: usize = 4096;

/// A signed certificate that is not handed out yet.
pub(crate) struct Finished {
    pub(crate) stored: Stored,
    pub(crate) data: Map<String, Value>,
    pub(crate) ttl: Duration,
}

#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<String, Finished>>);

impl Waiting {
    pub(crate) fn put(&self, serial: String, finished: Finished) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= WAITING {
            all.clear();
        }
        all.insert(serial, finished);
    }
    fn take(&self, serial: &str) -> Option<Finished> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(serial)
    }
}

#[async_trait]
impl Dynamic for Engine {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        let finished = self.finished.take(&grant.name);
        let finished = finished
            .ok_or_else(|| Error::Internal("the certificate was lost before it was stored: ask again".to_owned()))?;
        cx.view.commit(Changes::new().put(&cert_at(&grant.name), &finished.stored)?).await?;
        Ok(Credential { ttl: Some(finished.ttl), ..Credential::new(finished.data) })
    }
    async fn terms(&self, _: &Context, _: &Grant) -> Result<Terms> {
        Ok(Terms::default())
    }
    async fn renew(&self, _: &Context, _: &Grant, _: Timestamp) -> Result<()> {
        Err(Error::invalid("lease is not renewable"))
    }
    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        self.revoke_leased(cx, &grant.name).await
    }
    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let (mut made, mut after) = (Vec::new(), None::<String>);
        let now = cx.now().as_second();
        loop {
            let page = cx.view.page::<Stored>(crate::revoke::CERTS, after.as_deref(), 500).await?;
            let Some((last, _)) = page.last() else { return Ok(made) };
            after = Some(last.clone());
            for (serial, stored) in page {
                let lives = stored.leased && stored.not_after > now && !self.is_revoked(cx, &serial).await?;
                if lives {
                    made.push(MadeObject { target: "ca".to_owned(), name: serial });
                }
            }
        }
    }
    async fn grant_for(&self, _: &Context, object: &MadeObject) -> Result<Grant> {
        Ok(Grant {
            target: object.target.clone(),
            name: object.name.clone(),
            data: json!({ "serial_number": object.name }),
            revocable: true,
        })
    }
    async fn probe(&self, _: &Context, _: &str) -> Result<()> {
        Ok(())
    }
}
