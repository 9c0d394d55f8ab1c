//! Hooks around every call of the memory engine, by which a test decides where a call fails or never returns.
use crate::{Error, Result};
use async_trait::async_trait;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Is asked around every call of a [`MemoryStorage`](crate::MemoryStorage) handle.
///
/// `op` is `"get"`, `"scan"` or `"commit"`. An error becomes the result of the call; a future that never
/// completes freezes the caller, as a lost node would be.
#[async_trait]
pub trait Hook: Send + Sync {
    /// Runs before the call takes effect: an error here means that nothing happened.
    async fn before(&self, op: &str) -> Result<()> {
        let _ = op;
        Ok(())
    }
    /// Runs once the call has taken effect: an error here hides a commit that did happen.
    async fn after(&self, op: &str) -> Result<()> {
        let _ = op;
        Ok(())
    }
}

/// On which side of a call's effect a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// The call has had no effect.
    Before,
    /// The call has had its effect, but the caller does not hear of it.
    After,
}

/// What a fault does to the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The call returns [`Error::Unavailable`].
    Fail,
    /// The call never returns.
    Freeze,
}

/// Strikes one call, counted from 0 over all calls that share the hook, and lets all others pass.
///
/// Run a workflow with [`FaultHook::counting`], read [`FaultHook::calls`], and then run it again with a
/// fault at each number: that covers every storage call the workflow makes.
#[derive(Debug)]
pub struct FaultHook {
    strike: Option<(usize, Moment, Outcome)>,
    begun: AtomicUsize,
    finished: AtomicUsize,
    ops: Mutex<Vec<String>>,
}

impl FaultHook {
    /// Only counts.
    pub fn counting() -> Self {
        Self { strike: None, begun: AtomicUsize::new(0), finished: AtomicUsize::new(0), ops: Mutex::default() }
    }

    /// Strikes call number `call`. With [`Moment::After`], calls are numbered as they take effect.
    pub fn at(call: usize, moment: Moment, outcome: Outcome) -> Self {
        Self { strike: Some((call, moment, outcome)), ..Self::counting() }
    }

    /// How many calls have begun so far.
    pub fn calls(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// The calls that have begun so far, in order, to say in a failed test which one was struck.
    pub fn ops(&self) -> Vec<String> {
        self.ops.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    async fn strike(&self, call: usize, moment: Moment, op: &str) -> Result<()> {
        match self.strike {
            Some((at, when, outcome)) if at == call && when == moment => match outcome {
                Outcome::Fail => Err(Error::Unavailable(format!("injected fault at call {call} ({op})"))),
                Outcome::Freeze => std::future::pending().await,
            },
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Hook for FaultHook {
    async fn before(&self, op: &str) -> Result<()> {
        let call = {
            let mut ops = self.ops.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            ops.push(op.to_owned());
            self.begun.fetch_add(1, Ordering::SeqCst)
        };
        self.strike(call, Moment::Before, op).await
    }

    async fn after(&self, op: &str) -> Result<()> {
        self.strike(self.finished.fetch_add(1, Ordering::SeqCst), Moment::After, op).await
    }
}
