//! Order, bounds and paging of scans.
use super::{keys, present};
use crate::{Batch, Result, Storage};
use std::sync::Arc;

async fn fill(storage: &dyn Storage, keys: &[&str]) -> Result<()> {
    let mut batch = Batch::new();
    for key in keys {
        batch = batch.put(*key, format!("value of {key}"));
    }
    storage.commit(batch).await
}

/// Not in the order of writing, nor of any language.
pub async fn a_scan_is_in_byte_order_and_carries_values_and_versions(storage: Arc<dyn Storage>) -> Result<()> {
    let mut all = ["b", "a", "Z", "a/b", "a.b", "a0", "\u{e9}", "z", "\u{10000}", "\u{ffff}", "a\0", "10", "9"];
    for key in all {
        fill(&*storage, &[key]).await?;
    }
    all.sort_unstable();
    let entries = storage.scan("", None, 100).await?;
    assert_eq!(keys(&entries), all);
    for entry in &entries {
        assert_eq!(present(&*storage, &entry.key).await?, *entry);
    }
    Ok(())
}

/// Neighbours on both sides stay out; the key that equals the prefix is in.
pub async fn a_scan_keeps_to_its_prefix(storage: Arc<dyn Storage>) -> Result<()> {
    fill(&*storage, &["a", "a/", "a/1", "a/2", "a0", "A/1", "b", "\u{7f}", "\u{7f}x", "\u{80}"]).await?;
    assert_eq!(keys(&storage.scan("a/", None, 10).await?), ["a/", "a/1", "a/2"]);
    assert_eq!(keys(&storage.scan("a", None, 10).await?), ["a", "a/", "a/1", "a/2", "a0"]);
    assert_eq!(keys(&storage.scan("\u{7f}", None, 10).await?), ["\u{7f}", "\u{7f}x"]);
    assert!(storage.scan("a/3", None, 10).await?.is_empty());
    assert!(storage.scan("zz", None, 10).await?.is_empty());
    fill(&*storage, &["\u{10ffff}", "\u{10ffff}x"]).await?;
    assert_eq!(keys(&storage.scan("\u{10ffff}", None, 10).await?), ["\u{10ffff}", "\u{10ffff}x"]);
    Ok(())
}

/// A prefix is not a pattern.
pub async fn a_scan_takes_wildcards_for_plain_bytes(storage: Arc<dyn Storage>) -> Result<()> {
    fill(&*storage, &["%", "%a", "_", "_a", "*", "?", "[a]", "\\", "'", "\"", "a", "ab"]).await?;
    for prefix in ["%", "_"] {
        assert_eq!(keys(&storage.scan(prefix, None, 20).await?), [prefix.to_owned(), format!("{prefix}a")]);
    }
    for prefix in ["*", "?", "[a]", "\\", "'", "\""] {
        assert_eq!(keys(&storage.scan(prefix, None, 20).await?), [prefix]);
    }
    Ok(())
}

/// `after` is exclusive, need not exist, and may lie outside the prefix on either side.
pub async fn a_scan_begins_behind_after(storage: Arc<dyn Storage>) -> Result<()> {
    fill(&*storage, &["a", "p/", "p/1", "p/2", "p/3", "q"]).await?;
    let cases: [(&str, &[&str]); 8] = [
        ("", &["p/", "p/1", "p/2", "p/3"]),
        ("a", &["p/", "p/1", "p/2", "p/3"]),
        ("p", &["p/", "p/1", "p/2", "p/3"]),
        ("p/", &["p/1", "p/2", "p/3"]),
        ("p/1", &["p/2", "p/3"]),
        ("p/11", &["p/2", "p/3"]),
        ("p/3", &[]),
        ("q", &[]),
    ];
    for (after, expected) in cases {
        assert_eq!(keys(&storage.scan("p/", Some(after), 10).await?), expected, "behind {after:?}");
    }
    assert_eq!(keys(&storage.scan("", Some("p/2"), 10).await?), ["p/3", "q"]);
    Ok(())
}

/// The first ones in order, never more; 0 is none.
pub async fn a_scan_stops_at_its_limit(storage: Arc<dyn Storage>) -> Result<()> {
    fill(&*storage, &["k1", "k2", "k3"]).await?;
    assert!(storage.scan("k", None, 0).await?.is_empty());
    assert_eq!(keys(&storage.scan("k", None, 2).await?), ["k1", "k2"]);
    assert_eq!(keys(&storage.scan("k", Some("k1"), 1).await?), ["k2"]);
    assert_eq!(storage.scan("k", None, 3).await?.len(), 3);
    assert_eq!(storage.scan("k", None, usize::MAX).await?.len(), 3);
    Ok(())
}

/// Asking on from the last key of a page shows all keys, also those that share long beginnings.
pub async fn paging_shows_every_key_once(storage: Arc<dyn Storage>) -> Result<()> {
    let mut expected: Vec<String> = (0..97).map(|number| format!("page/{}", "x".repeat(number))).collect();
    expected.sort_unstable();
    fill(&*storage, &expected.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    fill(&*storage, &["page", "page0"]).await?;
    for limit in [1, 7, 96, 97, 98] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = storage.scan("page/", seen.last().map(String::as_str), limit).await?;
            let full = page.len() == limit;
            seen.extend(page.into_iter().map(|entry| entry.key));
            if !full {
                break;
            }
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
    Ok(())
}

/// A snapshot is what was there when it was asked for, all of it, in order; later writes are not in it.
pub async fn a_snapshot_shows_one_moment(storage: Arc<dyn Storage>) -> Result<()> {
    let expected: Vec<String> = (0..1500).map(|number| format!("s/{number:05}")).collect();
    for part in expected.chunks(500) {
        fill(&*storage, &part.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    }
    let mut snapshot = storage.snapshot().await?;
    storage.commit(Batch::new().put("s/00000", "changed").delete("s/01000").put("s/00700x", "later")).await?;
    let mut seen = Vec::new();
    loop {
        let page = snapshot.page().await?;
        if page.is_empty() {
            break;
        }
        seen.extend(page);
        storage.commit(Batch::new().put(format!("s/99{}", seen.len()), "later")).await?;
    }
    assert_eq!(keys(&seen), expected);
    assert_ne!(seen[0].value, b"changed");
    Ok(())
}
