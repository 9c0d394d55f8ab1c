//! How many commits a second an engine does; no promise, and printed by whoever measures.
use crate::{Batch, Expect, Result, Storage};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Commits a second with so many writers, each of the form in which leases are made: three keys in the order of time, one
/// guard on a key that all share, one on a key that is new. Runs for `time`.
///
/// # Errors
/// What the engine returned.
pub async fn commits_per_second(storage: &Arc<dyn Storage>, writers: u64, time: Duration) -> Result<u64> {
    storage.commit(Batch::new().put("parent", "p")).await?;
    let (count, end) = (Arc::new(AtomicU64::new(0)), Instant::now() + time);
    let mut tasks = JoinSet::new();
    for writer in 0..writers {
        let (storage, count) = (Arc::clone(storage), Arc::clone(&count));
        tasks.spawn(async move {
            while Instant::now() < end {
                let number = count.fetch_add(1, Ordering::Relaxed);
                let id = format!("{writers:03}/{number:012}/{writer}");
                let batch = Batch::new()
                    .expect("parent", Expect::Present)
                    .expect(format!("lease/{id}"), Expect::Absent)
                    .put(format!("lease/{id}"), vec![b'x'; 600])
                    .put(format!("due/{id}"), vec![b'x'; 60])
                    .put(format!("token/{id}"), "");
                storage.commit(batch).await?;
            }
            Ok::<_, crate::Error>(())
        });
    }
    let begun = Instant::now();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(result) => result?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    Ok(count.load(Ordering::Relaxed) * 1000 / milliseconds)
}
