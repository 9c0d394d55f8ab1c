//! What is kept of a rotation that is not finished.
use crate::keys::{self, Due, DueKind, Target};
use crate::lease::store::pointer;
use jiff::Timestamp;
use lessor_engine::{Result, Rotation};
use lessor_storage::{Batch, Expect, Storage};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PAGE: usize = 256;

/// How far it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// The platform may or may not have heard of the new secret.
    Planned,
    /// The platform took the new secret.
    Applied,
    /// The new secret is current; the old one is to be removed.
    Committed,
}

/// One unfinished rotation.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// The mount's uuid.
    pub mount: String,
    /// Old and new secret, in the engine's form.
    pub rotation: Rotation,
    /// How far it came.
    pub phase: Phase,
    /// Its place in the due index.
    pub due: i64,
    /// Failed attempts to finish it.
    pub attempts: u32,
    /// What the last of them said.
    pub error: Option<String>,
    /// The node that is at it.
    #[serde(default)]
    pub owner: String,
}

/// The name of the lock of a subject's rotations.
pub fn lock_name(mount: &str, subject: &str) -> String {
    keys::rotation(mount, subject)
}

impl Pending {
    /// A fresh plan.
    pub fn planned(mount: &str, rotation: Rotation, due: Timestamp, owner: String) -> Self {
        let due = due.as_millisecond();
        Self { mount: mount.to_owned(), rotation, phase: Phase::Planned, due, attempts: 0, error: None, owner }
    }
    fn key(&self) -> String {
        keys::rotation(&self.mount, &self.rotation.subject)
    }
    fn target(&self) -> Target {
        Target { mount: self.mount.clone(), name: self.rotation.target.clone() }
    }
    /// Its entry in the due index.
    pub fn due(&self) -> Due {
        let subject = format!("{}/{}", self.mount, self.rotation.subject);
        Due { at: self.due, kind: DueKind::Rotation, subject }
    }
    /// The record of that subject.
    pub async fn load(storage: &Arc<dyn Storage>, mount: &str, subject: &str) -> Result<Option<Self>> {
        let entry = storage.get(&keys::rotation(mount, subject)).await?;
        Ok(entry.map(|entry| serde_json::from_slice(&entry.value)).transpose()?)
    }
    /// Every record; there are few.
    pub async fn all(storage: &Arc<dyn Storage>) -> Result<Vec<Self>> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = storage.scan("rotation/pending/", after.as_deref(), PAGE).await?;
            for entry in &page {
                found.push(serde_json::from_slice(&entry.value)?);
            }
            if page.len() < PAGE {
                return Ok(found);
            }
            after = page.last().map(|entry| entry.key.clone());
        }
    }
    /// Makes the plan durable, unless there is one already.
    pub async fn create(&self, storage: &Arc<dyn Storage>) -> Result<()> {
        let mut batch = Batch::new().expect(self.key(), Expect::Absent);
        batch.append(self.replace(self.due)?);
        Ok(storage.commit(batch).await?)
    }
    /// Makes its state durable.
    pub async fn save(&self, storage: &Arc<dyn Storage>) -> Result<()> {
        Ok(storage.commit(self.replace(self.due)?).await?)
    }
    /// The writes that store it with another due time.
    pub fn replace(&self, due: i64) -> Result<Batch> {
        let next = Self { due, ..self.clone() };
        Ok(Batch::new()
            .delete(self.due().key())
            .delete(self.due().waiting_key(&self.target()))
            .put(self.key(), serde_json::to_vec(&next)?)
            .put(next.due().key(), pointer(&self.target())?))
    }
    /// It is finished.
    pub async fn remove(&self, storage: &Arc<dyn Storage>) -> Result<()> {
        let batch =
            Batch::new().delete(self.key()).delete(self.due().key()).delete(self.due().waiting_key(&self.target()));
        Ok(storage.commit(batch).await?)
    }
}
