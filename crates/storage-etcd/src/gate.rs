//! Commits with more guards than a transaction of etcd takes.
//!
//! Such a commit closes a gate, which every other commit demands to be open; nothing is written then, so it can look at
//! its guards one after the other. Its writes and the opening of the gate are one transaction, on the condition that the
//! gate is still its own. The gate has a lease: one that is left closed by a process that died opens by itself.
use crate::client::{Fault, LEASE_GRANT, LEASE_REVOKE, PATIENCE, TXN, pause};
use crate::order::Order;
use crate::proto::{
    CREATE, Compare, EQUAL, Empty, LeaseGrantRequest, LeaseGrantResponse, LeaseRequest, Op, PutRequest, RangeRequest,
    Target, TxnRequest, TxnResponse,
};
use crate::session::Fate;
use crate::{EtcdStorage, version, versions};
use lessor_storage::{Error, Result, Version};
use tokio::time::Instant;

/// Seconds after which a gate opens by itself.
const TTL: i64 = 10;

impl EtcdStorage {
    /// Looks at the guards at one moment, without writing.
    pub(crate) async fn look(&self, order: &Order) -> Result<()> {
        let (mut found, mut revision) = (Vec::new(), 0);
        for part in 0.. {
            let Some(ask) = order.look(part, revision) else { break };
            let answer: TxnResponse = self.client.repeat(TXN, ask).await?;
            found.extend(versions(&answer));
            if revision == 0 {
                revision = answer.header.map_or(0, |header| header.revision);
            }
        }
        match order.broken(&found) {
            Some(key) => Err(Error::Conflict { key: key.to_owned() }),
            None => Ok(()),
        }
    }

    /// Commits with the gate closed.
    pub(crate) async fn commit_alone(&self, order: &Order) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut attempt = 0;
        loop {
            let lease: LeaseGrantResponse = self.client.repeat(LEASE_GRANT, LeaseGrantRequest { ttl: TTL }).await?;
            let outcome = match self.close_gate(lease.id).await {
                Ok(Some(held)) => self.write_alone(order, held).await,
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            };
            // Opens a gate that is still closed. If this fails, the lease ends by itself.
            let _: Result<Empty> = self.client.repeat(LEASE_REVOKE, LeaseRequest { id: lease.id }).await;
            if outcome? {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Error::Unavailable("etcd does not take the commit: others are faster".to_owned()));
            }
            pause(attempt).await;
            attempt += 1;
        }
    }

    /// Since when the gate is closed for this commit; `None` when another one has closed it.
    async fn close_gate(&self, lease: i64) -> Result<Option<Version>> {
        let (key, value) = (self.gate.to_vec(), lease.to_string().into_bytes());
        let open = Compare { result: EQUAL, target: CREATE, key: key.clone(), with: Some(Target::Create(0)) };
        let range = RangeRequest { key: key.clone(), ..RangeRequest::default() };
        let close = TxnRequest {
            compare: vec![open],
            success: vec![
                Op::Put(PutRequest { key, value: value.clone(), lease }).into(),
                Op::Range(range.clone()).into(),
            ],
            failure: vec![Op::Range(range).into()],
        };
        let answer: TxnResponse = self.client.repeat(TXN, close).await?;
        let found =
            answer.responses.into_iter().filter_map(|response| response.range).flat_map(|range| range.kvs).next();
        // An attempt whose answer was lost may have closed it already.
        Ok(found.filter(|found| found.value == value).map(|found| version(found.mod_revision)))
    }

    /// Whether it was written; if not, the gate was lost.
    async fn write_alone(&self, order: &Order, held: Version) -> Result<bool> {
        self.look(order).await?;
        let mark = self.marks.take(&self.client).await?;
        let txn = order.transaction_alone(&mark, &self.gate, held);
        match self.client.call::<_, TxnResponse>(TXN, txn).await {
            Ok(answer) => {
                let there = answer.succeeded || versions(&answer).first().is_some_and(|mark| *mark > 0);
                if there {
                    self.marks.give_back(mark, answer.succeeded);
                }
                Ok(answer.succeeded)
            }
            Err(Fault::Refused(error)) => {
                self.marks.give_back(mark, false);
                Err(error)
            }
            Err(Fault::Unknown(_)) => Ok(matches!(self.marks.fate(&self.client, mark).await?, Fate::Done)),
        }
    }
}
