//! When subjects are due, and what happens when a scheduled rotation fails: it is tried again soon, then at a
//! falling rate, until it succeeds or the schedule is taken away.
use super::policy::{After, RotationPolicies};
use crate::active::Active;
use crate::keys::{self, Due, DueKind, Target};
use crate::lease::retry;
use crate::lease::revoke::Attempt;
use crate::lease::store::pointer;
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use lessor_storage::Batch;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const PAGE: usize = 256;
/// When the next cycle of attempts begins where no slot says so.
const CYCLE: Duration = Duration::from_secs(3600);

/// A subject's next rotation.
#[derive(Serialize, Deserialize)]
struct Schedule {
    due: i64,
    /// Failed attempts of this cycle; all of them where no policy counts cycles.
    attempts: u32,
    error: Option<String>,
    /// Cycles that were given up.
    #[serde(default)]
    cycles: u32,
    /// Nothing is tried any more: there is no due key.
    #[serde(default)]
    orphan: bool,
}

impl Schedule {
    fn at(at: Timestamp) -> Self {
        Self { due: at.as_millisecond(), attempts: 0, error: None, cycles: 0, orphan: false }
    }
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
        batch = batch.put(key, serde_json::to_vec(&next)?);
        if next.orphan {
            return Ok(self.storage.commit(batch).await?);
        }
        self.storage.commit(batch.put(entry.key(), pointer(&lane)?)).await?;
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
        let next = at.map(Schedule::at);
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
                let next = self.after_failure(mount, subject, &schedule, &error).await?;
                tracing::error!(subject, %error, attempts = next.attempts, "a scheduled rotation failed");
                self.put_schedule(mount, subject, Some(next)).await.map(|()| Attempt::Later)
            }
        }
    }

    /// By the subject's policy: the next attempt, the next cycle, or none.
    async fn after_failure(&self, mount: &str, subject: &str, last: &Schedule, error: &Error) -> Result<Schedule> {
        let (on, now) = (self.rotating(mount)?, self.now());
        let name = on.rotating.policy(&on.cx, subject).await?;
        let policy = if name.is_empty() { None } else { RotationPolicies(&self.storage).read(&name).await? };
        let failed = last.attempts + 1;
        let after = policy.map_or(After::Retry(failed), |policy| policy.after(failed, last.cycles));
        let error = Some(error.to_string());
        Ok(match after {
            After::Retry(attempts) => {
                Schedule { attempts, error, cycles: last.cycles, ..Schedule::at(now + retry::wait(attempts)) }
            }
            After::Cycle(cycles) => {
                // A slot that lies behind us is the one that was missed.
                let slot = on.rotating.next(&on.cx, subject).await?.filter(|slot| *slot > now);
                Schedule { error, cycles, ..Schedule::at(slot.unwrap_or(now + CYCLE)) }
            }
            After::Orphan => {
                tracing::error!(subject, policy = name, "it is not rotated any more until it is written again");
                Schedule { attempts: failed, error, cycles: last.cycles + 1, orphan: true, ..Schedule::at(now) }
            }
        })
    }

    /// Paths of what is not rotated any more.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn rotation_orphans(&self) -> Result<Vec<String>> {
        let prefix = keys::schedule("", "");
        let prefix = prefix.trim_end_matches('/').to_owned() + "/";
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.storage.scan(&prefix, after.as_deref(), PAGE).await?;
            for entry in &page {
                let schedule: Schedule = serde_json::from_slice(&entry.value)?;
                let Some((mount, subject)) = entry.key[prefix.len()..].split_once('/') else { continue };
                if schedule.orphan
                    && let Ok(on) = self.rotating(mount)
                {
                    found.push(format!("{}{}", on.mounted.entry.path, on.rotating.path(subject)));
                }
            }
            if page.len() < PAGE {
                return Ok(found);
            }
            after = page.last().map(|entry| entry.key.clone());
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
