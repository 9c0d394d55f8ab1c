//! Key shares that people give one after the other.
use super::{Share, stored};
use crate::mount::entry::uuid;
use serde::{Deserialize, Serialize};

/// The shares given so far in one operation. Bounded: whoever takes them ends the operation at the threshold.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Gathering {
    /// Names the operation.
    pub(crate) nonce: String,
    #[serde(with = "stored::shares")]
    given: Vec<Share>,
}

impl Gathering {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { nonce: uuid(), given: Vec::new() }
    }
    /// Takes one more; `false` when it was given before.
    pub(crate) fn add(&mut self, share: Share) -> bool {
        let new = !self.given.contains(&share);
        if new {
            self.given.push(share);
        }
        new
    }
    /// All of them.
    pub(crate) fn shares(&self) -> &[Share] {
        &self.given
    }
    /// How many there are.
    pub(crate) fn progress(&self) -> usize {
        self.given.len()
    }
    /// Forgets them.
    pub(crate) fn clear(&mut self) {
        self.given.clear();
    }
}
