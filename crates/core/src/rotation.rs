//! The two-phase rotation: plan → durable → apply → durable → verify → one commit makes the new secret current →
//! retire the old one. At every instant the record tells which secrets may work, and logging in tells which does.
pub mod policy;
mod record;
mod schedule;

use crate::active::Active;
use crate::keys::{Due, Target};
use crate::lease::retry;
use crate::lease::revoke::Attempt;
use crate::mount::Mounted;
use lessor_engine::{Context, Error, Result, Rotating, Works};
use lessor_storage::Storage;
use record::{Pending, Phase};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a rotation waits for one of the same subject that another node is at.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(100);

fn elsewhere(subject: &str) -> Error {
    Error::Refused { status: 503, message: format!("{subject} is being rotated by another node: try again") }
}

/// What the caller of a rotation is told.
#[derive(Default)]
pub struct Rotated {
    /// The `data` of the answer, if there is one.
    pub data: Option<Map<String, Value>>,
    /// That the old secret is still to be removed.
    pub warnings: Vec<String>,
}

/// An engine's rotations on one mount.
struct RotatingMount {
    mounted: Arc<Mounted>,
    cx: Context,
    rotating: Arc<dyn Rotating>,
    /// Takes no more writes once another node has taken over.
    storage: Arc<dyn Storage>,
}

impl Active {
    fn rotating(&self, mount: &str) -> Result<RotatingMount> {
        let (mounted, cx) = self.background(mount)?;
        let rotating = mounted.backend.rotating.clone();
        let rotating = rotating.ok_or_else(|| Error::Internal("the engine has nothing to rotate".into()))?;
        Ok(RotatingMount { mounted, cx, rotating, storage: self.cluster.fenced() })
    }

    /// Rotates to the end even if the caller is dropped meanwhile.
    ///
    /// # Errors
    /// What the platform said; then the old secret is current, or the record says what is open.
    pub async fn rotate(self: &Arc<Self>, mount: String, subject: String) -> Result<Rotated> {
        let (answer, caller) = oneshot::channel();
        let active = Arc::clone(self);
        self.tasks.spawn(async move {
            // A caller that is gone misses the answer, nothing else.
            let _ = answer.send(active.run_rotation(&mount, &subject).await);
        });
        caller.await.map_err(|_| Error::Internal("the node is being sealed".into()))?
    }

    /// Rotates a subject if it is due still when its turn comes, and answers with its present secret.
    ///
    /// # Errors
    /// As [`Active::rotate`].
    pub async fn refresh(self: &Arc<Self>, mount: String, subject: String) -> Result<Rotated> {
        let (answer, caller) = oneshot::channel();
        let active = Arc::clone(self);
        self.tasks.spawn(async move {
            // As in `rotate`.
            let _ = answer.send(active.run_refresh(&mount, &subject).await);
        });
        caller.await.map_err(|_| Error::Internal("the node is being sealed".into()))?
    }

    async fn run_refresh(&self, mount: &str, subject: &str) -> Result<Rotated> {
        let on = self.rotating(mount)?;
        let _lock = self.locks.lock(&record::lock_name(mount, subject)).await;
        self.settle_earlier(&on, mount, subject).await?;
        let mut rotated = Rotated::default();
        if self.bounded(on.rotating.is_due(&on.cx, subject)).await? {
            rotated.warnings = self.rotate_locked(&on, mount, subject).await?.warnings;
        }
        rotated.data = Some(on.rotating.present(&on.cx, subject).await?);
        Ok(rotated)
    }

    async fn run_rotation(&self, mount: &str, subject: &str) -> Result<Rotated> {
        let on = self.rotating(mount)?;
        let _lock = self.locks.lock(&record::lock_name(mount, subject)).await;
        self.settle_earlier(&on, mount, subject).await?;
        self.rotate_locked(&on, mount, subject).await
    }

    async fn settle_earlier(&self, on: &RotatingMount, mount: &str, subject: &str) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            match Pending::load(&on.storage, mount, subject).await? {
                None => return Ok(()),
                Some(earlier) if self.is_ours(&earlier) => return self.settle(on, earlier).await,
                Some(_) if Instant::now() > until => return Err(elsewhere(subject)),
                Some(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Whether no other node is at it.
    fn is_ours(&self, pending: &Pending) -> bool {
        pending.owner == self.cluster.id() || self.is_orphaned(&pending.owner)
    }

    /// The protocol itself, for whoever holds the subject's lock.
    async fn rotate_locked(&self, on: &RotatingMount, mount: &str, subject: &str) -> Result<Rotated> {
        let rotation = self.bounded(on.rotating.plan(&on.cx, subject)).await?;
        let due = self.now() + self.settings.platform_timeout * 4;
        let mut pending = Pending::planned(mount, rotation, due, self.cluster.id());
        pending.create(&on.storage).await.map_err(|error| match error {
            Error::Storage(lessor_storage::Error::Conflict { .. }) => elsewhere(subject),
            error => error,
        })?;
        self.cluster.check()?;
        let applied = self.bounded(on.rotating.apply(&on.cx, &pending.rotation)).await;
        match applied {
            Ok(data) => {
                pending.rotation.data = data;
                pending.phase = Phase::Applied;
                if let Err(error) = pending.save(&on.storage).await {
                    return self.fall_back(on, pending, error).await;
                }
            }
            Err(error) => return self.fall_back(on, pending, error).await,
        }
        if let Err(error) = self.bounded(on.rotating.verify(&on.cx, &pending.rotation)).await {
            return self.fall_back(on, pending, error).await;
        }
        self.commit(on, &mut pending).await?;
        self.finish(on, pending).await
    }

    /// A step failed: whichever secret works becomes, or stays, current.
    async fn fall_back(&self, on: &RotatingMount, mut pending: Pending, cause: Error) -> Result<Rotated> {
        match self.bounded(on.rotating.settle(&on.cx, &pending.rotation)).await {
            Ok(Works::New) => {
                self.commit(on, &mut pending).await?;
                self.finish(on, pending).await
            }
            Ok(Works::Old) => {
                pending.remove(&on.storage).await?;
                Err(cause)
            }
            Err(error) => {
                self.retry_rotation_later(on, pending, &error).await?;
                Err(cause)
            }
        }
    }

    async fn commit(&self, on: &RotatingMount, pending: &mut Pending) -> Result<()> {
        let changes = on.rotating.commit(&on.cx, &pending.rotation).await?;
        pending.phase = Phase::Committed;
        let mut batch = on.cx.view.batch(changes);
        batch.append(pending.replace(pending.due)?);
        Ok(on.storage.commit(batch).await?)
    }

    async fn finish(&self, on: &RotatingMount, pending: Pending) -> Result<Rotated> {
        let mut rotated = Rotated { data: on.rotating.answer(&on.cx, &pending.rotation).await?, warnings: Vec::new() };
        let subject = pending.rotation.subject.clone();
        match self.bounded(on.rotating.retire(&on.cx, &pending.rotation)).await {
            Ok(()) => pending.remove(&on.storage).await?,
            Err(error) => {
                rotated.warnings.push(format!("the old secret could not be removed yet, this is retried: {error}"));
                self.retry_rotation_later(on, pending, &error).await?;
            }
        }
        self.reschedule(&on.mounted.entry.uuid, &subject).await?;
        Ok(rotated)
    }

    async fn retry_rotation_later(&self, on: &RotatingMount, mut pending: Pending, error: &Error) -> Result<()> {
        tracing::error!(subject = pending.rotation.subject, %error, "a rotation is not finished; it is retried");
        pending.attempts += 1;
        pending.error = Some(error.to_string());
        let due = (self.now() + retry::wait(pending.attempts)).as_millisecond();
        on.storage.commit(pending.replace(due)?).await?;
        pending.due = due;
        self.wake_for(&pending.due());
        Ok(())
    }

    /// Brings a rotation that nobody runs to its end.
    async fn settle(&self, on: &RotatingMount, mut pending: Pending) -> Result<()> {
        if pending.phase != Phase::Committed {
            match self.bounded(on.rotating.settle(&on.cx, &pending.rotation)).await? {
                Works::Old => return pending.remove(&on.storage).await,
                Works::New => self.commit(on, &mut pending).await?,
            }
        }
        self.bounded(on.rotating.retire(&on.cx, &pending.rotation)).await?;
        let subject = pending.rotation.subject.clone();
        pending.remove(&on.storage).await?;
        self.reschedule(&on.mounted.entry.uuid, &subject).await
    }

    /// A rotation that the reaper brought up: unfinished, or scheduled.
    ///
    /// # Errors
    /// When storage fails: the entry is still where it was.
    pub async fn attempt_rotation(&self, due: &Due, target: &Target) -> Result<Attempt> {
        let Some((mount, subject)) = due.subject.split_once('/') else {
            self.leases.drop_due(due, target).await?;
            return Ok(Attempt::Done);
        };
        let on = match self.rotating(mount) {
            Ok(on) => on,
            Err(error) => {
                tracing::error!(subject, %error, "a rotation of an engine that is gone is dropped");
                self.leases.drop_due(due, target).await?;
                return Ok(Attempt::Done);
            }
        };
        let lock = self.locks.lock(&record::lock_name(mount, subject)).await;
        if let Some(pending) = Pending::load(&on.storage, mount, subject).await?.filter(|p| p.due == due.at) {
            return match self.settle(&on, pending.clone()).await {
                Ok(()) => Ok(Attempt::Done),
                Err(error @ Error::Storage(_)) => Err(error),
                Err(error) if error.target_is_down() => {
                    self.leases.park(std::slice::from_ref(due), target).await?;
                    Ok(Attempt::TargetDown(error.to_string()))
                }
                Err(error) => self.retry_rotation_later(&on, pending, &error).await.map(|()| Attempt::Later),
            };
        }
        drop(lock);
        self.attempt_scheduled(due, target, mount, subject).await
    }

    /// Unfinished rotations that nobody is at any more are due at once.
    pub(crate) async fn take_over_rotations(&self) -> Result<()> {
        let now = self.now().as_millisecond();
        for mut pending in Pending::all(&self.storage).await? {
            if pending.attempts == 0 && self.is_orphaned(&pending.owner) {
                pending.owner = self.cluster.id();
                self.storage.commit(pending.replace(now)?).await?;
            }
        }
        Ok(())
    }

    /// Before a mount goes: its unfinished rotations are settled and its schedules forgotten.
    ///
    /// # Errors
    /// When a platform does not answer.
    pub async fn end_rotations(&self, mount: &str) -> Result<()> {
        for pending in Pending::all(&self.storage).await?.into_iter().filter(|pending| pending.mount == mount) {
            let on = self.rotating(mount)?;
            let _lock = self.locks.lock(&record::lock_name(mount, &pending.rotation.subject)).await;
            self.settle_earlier(&on, mount, &pending.rotation.subject).await?;
        }
        self.forget_schedules(mount).await
    }
}
