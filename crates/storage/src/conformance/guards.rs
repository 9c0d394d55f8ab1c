//! What a batch may demand before it takes effect.
use super::{conflicts, present};
use crate::{Batch, Expect, Result, Storage, Version};
use std::sync::Arc;

/// `Expect::Absent`: also right after a delete, not for an empty value.
pub async fn an_absent_guard_holds_only_without_the_key(storage: Arc<dyn Storage>) -> Result<()> {
    let create = || Batch::new().expect("k", Expect::Absent).put("k", "");
    storage.commit(create()).await?;
    conflicts(&*storage, create(), "k").await;
    storage.commit(Batch::new().delete("k")).await?;
    storage.commit(create()).await
}

/// `Expect::Present`: at any version.
pub async fn a_present_guard_holds_only_with_the_key(storage: Arc<dyn Storage>) -> Result<()> {
    let update = || Batch::new().expect("k", Expect::Present).put("k", "updated");
    conflicts(&*storage, update(), "k").await;
    assert_eq!(storage.get("k").await?, None);
    storage.commit(Batch::new().put("k", "")).await?;
    storage.commit(update()).await?;
    storage.commit(update()).await?;
    storage.commit(Batch::new().delete("k")).await?;
    conflicts(&*storage, update(), "k").await;
    Ok(())
}

/// `Expect::Version`: not for an earlier one, a later one, nor for a key that is gone or was created anew.
pub async fn a_version_guard_holds_only_for_that_version(storage: Arc<dyn Storage>) -> Result<()> {
    let update = |version| Batch::new().expect("k", Expect::Version(version)).put("k", "updated");
    conflicts(&*storage, update(Version(0)), "k").await;
    storage.commit(Batch::new().put("k", "1")).await?;
    let first = present(&*storage, "k").await?.version;
    storage.commit(update(first)).await?;
    let second = present(&*storage, "k").await?.version;
    conflicts(&*storage, update(first), "k").await;
    conflicts(&*storage, update(Version(second.0 + 1)), "k").await;
    storage.commit(Batch::new().delete("k")).await?;
    conflicts(&*storage, update(second), "k").await;
    storage.commit(Batch::new().put("k", "1")).await?;
    conflicts(&*storage, update(second), "k").await;
    Ok(())
}

/// All or nothing, also where the failing guard comes last and the writes concern other keys.
pub async fn a_failed_guard_names_its_key_and_writes_nothing(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("a", "old").put("b", "old")).await?;
    let before = storage.scan("", None, 10).await?;
    let batch = Batch::new()
        .put("a", "new")
        .delete("b")
        .put("c", "new")
        .expect("a", Expect::Present)
        .expect("b", Expect::Present)
        .expect("missing", Expect::Present);
    conflicts(&*storage, batch, "missing").await;
    assert_eq!(storage.scan("", None, 10).await?, before);
    Ok(())
}

/// Guards are checked in the order they were given.
pub async fn the_first_failed_guard_is_the_one_named(storage: Arc<dyn Storage>) -> Result<()> {
    let batch = Batch::new().expect("z", Expect::Absent).expect("y", Expect::Present).expect("x", Expect::Present);
    conflicts(&*storage, batch, "y").await;
    Ok(())
}

/// A batch's own writes neither fulfil nor break its guards.
pub async fn guards_see_the_state_before_the_batch(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("old", "v")).await?;
    let batch = Batch::new()
        .put("new", "v")
        .expect("new", Expect::Absent)
        .delete("old")
        .expect("old", Expect::Present)
        .put("new", "w")
        .expect("new", Expect::Absent);
    storage.commit(batch).await?;
    assert_eq!(storage.get("old").await?, None);
    conflicts(&*storage, Batch::new().put("old", "v").expect("old", Expect::Present), "old").await;
    assert_eq!(storage.get("old").await?, None);
    Ok(())
}

/// A lease may be written on the condition that its parent token still exists, unchanged.
pub async fn a_guard_may_stand_on_a_key_that_is_not_written(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().put("parent", "v")).await?;
    let parent = present(&*storage, "parent").await?;
    let child = || Batch::new().expect("parent", Expect::Version(parent.version)).put("child", "v");
    storage.commit(child()).await?;
    assert_eq!(present(&*storage, "parent").await?, parent, "a guard changed its key");
    storage.commit(Batch::new().delete("child").put("parent", "w")).await?;
    conflicts(&*storage, child(), "parent").await;
    assert_eq!(storage.get("child").await?, None);
    Ok(())
}

/// A batch of guards alone asks whether they hold.
pub async fn guards_without_writes_are_checked(storage: Arc<dyn Storage>) -> Result<()> {
    storage.commit(Batch::new().expect("k", Expect::Absent)).await?;
    conflicts(&*storage, Batch::new().expect("k", Expect::Present), "k").await;
    storage.commit(Batch::new().put("k", "v")).await?;
    storage.commit(Batch::new().expect("k", Expect::Present)).await
}
