//! One at a time per lease, token or subject, within this process. Across processes the guards of a commit decide.
use std::hash::{BuildHasher, RandomState};
use tokio::sync::{Mutex, MutexGuard};

/// A fixed number of locks; two names may share one, which costs waiting and nothing else.
pub struct Locks {
    hasher: RandomState,
    slots: Vec<Mutex<()>>,
}

impl Default for Locks {
    fn default() -> Self {
        Self { hasher: RandomState::new(), slots: (0..1024).map(|_| Mutex::new(())).collect() }
    }
}

impl Locks {
    /// Waits until nobody else holds the lock of `name`.
    pub async fn lock(&self, name: &str) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one(name);
        let slot = usize::try_from(hash % self.slots.len() as u64).unwrap_or_default();
        self.slots[slot].lock().await
    }
}
