//! The promises of [`Storage`], one function each. Every engine runs all of them.
//!
//! With [`storage_conformance!`](crate::storage_conformance) each promise becomes a test of its own; [`run`]
//! goes through all of them in one. A broken promise panics; an error is one the engine returned.
//!
//! Each promise is given an empty store. None of them looks at the clock or waits for time to pass.
mod concurrency;
mod figures;
mod guards;
mod scans;
mod values;

use crate::{Batch, Entry, Error, Result, Storage};
use std::sync::Arc;

pub use concurrency::*;
pub use figures::*;
pub use guards::*;
pub use scans::*;
pub use values::*;

/// Hands the list of promises to the macro that is named; the list exists once, here.
#[doc(hidden)]
#[macro_export]
macro_rules! __storage_promises {
    ($then:path, $open:expr) => {
        $then! { $open;
            an_absent_key_reads_as_none
            a_put_is_read_back_byte_for_byte
            a_put_replaces_what_was_there
            keys_differ_in_every_byte
            a_delete_removes_and_an_absent_key_is_no_fault
            the_last_write_of_a_key_in_a_batch_wins
            an_empty_batch_changes_nothing
            a_batch_of_a_thousand_writes_is_whole
            a_version_grows_with_each_commit_of_its_key_only
            a_version_is_not_reused_after_a_delete
            an_absent_guard_holds_only_without_the_key
            a_present_guard_holds_only_with_the_key
            a_version_guard_holds_only_for_that_version
            a_failed_guard_names_its_key_and_writes_nothing
            the_first_failed_guard_is_the_one_named
            guards_see_the_state_before_the_batch
            a_guard_may_stand_on_a_key_that_is_not_written
            guards_without_writes_are_checked
            a_scan_is_in_byte_order_and_carries_values_and_versions
            a_scan_keeps_to_its_prefix
            a_scan_takes_wildcards_for_plain_bytes
            a_scan_begins_behind_after
            a_scan_stops_at_its_limit
            paging_shows_every_key_once
            a_commit_is_seen_by_every_read_after_it
            of_many_who_create_a_key_one_succeeds
            concurrent_guarded_updates_lose_none
            a_scan_never_sees_half_a_batch
            versions_of_several_keys_come_in_their_order
            a_snapshot_shows_one_moment
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __storage_tests {
    ($open:expr; $($promise:ident)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            let open = $open;
            let storage = open().await;
            if let Err(error) = $crate::conformance::$promise(storage).await {
                panic!("the engine failed: {error}");
            }
        }
    )* };
}

/// One test per promise. The argument is a closure or function without parameters whose future gives an
/// empty store as `Arc<dyn Storage>`: `storage_conformance!(|| async { open() });`
#[macro_export]
macro_rules! storage_conformance {
    ($open:expr) => {
        $crate::__storage_promises!($crate::__storage_tests, $open);
    };
}

macro_rules! run_all {
    ($open:expr; $($promise:ident)*) => { $(
        $promise($open().await).await.map_err(|error| named(stringify!($promise), &error))?;
    )* };
}

/// Checks every promise in turn, each on a store of its own.
///
/// # Errors
/// What the engine returned where it should have succeeded, with the name of the promise.
///
/// # Panics
/// When a promise is broken.
pub async fn run<F, O>(open: F) -> Result<()>
where
    F: Fn() -> O,
    O: Future<Output = Arc<dyn Storage>>,
{
    crate::__storage_promises!(run_all, open);
    Ok(())
}

fn named(promise: &str, error: &Error) -> Error {
    Error::Unavailable(format!("{promise}: {error}"))
}

/// The keys of a scan, for comparison.
fn keys(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.key.as_str()).collect()
}

/// Commits and demands that a guard on `key` failed.
async fn conflicts(storage: &dyn Storage, batch: Batch, key: &str) {
    match storage.commit(batch).await {
        Err(Error::Conflict { key: named }) => assert_eq!(named, key, "the conflict names another key"),
        other => panic!("expected a conflict on {key}, got {other:?}"),
    }
}

/// The entry under a key that has to be there.
async fn present(storage: &dyn Storage, key: &str) -> Result<Entry> {
    match storage.get(key).await? {
        Some(entry) => Ok(entry),
        None => panic!("{key} is not there"),
    }
}
