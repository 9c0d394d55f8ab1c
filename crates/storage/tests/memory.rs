//! The memory engine keeps every promise, and its hooks strike where they say.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use async_trait::async_trait;
use lessor_storage::{Batch, Error, FaultHook, Hook, MemoryStorage, Moment, Outcome, Result, Storage, conformance};
use std::sync::Arc;
use std::time::Duration;

mod promises {
    use super::*;
    lessor_storage::storage_conformance!(|| async { Arc::new(MemoryStorage::new()) as Arc<dyn Storage> });
}

#[tokio::test(start_paused = true)]
async fn all_promises_hold_in_one_run_with_time_paused() {
    let before = tokio::time::Instant::now();
    conformance::run(|| async { Arc::new(MemoryStorage::new()) as Arc<dyn Storage> }).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO, "the engine let time pass");
}

fn put(key: &str) -> Batch {
    Batch::new().put(key, "v")
}

#[tokio::test]
async fn a_failure_before_a_commit_leaves_nothing_and_one_after_it_hides_it() {
    for (moment, written) in [(Moment::Before, false), (Moment::After, true)] {
        let storage = MemoryStorage::new();
        let hook = Arc::new(FaultHook::at(1, moment, Outcome::Fail));
        let struck = storage.with_hook(hook.clone() as Arc<dyn Hook>);
        struck.commit(put("first")).await.unwrap();
        assert!(matches!(struck.commit(put("second")).await, Err(Error::Unavailable(_))));
        struck.commit(put("third")).await.unwrap();
        assert_eq!(storage.get("second").await.unwrap().is_some(), written, "{moment:?}");
        assert_eq!(hook.calls(), 3, "the handle without the hook was counted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frozen_call_never_returns_and_holds_up_nobody_else() {
    for (moment, written) in [(Moment::Before, false), (Moment::After, true)] {
        let storage = MemoryStorage::new();
        let struck = storage.with_hook(Arc::new(FaultHook::at(0, moment, Outcome::Freeze)) as Arc<dyn Hook>);
        let day = Duration::from_secs(86_400);
        assert!(tokio::time::timeout(day, struck.commit(put("k"))).await.is_err(), "the call returned");
        assert_eq!(storage.get("k").await.unwrap().is_some(), written, "{moment:?}");
        storage.commit(put("other")).await.unwrap();
    }
}

#[tokio::test]
async fn every_call_of_a_workflow_can_be_struck_by_its_number() {
    async fn workflow(storage: &dyn Storage) -> Result<()> {
        storage.get("a").await?;
        storage.scan("", None, 1).await?;
        storage.commit(put("a")).await
    }
    let counting = Arc::new(FaultHook::counting());
    workflow(&MemoryStorage::new().with_hook(counting.clone() as Arc<dyn Hook>)).await.unwrap();
    assert_eq!(counting.ops(), ["get", "scan", "commit"]);
    for call in 0..counting.calls() {
        for moment in [Moment::Before, Moment::After] {
            let hook = Arc::new(FaultHook::at(call, moment, Outcome::Fail));
            let struck = MemoryStorage::new().with_hook(hook.clone() as Arc<dyn Hook>);
            assert!(workflow(&struck).await.is_err(), "call {call} {moment:?} was not struck");
            assert_eq!(hook.calls(), call + 1);
        }
    }
}

#[tokio::test]
async fn a_hook_of_ones_own_sees_every_call_and_may_choose_by_its_kind() {
    struct NoCommits;
    #[async_trait]
    impl Hook for NoCommits {
        async fn before(&self, op: &str) -> Result<()> {
            if op == "commit" { Err(Error::Unavailable("read-only".into())) } else { Ok(()) }
        }
    }
    let storage = MemoryStorage::new();
    storage.commit(put("k")).await.unwrap();
    let struck = storage.with_hook(Arc::new(NoCommits) as Arc<dyn Hook>);
    assert!(struck.get("k").await.unwrap().is_some());
    assert!(struck.commit(put("other")).await.is_err());
    struck.without_hook().commit(put("other")).await.unwrap();
}
