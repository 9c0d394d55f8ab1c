//! The cache keeps every promise of what is below it, and never shows what was overwritten.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_storage::{Batch, CachedStorage, FaultHook, Hook, MemoryStorage, Storage};
use std::sync::Arc;

mod promises {
    use super::*;
    lessor_storage::storage_conformance!(|| async {
        Arc::new(CachedStorage::new(Arc::new(MemoryStorage::new()), 1 << 20)) as Arc<dyn Storage>
    });
}

#[tokio::test]
async fn a_second_read_asks_nobody_and_a_write_is_seen_at_once() {
    let hook = Arc::new(FaultHook::counting());
    let below = MemoryStorage::new().with_hook(Arc::clone(&hook) as Arc<dyn Hook>);
    let storage = CachedStorage::new(Arc::new(below), 1 << 20);
    assert!(storage.get("a").await.unwrap().is_none());
    assert!(storage.get("a").await.unwrap().is_none());
    assert_eq!(hook.calls(), 1);
    storage.commit(Batch::new().put("a", "1")).await.unwrap();
    for _ in 0..5 {
        assert_eq!(storage.get("a").await.unwrap().unwrap().value, b"1");
    }
    assert_eq!(hook.calls(), 3);
    storage.commit(Batch::new().delete("a")).await.unwrap();
    assert!(storage.get("a").await.unwrap().is_none());
}

#[tokio::test]
async fn what_does_not_fit_is_read_anew() {
    let storage = CachedStorage::new(Arc::new(MemoryStorage::new()), 64 * 1024);
    for number in 0..2000 {
        storage.commit(Batch::new().put(format!("k{number}"), vec![7; 500])).await.unwrap();
    }
    for number in 0..2000 {
        assert_eq!(storage.get(&format!("k{number}")).await.unwrap().unwrap().value.len(), 500);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_a_writer_never_sees_time_go_backwards() {
    let storage = Arc::new(CachedStorage::new(Arc::new(MemoryStorage::new()), 1 << 20));
    storage.commit(Batch::new().put("n", "0")).await.unwrap();
    let writer = {
        let storage = Arc::clone(&storage);
        tokio::spawn(async move {
            for number in 1..=3000_u32 {
                storage.commit(Batch::new().put("n", number.to_string())).await.unwrap();
                let seen = storage.get("n").await.unwrap().unwrap().value;
                assert_eq!(seen, number.to_string().into_bytes(), "a write is not seen by the read after it");
                tokio::task::yield_now().await;
            }
        })
    };
    let readers = (0..4).map(|_| {
        let storage = Arc::clone(&storage);
        tokio::spawn(async move {
            let mut last = 0;
            while last < 3000 {
                let value = storage.get("n").await.unwrap().unwrap().value;
                let now: u32 = String::from_utf8(value).unwrap().parse().unwrap();
                assert!(now >= last, "{now} after {last}");
                last = now;
                tokio::task::yield_now().await;
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
    writer.await.unwrap();
}
