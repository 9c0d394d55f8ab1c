use super::{EmbeddedStorage, MAX_BATCH_BYTES, schema};
use crate::{Batch, Error, Storage};

/// The smallest file is a handful of pages, so that this many are soon used up.
const SMALL: schema::Options = schema::Options { max_pages: Some(40) };

#[tokio::test]
async fn a_full_disk_is_named_loses_nothing_and_is_survived() {
    let directory = tempfile::tempdir().unwrap();
    let storage = EmbeddedStorage::open_with(directory.path(), &SMALL).unwrap();
    let mut written = 0;
    let error = loop {
        let batch = Batch::new().put(format!("{written:03}/a"), vec![1; 4000]).put(format!("{written:03}/b"), "");
        match storage.commit(batch).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the file has no bound");
    };
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(written > 10);
    assert_eq!(storage.scan("", None, 10_000).await.unwrap().len(), 2 * written, "half a batch was written");
    storage.commit(Batch::new().delete("000/a").delete("001/a").delete("002/a")).await.unwrap();
    storage.commit(Batch::new().put("again", vec![1; 4000])).await.unwrap();
    assert!(storage.get("again").await.unwrap().is_some());
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_and_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let storage = EmbeddedStorage::open(directory.path()).unwrap();
    let large = Batch::new().put("large", vec![0; MAX_BATCH_BYTES]);
    let (refused, other) = tokio::join!(storage.commit(large), storage.commit(Batch::new().put("other", "v")));
    assert!(matches!(refused, Err(Error::Unavailable(reason)) if reason.contains("the limit is")));
    other.unwrap();
    assert_eq!(storage.get("large").await.unwrap(), None);
}
