//! Whatever replaces shares, root key or seal loses nothing, wherever it is interrupted.
#![allow(clippy::print_stdout, reason = "the count of points is what a reader of the log looks for")]
use lessor_testkit::seal_crash::{Change, exhaust};

#[tokio::test(start_paused = true)]
async fn a_crash_or_a_dead_kms_at_any_call_leaves_a_storage_that_the_holders_of_shares_can_open() {
    for change in Change::ALL {
        let interrupted = exhaust(change).await;
        println!("{change:?}: {interrupted:?}");
        assert!(interrupted.crashes > 0, "{change:?} makes no call at all");
    }
}
