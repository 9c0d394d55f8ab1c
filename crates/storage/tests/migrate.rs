//! Moving records from one storage into another.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
use lessor_storage::{
    Batch, EmbeddedStorage, FaultHook, Hook, Kinds, MemoryStorage, Migrated, Moment, Outcome, Stanza, Storage, migrate,
};
use std::sync::Arc;

async fn filled() -> MemoryStorage {
    let storage = MemoryStorage::new();
    for number in 0..700 {
        let value = vec![b'v'; if number % 100 == 0 { 300_000 } else { number }];
        storage.commit(Batch::new().put(format!("k/{number:04}"), value)).await.unwrap();
    }
    storage
}

async fn all(storage: &dyn Storage) -> Vec<(String, Vec<u8>)> {
    let entries = storage.scan("", None, 10_000).await.unwrap();
    entries.into_iter().map(|entry| (entry.key, entry.value)).collect()
}

#[tokio::test]
async fn every_entry_arrives_and_is_compared() {
    let source = filled().await;
    let directory = tempfile::tempdir().unwrap();
    let destination = EmbeddedStorage::open(directory.path()).unwrap();
    let done = migrate(&source, &destination, None).await.unwrap();
    assert_eq!(done, Migrated { copied: 700, present: 0, verified: 700 });
    assert_eq!(all(&destination).await, all(&source).await);
}

#[tokio::test]
async fn a_run_that_is_interrupted_at_any_call_is_taken_up_by_the_next() {
    let source = filled().await;
    let counting = Arc::new(FaultHook::counting());
    migrate(&source, &MemoryStorage::new().with_hook(Arc::clone(&counting) as Arc<dyn Hook>), None).await.unwrap();
    for call in 0..counting.calls() {
        for moment in [Moment::Before, Moment::After] {
            let destination = MemoryStorage::new();
            let fault: Arc<dyn Hook> = Arc::new(FaultHook::at(call, moment, Outcome::Fail));
            migrate(&source, &destination.with_hook(fault), None).await.unwrap_err();
            // The source has moved on in the meantime.
            let moved = MemoryStorage::new();
            for entry in source.scan("", None, 1000).await.unwrap() {
                moved.commit(Batch::new().put(entry.key, entry.value)).await.unwrap();
            }
            moved.commit(Batch::new().delete("k/0003").put("k/0004", "new").put("a", "b").put("z", "")).await.unwrap();
            match migrate(&moved, &destination, None).await {
                Ok(done) => assert_eq!(done.verified, 701, "call {call}"),
                // Only the answer to the very last commit was lost.
                Err(error) => {
                    assert!(error.to_string().contains("not empty") && call + 1 == counting.calls(), "{call}: {error}");
                    continue;
                }
            }
            assert_eq!(all(&destination).await, all(&moved).await, "call {call}");
        }
    }
}

#[tokio::test]
async fn a_destination_that_holds_something_is_left_alone() {
    let (source, destination) = (filled().await, MemoryStorage::new());
    destination.commit(Batch::new().put("k", "v")).await.unwrap();
    let error = migrate(&source, &destination, None).await.unwrap_err().to_string();
    assert!(error.contains("the destination is not empty"), "{error}");
    assert_eq!(all(&destination).await.len(), 1);
    let error = migrate(&MemoryStorage::new(), &destination, None).await.unwrap_err().to_string();
    assert!(error.contains("the source is empty"), "{error}");
}

#[tokio::test]
async fn a_run_may_begin_at_a_key() {
    let (source, destination) = (filled().await, MemoryStorage::new());
    let done = migrate(&source, &destination, Some("k/0690")).await.unwrap();
    assert_eq!(done, Migrated { copied: 10, present: 0, verified: 10 });
}

#[tokio::test]
async fn a_server_does_not_start_on_an_unfinished_migration() {
    let directory = tempfile::tempdir().unwrap();
    let stanza = Stanza::new("embedded").with("path", directory.path().display().to_string());
    let kinds = Kinds::default();
    let opened = kinds.open(&stanza).await.unwrap();
    opened.storage.commit(Batch::new().put("migration/unfinished", "")).await.unwrap();
    drop(opened);
    let error = kinds.open(&stanza).await.err().unwrap().to_string();
    assert!(error.contains("has not been finished"), "{error}");
    kinds.open_for_migration(&stanza).await.unwrap();
}
