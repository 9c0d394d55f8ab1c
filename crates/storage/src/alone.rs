//! One server at a time on a storage that several could reach.
//!
//! An engine says how the right is claimed ([`Claim`]); this module waits for it, keeps it, closes the storage while
//! it is in doubt, and tells the server when it is gone. Nothing else knows of it, so that it can be taken out.
use crate::{Batch, Entry, Error, Result, Storage, Version};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// How long a call waits while the right is in doubt.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a claim that failed is repeated.
const AGAIN: Duration = Duration::from_millis(300);

/// The right to a storage.
#[async_trait]
pub trait Claim: Send + Sync + 'static {
    /// Takes or renews the right; `Some` says who else has it.
    async fn hold(&self) -> Result<Option<String>>;
    /// Gives the right back.
    async fn release(&self);
}

/// How the right is kept.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How often it is renewed.
    pub renew: Duration,
    /// How long a right lasts that is not renewed; the storage is closed before.
    pub lasts: Duration,
    /// How long a start waits for another holder to go away: one that was killed may have left its right behind.
    pub wait: Duration,
    /// How long the engine may be away until the server gives up.
    pub give_up: Duration,
}

/// A right that is held. Dropped, it is no longer renewed.
pub struct Alone {
    claim: Arc<dyn Claim>,
    keeper: JoinHandle<()>,
    lost: Option<oneshot::Receiver<String>>,
}

impl Alone {
    /// Waits until the right is gone for good; the text says why.
    pub async fn lost(&mut self) -> String {
        match &mut self.lost {
            Some(lost) => match lost.await {
                Ok(why) => why,
                Err(_) => "the task that keeps the storage ended".to_owned(),
            },
            None => std::future::pending().await,
        }
    }
    /// Gives the right back, so that the next server need not wait.
    pub async fn release(self) {
        self.keeper.abort();
        // Whoever waits for the right does so anyway; a server that is being stopped does not hang here.
        let _ = timeout(Duration::from_secs(2), self.claim.release()).await;
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Claims the right and puts a door in front of the storage that is open while it is held.
///
/// # Errors
/// When another server has it and keeps it, or the engine fails.
pub async fn enter(
    storage: Arc<dyn Storage>,
    claim: Arc<dyn Claim>,
    terms: Terms,
) -> Result<(Arc<dyn Storage>, Alone)> {
    let end = Instant::now() + terms.wait;
    while let Some(holder) = claim.hold().await? {
        if Instant::now() >= end {
            return Err(Error::Unavailable(format!(
                "another server ({holder}) works on this storage: stop it first, or give this one a storage of its own"
            )));
        }
        tracing::info!(holder, "the storage is in use; waiting for its release");
        sleep(AGAIN).await;
    }
    let (open, opened) = watch::channel(true);
    let (lose, lost) = oneshot::channel();
    let keeper = tokio::spawn(keep(Arc::clone(&claim), terms, open, lose));
    let door: Arc<dyn Storage> = Arc::new(Door { below: storage, open: opened });
    Ok((door, Alone { claim, keeper, lost: Some(lost) }))
}

async fn keep(claim: Arc<dyn Claim>, terms: Terms, open: watch::Sender<bool>, lose: oneshot::Sender<String>) {
    let mut held = Instant::now();
    let why = loop {
        sleep(if *open.borrow() { terms.renew } else { AGAIN }).await;
        let begun = Instant::now();
        match timeout(terms.lasts, claim.hold()).await {
            Ok(Ok(None)) => {
                held = begun;
                if !open.send_replace(true) {
                    tracing::warn!("the right to the storage is held again");
                }
            }
            Ok(Ok(Some(holder))) => break format!("another server ({holder}) has taken the storage over"),
            failed => {
                let error = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "no answer".to_owned(),
                };
                if open.send_replace(false) {
                    tracing::warn!(error, "whether this server may use the storage is in doubt; requests wait");
                }
                if held.elapsed() > terms.give_up {
                    break format!("the right to the storage could not be renewed: {error}");
                }
            }
        }
    };
    open.send_replace(false);
    let _ = lose.send(why);
}

/// A storage that can be used only while the right to it is held.
struct Door {
    below: Arc<dyn Storage>,
    open: watch::Receiver<bool>,
}

impl Door {
    async fn pass(&self) -> Result<()> {
        if *self.open.borrow() {
            return Ok(());
        }
        let mut open = self.open.clone();
        match timeout(PATIENCE, open.wait_for(|open| *open)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::Unavailable("whether this server may still use the storage is in doubt".to_owned())),
        }
    }
}

#[async_trait]
impl Storage for Door {
    async fn get(&self, key: &str) -> Result<Option<Entry>> {
        self.pass().await?;
        self.below.get(key).await
    }
    async fn version(&self, key: &str) -> Result<Option<Version>> {
        self.pass().await?;
        self.below.version(key).await
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<Entry>> {
        self.pass().await?;
        self.below.scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> Result<()> {
        self.pass().await?;
        self.below.commit(batch).await
    }
}
