//! What holds when many callers work at once.
use super::present;
use crate::{Batch, Error, Expect, Result, Storage};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Waits for all tasks; the first error is the result.
async fn all<T: 'static>(mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let mut results = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        match joined {
            Ok(result) => results.push(result?),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(results)
}

/// By `get` and by `scan`, while others commit.
pub async fn a_commit_is_seen_by_every_read_after_it(storage: Arc<dyn Storage>) -> Result<()> {
    let mut tasks = JoinSet::new();
    for task in 0..16 {
        let storage = Arc::clone(&storage);
        tasks.spawn(async move {
            for round in 0..20 {
                let (key, value) = (format!("t/{task:02}"), round.to_string());
                storage.commit(Batch::new().put(&key, value.clone())).await?;
                assert_eq!(present(&*storage, &key).await?.value, value.as_bytes(), "an old value was read");
                let scanned = storage.scan(&key, None, 1).await?;
                assert_eq!(scanned[0].value, value.as_bytes(), "an old value was scanned");
                storage.commit(Batch::new().delete(&key)).await?;
                assert_eq!(storage.get(&key).await?, None, "a deleted key was read");
            }
            Ok(())
        });
    }
    all(tasks).await.map(drop)
}

/// And what is there afterwards is what that one wrote.
pub async fn of_many_who_create_a_key_one_succeeds(storage: Arc<dyn Storage>) -> Result<()> {
    for round in 0..5 {
        let key = format!("only/{round}");
        let mut tasks = JoinSet::new();
        for task in 0..32 {
            let (storage, key) = (Arc::clone(&storage), key.clone());
            tasks.spawn(async move {
                let batch = Batch::new()
                    .expect(&key, Expect::Absent)
                    .put(&key, format!("{task}"))
                    .put(format!("by/{key}/{task}"), "");
                match storage.commit(batch).await {
                    Ok(()) => Ok(Some(task)),
                    Err(Error::Conflict { .. }) => Ok(None),
                    Err(error) => Err(error),
                }
            });
        }
        let winners: Vec<i32> = all(tasks).await?.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "{winners:?} all created {key}");
        assert_eq!(present(&*storage, &key).await?.value, winners[0].to_string().as_bytes());
        assert_eq!(storage.scan(&format!("by/{key}/"), None, 100).await?.len(), 1, "a loser left something behind");
    }
    Ok(())
}

/// Read, add one, commit guarded by the version that was read: the sum is right.
pub async fn concurrent_guarded_updates_lose_none(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("sum", "0")).await?;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let storage = Arc::clone(&storage);
        tasks.spawn(async move {
            let mut done = 0;
            while done < 20 {
                let found = present(&*storage, "sum").await?;
                let sum: u64 = String::from_utf8_lossy(&found.value).parse().unwrap_or(u64::MAX);
                let guard = Expect::Version(found.version);
                let batch = Batch::new().expect("sum", guard).put("sum", (sum + 1).to_string());
                match storage.commit(batch).await {
                    Ok(()) => done += 1,
                    Err(Error::Conflict { .. }) => tokio::task::yield_now().await,
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
    }
    all(tasks).await?;
    assert_eq!(present(&*storage, "sum").await?.value, b"160");
    Ok(())
}

/// A batch moves a record from one key to another: each scan sees exactly one of the two.
pub async fn a_scan_never_sees_half_a_batch(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("half/a", "0").put("half/m", "0")).await?;
    let mut tasks = JoinSet::new();
    let writer = Arc::clone(&storage);
    tasks.spawn(async move {
        for round in 1..100 {
            let (from, to) = if round % 2 == 1 { ("half/a", "half/z") } else { ("half/z", "half/a") };
            writer
                .commit(Batch::new().delete(from).put("half/m", round.to_string()).put(to, round.to_string()))
                .await?;
        }
        Ok(())
    });
    for _ in 0..2 {
        let reader = Arc::clone(&storage);
        tasks.spawn(async move {
            loop {
                let found = reader.scan("half/", None, 10).await?;
                assert_eq!(found.len(), 2, "half a batch was seen: {found:?}");
                assert_eq!(found[0].value, found[1].value, "half a batch was seen");
                if found[0].value == b"99" {
                    return Ok(());
                }
                tokio::task::yield_now().await;
            }
        });
    }
    all(tasks).await.map(drop)
}
