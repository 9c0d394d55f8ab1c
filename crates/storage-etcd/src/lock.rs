//! The right of one server to work on the records: a key that lives as long as its lease is renewed.
use crate::client::{Client, LEASE_GRANT, LEASE_REVOKE, TXN};
use crate::proto::{
    CREATE, Compare, EQUAL, Empty, LeaseGrantRequest, LeaseGrantResponse, LeaseRequest, Op, PutRequest, RangeRequest,
    Target, TxnRequest, TxnResponse,
};
use async_trait::async_trait;
use lessor_storage::Result;
use lessor_storage::alone::{Claim, Terms};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Seconds after which a server that does not renew has lost its right.
const TTL: i64 = 10;

pub(crate) fn terms(wait: Duration) -> Terms {
    Terms { renew: Duration::from_secs(2), lasts: Duration::from_secs(8), wait, give_up: Duration::from_secs(60) }
}

pub(crate) struct ServerLock {
    client: Arc<Client>,
    lease: Mutex<Option<i64>>,
}

impl ServerLock {
    pub(crate) fn new(client: Arc<Client>) -> Self {
        Self { client, lease: Mutex::new(None) }
    }

    async fn take(&self, lease: i64) -> Result<Option<String>> {
        let key = format!("{}lock", self.client.settings.path).into_bytes();
        let value = format!("lessor, process {}", std::process::id()).into_bytes();
        let free = Compare { result: EQUAL, target: CREATE, key: key.clone(), with: Some(Target::Create(0)) };
        let txn = TxnRequest {
            compare: vec![free],
            success: vec![Op::Put(PutRequest { key: key.clone(), value, lease }).into()],
            failure: vec![Op::Range(RangeRequest { key, ..RangeRequest::default() }).into()],
        };
        let answer: TxnResponse = self.client.repeat(TXN, txn).await?;
        if answer.succeeded {
            return Ok(None);
        }
        let found =
            answer.responses.into_iter().filter_map(|response| response.range).flat_map(|range| range.kvs).next();
        Ok(Some(found.map_or_else(|| "unknown".to_owned(), |found| String::from_utf8_lossy(&found.value).into_owned())))
    }
}

#[async_trait]
impl Claim for ServerLock {
    async fn hold(&self) -> Result<Option<String>> {
        let mut lease = self.lease.lock().await;
        if let Some(id) = *lease {
            if self.client.keep_alive(id).await? > 0 {
                return Ok(None);
            }
            *lease = None;
        }
        let granted: LeaseGrantResponse = self.client.repeat(LEASE_GRANT, LeaseGrantRequest { ttl: TTL }).await?;
        let holder = self.take(granted.id).await?;
        if holder.is_none() {
            *lease = Some(granted.id);
        } else {
            // If this fails, the lease ends by itself.
            let _: Result<Empty> = self.client.repeat(LEASE_REVOKE, LeaseRequest { id: granted.id }).await;
        }
        Ok(holder)
    }
    async fn release(&self) {
        if let Some(id) = self.lease.lock().await.take() {
            let _: Result<Empty> = self.client.repeat(LEASE_REVOKE, LeaseRequest { id }).await;
        }
    }
}
