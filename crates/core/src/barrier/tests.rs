use super::*;
use lessor_storage::MemoryStorage;

async fn unsealed() -> (Arc<MemoryStorage>, Barrier, Key) {
    let below = Arc::new(MemoryStorage::new());
    let root = Key::random().unwrap();
    below.commit(Barrier::create(&root, 1).unwrap()).await.unwrap();
    let barrier = Barrier::new(below.clone());
    barrier.unseal(&root).await.unwrap();
    (below, barrier, root)
}

#[tokio::test]
async fn a_sealed_barrier_answers_nothing() {
    let (_, barrier, _) = unsealed().await;
    barrier.seal();
    assert!(matches!(barrier.get("a").await, Err(Error::Sealed)));
    assert!(matches!(barrier.version("a").await, Err(Error::Sealed)));
    assert!(matches!(barrier.scan("", None, 1).await, Err(Error::Sealed)));
    assert!(matches!(barrier.commit(Batch::new().put("a", "1")).await, Err(Error::Sealed)));
}

#[tokio::test]
async fn every_flipped_bit_is_reported_with_its_key() {
    let (below, barrier, _) = unsealed().await;
    barrier.commit(Batch::new().put("a", "secret")).await.unwrap();
    let stored = below.get("a").await.unwrap().unwrap().value;
    assert!(!stored.windows(6).any(|part| part == b"secret"));
    for bit in 0..stored.len() * 8 {
        let mut damaged = stored.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        below.commit(Batch::new().put("a", damaged)).await.unwrap();
        let error = barrier.get("a").await.unwrap_err();
        assert!(matches!(&error, Error::Corrupt { key, .. } if key == "a"), "bit {bit}: {error}");
    }
}

#[tokio::test]
async fn a_value_moved_under_another_key_is_refused() {
    let (below, barrier, _) = unsealed().await;
    barrier.commit(Batch::new().put("a", "1")).await.unwrap();
    let stored = below.get("a").await.unwrap().unwrap().value;
    below.commit(Batch::new().put("b", stored)).await.unwrap();
    assert!(matches!(barrier.get("b").await, Err(Error::Corrupt { key, .. }) if key == "b"));
}

#[tokio::test]
async fn after_a_rotation_old_values_are_read_and_new_ones_use_the_new_key() {
    let (below, barrier, root) = unsealed().await;
    barrier.commit(Batch::new().put("old", "1")).await.unwrap();
    barrier.rotate(&root, 2).await.unwrap();
    barrier.commit(Batch::new().put("new", "2")).await.unwrap();
    assert_eq!(barrier.key_status().unwrap(), KeyStatus { term: 2, installed: 2, encryptions: 1, unsaved: 1 });
    assert_eq!(below.get("new").await.unwrap().unwrap().value[4], 2);
    let again = Barrier::new(below);
    again.unseal(&root).await.unwrap();
    assert_eq!(again.get("old").await.unwrap().unwrap().value, b"1");
    assert_eq!(again.get("new").await.unwrap().unwrap().value, b"2");
}

#[tokio::test]
async fn another_root_key_opens_nothing() {
    let (_, barrier, _) = unsealed().await;
    barrier.seal();
    assert!(barrier.unseal(&Key::random().unwrap()).await.is_err());
    assert!(barrier.is_sealed());
}

#[tokio::test]
async fn encryptions_are_counted_across_processes_and_begin_anew_with_a_new_key() {
    let (below, barrier, root) = unsealed().await;
    for _ in 0..3 {
        barrier.commit(Batch::new().put("a", "1")).await.unwrap();
    }
    assert_eq!(barrier.key_status().unwrap().encryptions, 3);
    barrier.save_encryptions().await.unwrap();
    let again = Barrier::new(below.clone());
    again.unseal(&root).await.unwrap();
    assert_eq!(again.key_status().unwrap().encryptions, 4, "the count is encrypted too");
    again.commit(Batch::new().put("a", "2")).await.unwrap();
    // Both processes add theirs.
    barrier.commit(Batch::new().put("a", "3")).await.unwrap();
    barrier.save_encryptions().await.unwrap();
    again.save_encryptions().await.unwrap();
    assert_eq!(again.key_status().unwrap().encryptions, 8);
    again.save_encryptions().await.unwrap();
    assert_eq!(again.key_status().unwrap().encryptions, 8, "saving nothing counts nothing");
    again.rotate(&root, 2).await.unwrap();
    assert_eq!(again.key_status().unwrap().encryptions, 0);
    again.commit(Batch::new().put("a", "4")).await.unwrap();
    again.save_encryptions().await.unwrap();
    assert_eq!(again.key_status().unwrap().encryptions, 2);
}

#[tokio::test]
async fn a_keyring_can_be_put_under_another_root_key_while_sealed() {
    let (below, barrier, root) = unsealed().await;
    barrier.commit(Batch::new().put("a", "1")).await.unwrap();
    barrier.seal();
    let next = Key::random().unwrap();
    assert!(barrier.reseal(&next, &root).await.is_err(), "with the wrong key");
    below.commit(barrier.reseal(&root, &next).await.unwrap()).await.unwrap();
    assert!(barrier.unseal(&root).await.is_err());
    barrier.unseal(&next).await.unwrap();
    assert_eq!(barrier.get("a").await.unwrap().unwrap().value, b"1");
}
