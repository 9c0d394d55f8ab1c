//! What the requests of one listener share.
use crate::config::{Listener, ResponseHeaders};
use crate::traces::Traces;
use hyper::header::HeaderValue;
use lessor_core::node::Core;
use std::sync::{Arc, PoisonError, RwLock};
use tracing::Level;

/// A value that a reload replaces while requests read it.
pub struct Swap<T>(RwLock<Arc<T>>);

impl<T> Swap<T> {
    /// Begins with `value`.
    pub fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }
    /// The current value.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
    /// Replaces it.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// What every listener of the process shares.
pub struct Process {
    /// Sent as `X-Vault-Hostname`.
    pub hostname: Option<HeaderValue>,
    /// The level at which answered requests are logged; `None` is not at all.
    pub requests: Swap<Option<Level>>,
    /// Where the spans of requests go.
    pub traces: Option<Traces>,
}

/// One listener's way into core.
pub struct Edge {
    /// The node.
    pub core: Arc<Core>,
    /// The listener's settings.
    pub listener: Listener,
    /// Its headers, which a reload may replace.
    pub headers: Swap<ResponseHeaders>,
    /// The rest of the process.
    pub process: Arc<Process>,
}

impl Edge {
    /// A listener over a node.
    pub fn new(core: Arc<Core>, listener: Listener, process: Arc<Process>) -> Self {
        Self { core, headers: Swap::new(listener.headers.clone()), listener, process }
    }
}
