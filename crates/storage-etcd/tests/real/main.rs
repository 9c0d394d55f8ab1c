//! The promises of storage on a real etcd, and what becomes of them when members die, fill up or refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(clippy::print_stdout, reason = "counts are what a reader of the log looks for")]
#![allow(clippy::disallowed_methods, reason = "a test may block its own thread")]
mod conformance;
mod death;
mod figures;
mod refusals;
mod tls;

/// The starter that the end-to-end tests have.
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../../../../tests/end_to_end/targets/etcd.rs"]
mod etcd;

mod lessor {
    /// A port that nobody listens on.
    pub fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }
}

use etcd::Etcd;
use lessor_storage::Stanza;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One server, as it is delivered, for all tests that leave it as it is; it ends with the last of those that run.
fn shared() -> Arc<Etcd> {
    static SHARED: Mutex<Weak<Etcd>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Etcd::start());
        *shared = Arc::downgrade(&started);
        started
    })
}

/// With a path that no other test has.
fn stanza(etcd: &Etcd) -> Stanza {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let path = format!("/test-{}/", NUMBER.fetch_add(1, Ordering::Relaxed));
    Stanza::new("etcd").with("address", etcd.addresses()).with("path", path)
}
