//! How often storage is asked: encrypting and decrypting are what a mount does all day.
mod support;
use lessor_mountkit::Counting;
use serde_json::json;
use std::sync::Arc;
use support::mount_on;

#[tokio::test]
async fn a_known_key_is_used_with_one_get_and_no_write() {
    let storage = Arc::new(Counting::default());
    let transit = mount_on(storage.clone());
    let sealed = transit.write("encrypt/k", json!({ "plaintext": "AAAA" })).await.data();
    storage.take();
    transit.write("encrypt/k", json!({ "plaintext": "AAAA" })).await.data();
    assert_eq!(storage.take(), (1, 0, 0));
    transit.write("decrypt/k", json!({ "ciphertext": sealed["ciphertext"] })).await.data();
    assert_eq!(storage.take(), (1, 0, 0));
    // Whether it is a creation is asked beforehand.
    assert!(transit.exists("encrypt/k").await);
    assert_eq!(storage.take(), (1, 0, 0));
}
