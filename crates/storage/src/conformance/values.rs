//! What one key holds, and what becomes of its version.
use super::{keys, present};
use crate::{Batch, Result, Storage};
use std::sync::Arc;

/// A key that was never written is `None`, not an error.
pub async fn an_absent_key_reads_as_none(storage: Arc<dyn Storage>) -> Result<()> {
    assert_eq!(storage.get("nothing").await?, None);
    assert_eq!(storage.get("").await?, None);
    assert!(storage.scan("", None, 10).await?.is_empty());
    Ok(())
}

/// Values are opaque: empty ones, ones with every byte and long ones come back as they were.
pub async fn a_put_is_read_back_byte_for_byte(storage: Arc<dyn Storage>) -> Result<()> {
    let every_byte: Vec<u8> = (0..=255).collect();
    let long: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    let batch = Batch::new().put("empty", "").put("bytes", every_byte.clone()).put("long", long.clone());
    storage.commit(batch).await?;
    for (key, value) in [("empty", Vec::new()), ("bytes", every_byte), ("long", long)] {
        let entry = present(&*storage, key).await?;
        assert_eq!(entry.key, key);
        assert!(entry.value == value, "the value of {key} changed");
    }
    Ok(())
}

/// A put to a key that exists takes the place of what it held.
pub async fn a_put_replaces_what_was_there(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("k", "a longer first value")).await?;
    storage.commit(Batch::new().put("k", "second")).await?;
    assert_eq!(present(&*storage, "k").await?.value, b"second");
    assert_eq!(storage.scan("k", None, 10).await?.len(), 1);
    Ok(())
}

/// Case, accents in either spelling, spaces and NUL all tell keys apart.
pub async fn keys_differ_in_every_byte(storage: Arc<dyn Storage>) -> Result<()> {
    let all = ["k", "K", "k ", " k", "k\0", "k\0a", "\u{e9}", "e\u{301}", "\u{10ffff}", "k/", "1", "01", "1.0"];
    let mut batch = Batch::new();
    for key in all {
        batch = batch.put(key, key);
    }
    storage.commit(batch).await?;
    for key in all {
        assert_eq!(present(&*storage, key).await?.value, key.as_bytes(), "{key:?} holds the value of another key");
    }
    assert_eq!(storage.scan("", None, 100).await?.len(), all.len());
    Ok(())
}

/// After a delete the key is absent; deleting it again succeeds.
pub async fn a_delete_removes_and_an_absent_key_is_no_fault(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("a", "1").put("b", "2")).await?;
    storage.commit(Batch::new().delete("a")).await?;
    assert_eq!(storage.get("a").await?, None);
    storage.commit(Batch::new().delete("a").delete("never there")).await?;
    assert_eq!(keys(&storage.scan("", None, 10).await?), ["b"]);
    Ok(())
}

/// Writes apply in order.
pub async fn the_last_write_of_a_key_in_a_batch_wins(storage: Arc<dyn Storage>) -> Result<()> {
    let batch = Batch::new().put("a", "1").put("a", "2").put("b", "1").delete("b").delete("c").put("c", "1");
    storage.commit(batch).await?;
    assert_eq!(present(&*storage, "a").await?.value, b"2");
    assert_eq!(storage.get("b").await?, None);
    assert_eq!(present(&*storage, "c").await?.value, b"1");
    Ok(())
}

/// A batch without guards and writes succeeds.
pub async fn an_empty_batch_changes_nothing(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("k", "v")).await?;
    let before = storage.scan("", None, 10).await?;
    storage.commit(Batch::new()).await?;
    assert_eq!(storage.scan("", None, 10).await?, before);
    Ok(())
}

/// A batch has no small limit on its writes.
pub async fn a_batch_of_a_thousand_writes_is_whole(storage: Arc<dyn Storage>) -> Result<()> {
    let mut batch = Batch::new();
    for number in 0..1000 {
        batch = batch.put(format!("many/{number:04}"), vec![b'x'; 200]);
    }
    storage.commit(batch).await?;
    let entries = storage.scan("many/", None, 2000).await?;
    assert_eq!(entries.len(), 1000);
    assert!(entries.iter().all(|entry| entry.version == entries[0].version), "one batch, several versions");
    Ok(())
}

/// Writing a key, be it with the same value, changes its version; writing others does not.
pub async fn a_version_grows_with_each_commit_of_its_key_only(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("k", "v").put("other", "v")).await?;
    let first = present(&*storage, "k").await?.version;
    storage.commit(Batch::new().put("other", "w").delete("absent")).await?;
    assert_eq!(present(&*storage, "k").await?.version, first, "a commit of other keys changed the version");
    storage.commit(Batch::new().put("k", "v")).await?;
    let second = present(&*storage, "k").await?.version;
    assert!(second > first, "{second:?} does not follow {first:?}");
    assert_eq!(storage.scan("k", None, 1).await?[0].version, second, "get and scan differ");
    assert_eq!(storage.version("k").await?, Some(second), "get and version differ");
    Ok(())
}

/// Otherwise a guard could hold for a key that was deleted and created anew in between.
pub async fn a_version_is_not_reused_after_a_delete(storage: Arc<dyn Storage>) -> Result<()> {
    let mut last = None;
    for _ in 0..3 {
        storage.commit(Batch::new().put("k", "v")).await?;
        let version = Some(present(&*storage, "k").await?.version);
        assert!(version > last, "{version:?} does not follow {last:?}");
        last = version;
        storage.commit(Batch::new().delete("k")).await?;
        assert_eq!(storage.version("k").await?, None, "a deleted key has a version");
    }
    storage.commit(Batch::new().delete("k").put("k", "v")).await?;
    assert!(Some(present(&*storage, "k").await?.version) > last);
    Ok(())
}

/// Versions of several keys are those that each key has by itself, in the order that was asked.
pub async fn versions_of_several_keys_come_in_their_order(storage: Arc<dyn Storage>) -> Result<()> {
    assert!(storage.versions(&[]).await?.is_empty());
    storage.commit(Batch::new().put("b", "1")).await?;
    storage.commit(Batch::new().put("a", "1")).await?;
    let alone = [storage.version("b").await?, storage.version("none").await?, storage.version("a").await?];
    assert!(alone[0].is_some() && alone[1].is_none() && alone[0] != alone[2]);
    assert_eq!(storage.versions(&["b", "none", "a", "b"]).await?, [alone[0], alone[1], alone[2], alone[0]]);
    Ok(())
}
