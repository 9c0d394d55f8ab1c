//! The embedded engine keeps every promise, and those that only a store on disk can keep.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_storage::{Batch, EmbeddedStorage, Error, Expect, Storage, Version, conformance};
use std::path::Path;
use std::sync::Arc;

/// Keeps the directory for as long as the store is used.
struct Temporary {
    storage: EmbeddedStorage,
    _directory: tempfile::TempDir,
}

#[async_trait::async_trait]
impl Storage for Temporary {
    async fn get(&self, key: &str) -> lessor_storage::Result<Option<lessor_storage::Entry>> {
        self.storage.get(key).await
    }
    async fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> lessor_storage::Result<Vec<lessor_storage::Entry>> {
        self.storage.scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> lessor_storage::Result<()> {
        self.storage.commit(batch).await
    }
    async fn snapshot(&self) -> lessor_storage::Result<Box<dyn lessor_storage::Snapshot>> {
        self.storage.snapshot().await
    }
}

async fn open() -> Arc<dyn Storage> {
    let directory = tempfile::tempdir().unwrap();
    Arc::new(Temporary { storage: EmbeddedStorage::open(directory.path()).unwrap(), _directory: directory })
}

mod promises {
    lessor_storage::storage_conformance!(super::open);
}

#[tokio::test]
async fn all_promises_hold_in_one_run() {
    conformance::run(open).await.unwrap();
}

fn refusal(path: &Path) -> String {
    match EmbeddedStorage::open(path) {
        Ok(_) => panic!("the store was opened"),
        Err(Error::Unavailable(reason)) => reason,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening_with_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way");
    let storage = EmbeddedStorage::open(&path).unwrap();
    storage.commit(Batch::new().put("kept", "v").put("gone", "v")).await.unwrap();
    storage.commit(Batch::new().delete("gone")).await.unwrap();
    let before = storage.get("kept").await.unwrap();
    drop(storage);
    let storage = EmbeddedStorage::open(&path).unwrap();
    assert_eq!(storage.get("kept").await.unwrap(), before);
    assert_eq!(storage.get("gone").await.unwrap(), None);
}

#[tokio::test]
async fn a_version_is_not_reused_after_a_delete_and_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let mut last = Version(0);
    for _ in 0..3 {
        let storage = EmbeddedStorage::open(directory.path()).unwrap();
        storage.commit(Batch::new().expect("k", Expect::Absent).put("k", "v")).await.unwrap();
        let version = storage.get("k").await.unwrap().unwrap().version;
        assert!(version > last, "{version:?} does not follow {last:?}");
        last = version;
        storage.commit(Batch::new().delete("k")).await.unwrap();
    }
}

#[tokio::test]
async fn a_second_opener_is_refused_with_a_clear_reason_until_the_first_has_closed() {
    let directory = tempfile::tempdir().unwrap();
    let storage = EmbeddedStorage::open(directory.path()).unwrap();
    let clone = storage.clone();
    drop(storage);
    let reason = refusal(directory.path());
    assert!(reason.contains(&format!("is in use by process {}", std::process::id())), "{reason}");
    clone.commit(Batch::new().put("still", "working")).await.unwrap();
    drop(clone);
    EmbeddedStorage::open(directory.path()).unwrap();
}

#[test]
fn a_directory_that_is_a_file_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, "").unwrap();
    let reason = refusal(&path);
    assert!(reason.contains(&path.display().to_string()), "{reason}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lessor.db");
    std::fs::write(&path, "something else, and long enough to be looked at ".repeat(100)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let reason = refusal(directory.path());
    assert!(reason.contains("not a Lessor database"), "{reason}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_of_another_program_or_of_a_newer_layout_is_refused() {
    for (pragma, part) in [("application_id=7", "another program"), ("user_version=99", "install a newer version")] {
        let directory = tempfile::tempdir().unwrap();
        drop(EmbeddedStorage::open(directory.path()).unwrap());
        let file = rusqlite::Connection::open(directory.path().join("lessor.db")).unwrap();
        file.execute_batch(&format!("PRAGMA {pragma}")).unwrap();
        drop(file);
        let reason = refusal(directory.path());
        assert!(reason.contains(part), "{reason}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let storage = EmbeddedStorage::open(&path).unwrap();
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for file in ["lessor.db", "lessor.db-wal", "lessor.db-shm"] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn a_conflict_among_batches_committed_together_concerns_its_batch_only() {
    let storage = open().await;
    let commits = (0..200).map(|number| {
        let storage = Arc::clone(&storage);
        async move {
            // Every tenth batch demands what an earlier one of the group has already changed.
            let guarded = number % 10 == 0 && number > 0;
            let batch = Batch::new().put(format!("k/{number:03}"), "v").put("shared", number.to_string());
            let batch = if guarded { batch.expect("shared", Expect::Absent) } else { batch };
            (number, guarded, storage.commit(batch).await)
        }
    });
    for (number, guarded, outcome) in futures::future::join_all(commits).await {
        let there = storage.get(&format!("k/{number:03}")).await.unwrap().is_some();
        match outcome {
            Ok(()) => assert!(!guarded && there, "batch {number}"),
            Err(Error::Conflict { key }) => assert!(guarded && !there && key == "shared", "batch {number}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_dropped_call_leaves_the_store_working() {
    let storage = open().await;
    for number in 0..100 {
        let commit = storage.commit(Batch::new().put(format!("{number}"), "v"));
        // Polled once, so that it is queued, and then dropped.
        let _ = futures::FutureExt::now_or_never(commit);
        let _ = futures::FutureExt::now_or_never(storage.get("0"));
        let _ = futures::FutureExt::now_or_never(storage.scan("", None, 10));
    }
    storage.commit(Batch::new().put("last", "v")).await.unwrap();
    assert!(storage.get("last").await.unwrap().is_some());
}
