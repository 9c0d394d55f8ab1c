//! Ending leases: at once, from now on, or all below a prefix.
use super::record::{Intent, Lease};
use super::retry;
use crate::active::Active;
use crate::keys::{Due, Target};
use crate::metrics::{Account, account};
use crate::mount::entry::Entry;
use futures::stream::{FuturesUnordered, StreamExt};
use lessor_engine::{Ended, Error, Grant, Result};
use std::time::Duration;

/// How far a failed attempt reaches.
#[derive(Debug)]
pub enum Attempt {
    /// The credential is gone, or the entry was stale.
    Done,
    /// This one failed and has a new due time.
    Later,
    /// The whole target is at fault; the entry waits for its return.
    TargetDown(String),
}

/// Leases that are ended side by side, so that their commits share flushes.
const SIDE_BY_SIDE: usize = 16;
const PAGE: usize = 256;
/// How often a node looks whether others have finished.
const LOOK: Duration = Duration::from_millis(100);

impl Active {
    async fn revoke_grant(&self, mount: &str, grant: &Grant) -> Result<()> {
        if !grant.revocable {
            return Ok(());
        }
        let (mounted, cx) = self.background(mount)?;
        let Some(dynamic) = &mounted.backend.dynamic else { return Ok(()) };
        account(&mounted.entry.kind, Account::Delete, self.bounded(dynamic.revoke(&cx, grant))).await
    }

    /// Deletes the credential while the caller waits; when that fails the lease stays as it was. Unknown is success.
    ///
    /// # Errors
    /// What the engine said.
    pub async fn revoke_now(&self, id: &str) -> Result<()> {
        let _time = crate::metrics::timed!("expire.revoke");
        let _lock = self.locks.lock(id).await;
        let Some((lease, _)) = self.leases.lease(id).await? else { return Ok(()) };
        self.revoke_grant(&lease.mount, &lease.grant).await.map_err(|error| failed(&error))?;
        self.leases.remove(&lease).await
    }

    /// Forgets a lease whether or not its credential could be deleted.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn revoke_force(&self, id: &str) -> Result<()> {
        let _lock = self.locks.lock(id).await;
        let Some((lease, _)) = self.leases.lease(id).await? else { return Ok(()) };
        if let Err(error) = self.revoke_grant(&lease.mount, &lease.grant).await {
            tracing::warn!(lease_id = id, %error, "forced: the credential may live on");
        }
        self.leases.remove(&lease).await
    }

    /// Ends a lease now and leaves the deletion to the queue. Unknown is success.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn expire_now(&self, id: &str) -> Result<()> {
        let _lock = self.locks.lock(id).await;
        let Some((old, version)) = self.leases.lease(id).await? else { return Ok(()) };
        let now = self.now();
        if old.expires <= now {
            return Ok(());
        }
        let lease = Lease { expires: now, due: now.as_millisecond(), ..old.clone() };
        self.leases.update(&old, &lease, version).await?;
        self.wake_for(&lease.due());
        Ok(())
    }

    async fn end(&self, id: &str, how: How) -> Result<()> {
        match how {
            How::Wait => self.revoke_now(id).await,
            How::Force => self.revoke_force(id).await,
            How::Expire => self.expire_now(id).await,
        }
    }

    /// Ends many leases, side by side.
    ///
    /// # Errors
    /// `failed to revoke "<id>" (i / n): …` at the first failure.
    pub async fn end_all(&self, ids: Vec<String>, how: How) -> Result<()> {
        let (total, mut count) = (ids.len(), 0);
        let mut open = ids.into_iter();
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < SIDE_BY_SIDE
                && let Some(id) = open.next()
            {
                running.push(async move {
                    let result = self.end(&id, how).await;
                    (id, result)
                });
            }
            let Some((id, result)) = running.next().await else { return Ok(()) };
            count += 1;
            if let Err(error) = result {
                return Err(Error::invalid(format!("failed to revoke \"{id}\" ({count} / {total}): {error}")));
            }
        }
    }

    /// Ends every lease below `prefix`, which is a lease id or ends in `/`.
    ///
    /// # Errors
    /// As [`Active::end_all`].
    pub async fn revoke_prefix(&self, prefix: &str, how: How) -> Result<()> {
        let _time = crate::metrics::timed!("expire.revoke-prefix");
        let mut after: Option<String> = None;
        loop {
            let ids = self.leases.ids(prefix, after.as_deref(), PAGE).await?;
            let (last, size) = (ids.last().cloned(), ids.len());
            self.end_all(ids, how).await?;
            after = last;
            if size < PAGE {
                return Ok(());
            }
        }
    }

    /// Ends the leases whose credential the engine ended itself.
    ///
    /// # Errors
    /// When the engine does not find it gone, or storage fails; then the lease ends when its time is over.
    pub async fn end_leases_of(&self, mount: &Entry, ended: &Ended) -> Result<()> {
        let prefix = format!("{}{}/", mount.full_path(), ended.path);
        let mut after: Option<String> = None;
        loop {
            let page = self.leases.page(&prefix, after.as_deref(), PAGE).await?;
            for lease in page.iter().filter(|lease| lease.mount == mount.uuid && lease.grant.name == ended.name) {
                self.revoke_now(&lease.id).await?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(|lease| lease.id.clone());
        }
    }

    /// Waits for the credentials of a tainted mount that other nodes are making: they become leases or go, or their
    /// nodes die. No new ones are begun.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn others_finish(&self, mount: &str) -> Result<()> {
        if !self.cluster.is_shared() {
            return Ok(());
        }
        while self.others_make(mount).await? {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn others_make(&self, mount: &str) -> Result<bool> {
        let (me, now) = (self.cluster.id(), self.now().as_millisecond());
        let mut after: Option<String> = None;
        loop {
            let page = self.leases.intents(after.as_deref(), PAGE).await?;
            let theirs = |intent: &Intent| intent.owner != me && !self.is_orphaned(&intent.owner) && intent.due > now;
            if page.iter().any(|(intent, _)| intent.mount == mount && intent.attempts == 0 && theirs(intent)) {
                return Ok(true);
            }
            if page.len() < PAGE {
                return Ok(false);
            }
            after = page.last().map(|(intent, _)| intent.id.clone());
        }
    }

    /// Cleans up every intent of a mount that is being taken away; nobody makes credentials on it any more.
    ///
    /// # Errors
    /// When a credential that may exist cannot be deleted.
    pub async fn finish_intents(&self, mount: &str) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let page = self.leases.intents(after.as_deref(), PAGE).await?;
            for (intent, _) in page.iter().filter(|(intent, _)| intent.mount == mount) {
                let _lock = self.locks.lock(&intent.id).await;
                self.revoke_grant(mount, &intent.grant).await.map_err(|error| failed(&error))?;
                self.leases.drop_intent(intent).await?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(|(intent, _)| intent.id.clone());
        }
    }

    /// One attempt at a lease that the queue brought up.
    ///
    /// # Errors
    /// When storage fails: the entry is still where it was.
    pub async fn attempt_lease(&self, due: &Due, target: &Target) -> Result<Attempt> {
        let _lock = self.locks.lock(&due.subject).await;
        let current = self.leases.lease(&due.subject).await?.filter(|(lease, _)| lease.due == due.at);
        let Some((lease, version)) = current else {
            self.leases.drop_due(due, target).await?;
            return Ok(Attempt::Done);
        };
        let Err(error) = self.revoke_grant(&lease.mount, &lease.grant).await else {
            self.leases.remove(&lease).await?;
            tracing::info!(lease_id = lease.id, "revoked lease");
            return Ok(Attempt::Done);
        };
        let mut next = Lease { attempts: lease.attempts + 1, error: Some(short(&error)), ..lease.clone() };
        if error.target_is_down() {
            self.leases.wait(&next, version).await?;
            return Ok(Attempt::TargetDown(error.to_string()));
        }
        let wait = retry::wait(next.attempts);
        tracing::error!(lease_id = lease.id, %error, attempts = next.attempts, next_attempt = ?wait, "failed to revoke lease");
        next.due = (self.now() + wait).as_millisecond();
        self.leases.update(&lease, &next, version).await?;
        self.wake_for(&next.due());
        Ok(Attempt::Later)
    }

    /// One attempt at cleaning up what an intent covers.
    ///
    /// # Errors
    /// When storage fails: the entry is still where it was.
    pub async fn attempt_intent(&self, due: &Due, target: &Target) -> Result<Attempt> {
        let _lock = self.locks.lock(&due.subject).await;
        let current = self.leases.intent(&due.subject).await?.filter(|(intent, _)| intent.due == due.at);
        let Some((intent, version)) = current else {
            self.leases.drop_due(due, target).await?;
            return Ok(Attempt::Done);
        };
        let Err(error) = self.revoke_grant(&intent.mount, &intent.grant).await else {
            self.leases.drop_intent(&intent).await?;
            tracing::info!(intent = intent.id, "cleaned up after an unfinished creation");
            return Ok(Attempt::Done);
        };
        if error.target_is_down() {
            self.leases.park(std::slice::from_ref(due), target).await?;
            return Ok(Attempt::TargetDown(error.to_string()));
        }
        let attempts = intent.attempts + 1;
        let due = (self.now() + retry::wait(attempts)).as_millisecond();
        let next = Intent { attempts, error: Some(short(&error)), due, ..intent.clone() };
        self.leases.update_intent(&intent, &next, version).await?;
        self.wake_for(&next.due());
        Ok(Attempt::Later)
    }
}

/// What to do with every lease below a prefix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// Delete while the caller waits; stop at the first failure.
    Wait,
    /// Delete, and forget even where that fails.
    Force,
    /// End now, leave the deletion to the queue.
    Expire,
}

fn failed(error: &Error) -> Error {
    let text = format!("failed to revoke entry: resp: (*logical.Response)(nil) err: {error}");
    if error.target_is_down() { Error::Unavailable(text) } else { Error::invalid(text) }
}

/// The contract's bound of a stored revocation error.
fn short(error: &Error) -> String {
    error.to_string().chars().take(240).collect()
}
