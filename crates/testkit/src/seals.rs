//! A seal over a simulated KMS: it can be switched off, and a process that dies may die in its calls.
use crate::crash::Death;
use async_trait::async_trait;
use lessor_core::barrier::Key;
use lessor_core::seal::{Seal, SealError, StaticSeal, Unwrapped};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The KMS; it survives crashes.
pub struct Kms {
    kind: &'static str,
    inner: StaticSeal,
    down_after: AtomicUsize,
    process: Mutex<Option<Arc<Death>>>,
}

impl Kms {
    /// One with a key of its own.
    pub fn new(kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            kind,
            inner: StaticSeal::new(Key::random().unwrap(), None),
            down_after: AtomicUsize::new(usize::MAX),
            process: Mutex::new(None),
        })
    }
    /// Answers `calls` more calls, and none from then on.
    pub fn down_after(&self, calls: usize) {
        self.down_after.store(calls, Ordering::SeqCst);
    }
    /// Answers again.
    pub fn up(&self) {
        self.down_after(usize::MAX);
    }
    pub(crate) fn interrupt(&self, process: Option<Arc<Death>>) {
        *self.process.lock().unwrap() = process;
    }
    async fn call<T>(&self, name: &str, call: impl Future<Output = Result<T, SealError>>) -> Result<T, SealError> {
        let process = self.process.lock().unwrap().clone();
        if let Some(process) = &process {
            process.point(&format!("before seal {name}")).await;
        }
        let left = self.down_after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            usize::MAX => Some(left),
            _ => left.checked_sub(1),
        });
        if left.is_err() {
            return Err(SealError::Unavailable("the KMS is down".into()));
        }
        let done = call.await;
        if let Some(process) = &process {
            process.point(&format!("after seal {name}")).await;
        }
        done
    }
}

#[async_trait]
impl Seal for Kms {
    fn kind(&self) -> &'static str {
        self.kind
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.call("wrap", self.inner.wrap(plain)).await
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        self.call("unwrap", self.inner.unwrap(wrapped)).await
    }
}
