//! The promises of storage on a real PostgreSQL, and what becomes of them when it dies, fills up or refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(clippy::print_stdout, reason = "counts are what a reader of the log looks for")]
#![allow(clippy::disallowed_methods, reason = "a test may block its own thread")]
mod conformance;
mod death;
mod figures;
mod refusals;
mod schema;
mod tls;

/// The starter that the end-to-end tests have.
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../../../../tests/end_to_end/targets/postgres.rs"]
mod postgres;

mod lessor {
    /// A port that nobody listens on.
    pub fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }
}

use lessor_storage::Stanza;
use postgres::{Postgres, ROOT, ROOT_PASSWORD};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// One server for all tests that leave it as it is; it ends with the last of those that run.
fn shared() -> Arc<Postgres> {
    static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let started = Arc::new(Postgres::start());
        *shared = Arc::downgrade(&started);
        started
    })
}

/// A table that no other test has.
fn fresh() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn stanza(url: &str) -> Stanza {
    Stanza::new("postgresql").with("connection_url", url).with("table", fresh()).with("max_parallel", "8")
}

fn root(postgres: &Postgres) -> Stanza {
    stanza(&postgres.url(ROOT, ROOT_PASSWORD))
}
