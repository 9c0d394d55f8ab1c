//! When subjects are due, and what happens when a scheduled rotation fails: it is tried again soon, then at a
//! falling rate, until it succeeds or the schedule is taken away.
use crate::active::Active;
use crate::keys::{self, Due, DueKind, Target};
use crate::lease::retry;
use crate::lease::revoke::Attempt;
use crate::lease::store::pointer;
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use lessor_storage::Batch;
use serde::{Deserialize, Serialize};

const PAGE: usize = 256;

/// A subject's next rotation.
#[derive(Serialize, Deserialize)]
struct Schedule {
    due: i64,
    attempts: u32,
    error: Option<String>,
}

/// Scheduled rotations of a mount share a lane of their own: which platform one concerns is not known before it is
/// planned.
fn lane(mount: &str) -> Target {
    Target { mount: mount.to_owned(), name: "rotation".to_owned() }
}

fn due(mount: &str, subject: &str, at: i64) -> Due {
    Due { at, kind: DueKind::Rotation, subject: format!("{mount}/{subject}") }
}

fn remove_due(batch: Batch, due: &Due, lane: &Target) -> Batch {
    batch.delete(due.key()).delete(due.waiting_key(lane))
}

impl Active {
    async fn schedule(&self, mount: &str, subject: &str) -> Result<Option<Schedule>> {
        let entry = self.storage.get(&keys::schedule(mount, subject)).await?;
        Ok(entry.map(|entry| serde_json::from_slice(&entry.value)).transpose()?)
    }

    async fn put_schedule(&self, mount: &str, subject: &str, next: Option<Schedule>) -> Result<()> {
        let (key, lane) = (keys::schedule(mount, subject), lane(mount));
        let mut batch = Batch::new();
        if let Some(old) = self.schedule(mount, subject).await? {
            batch = remove_due(batch, &due(mount, subject, old.due), &lane);
        }
        let Some(next) = next else { return Ok(self.storage.commit(batch.delete(key)).await?) };
        let entry = due(mount, subject, next.due);
        batch = batch.put(key, serde_json::to_vec(&next)?).put(entry.key(), pointer(&lane)?);
        self.storage.commit(batch).await?;
        self.wake_for(&entry);
        Ok(())
    }

    /// Asks the engine when the subject is due next.
    ///
    /// # Errors
    /// When engine or storage fails.
    pub async fn reschedule(&self, mount: &str, subject: &str) -> Result<()> {
        let on = self.rotating(mount)?;
        let at = on.rotating.next(&on.cx, subject).await?;
        let next = at.map(|at: Timestamp| Schedule { due: at.as_millisecond(), attempts: 0, error: None });
        self.put_schedule(mount, subject, next).await
    }

    pub(super) async fn attempt_scheduled(
        &self,
        entry: &Due,
        target: &Target,
        mount: &str,
        subject: &str,
    ) -> Result<Attempt> {
        let Some(schedule) = self.schedule(mount, subject).await?.filter(|schedule| schedule.due == entry.at) else {
            self.leases.drop_due(entry, target).await?;
            return Ok(Attempt::Done);
        };
        match self.run_rotation(mount, subject).await {
            // Rotating asks for the next time, which replaces this entry.
            Ok(_) => Ok(Attempt::Done),
            Err(error @ Error::Storage(_)) => Err(error),
            Err(Error::NotFound(_)) => self.put_schedule(mount, subject, None).await.map(|()| Attempt::Done),
            Err(error) => {
                let attempts = schedule.attempts + 1;
                tracing::error!(subject, %error, attempts, "a scheduled rotation failed; it is retried");
                let at = (self.now() + retry::wait(attempts)).as_millisecond();
                let next = Schedule { due: at, attempts, error: Some(error.to_string()) };
                self.put_schedule(mount, subject, Some(next)).await.map(|()| Attempt::Later)
            }
        }
    }

    pub(super) async fn forget_schedules(&self, mount: &str) -> Result<()> {
        let prefix = keys::schedule(mount, "");
        loop {
            let page = self.storage.scan(&prefix, None, PAGE).await?;
            let mut batch = Batch::new();
            for entry in &page {
                let schedule: Schedule = serde_json::from_slice(&entry.value)?;
                let old = due(mount, &entry.key[prefix.len()..], schedule.due);
                batch = remove_due(batch.delete(&entry.key), &old, &lane(mount));
            }
            if page.is_empty() {
                return Ok(());
            }
            self.storage.commit(batch).await?;
        }
    }
}
