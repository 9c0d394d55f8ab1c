//! What happens by itself, and goes on after a restart.
use super::{content, fetch, mounted, save};
use crate::lessor::Lessor;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn lists_and_tidying_follow_their_schedule_through_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let lessor = Lessor::initialised(dir).await;
    mounted(&lessor).await;
    lessor.write("pki/roles/r", json!({ "allow_any_name": true, "key_type": "ec", "ttl": "1h" })).await;
    let crl = json!({ "auto_rebuild": true, "enable_delta": true, "delta_rebuild_interval": "2s", "expiry": "1h", "auto_rebuild_grace_period": "1m" });
    lessor.write("pki/config/crl", crl).await;
    let auto = json!({ "enabled": true, "tidy_cert_store": true, "safety_buffer": "1s", "interval_duration": "2s" });
    lessor.write("pki/config/auto-tidy", auto).await;
    let short = lessor.write("pki/issue/r", json!({ "common_name": "a.test", "ttl": "2s" })).await;
    let leaf = lessor.write("pki/issue/r", json!({ "common_name": "a.test" })).await;
    let lessor = lessor.kill_and_restart().await;
    lessor.write("pki/revoke", json!({ "serial_number": leaf["data"]["serial_number"] })).await;
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        save(dir, "delta.pem", fetch(&lessor, "pki/crl/delta/pem"));
        let shown = content(dir, "openssl", &["crl", "-in", "delta.pem", "-noout", "-text"]);
        if shown.contains("Serial Number:") {
            break;
        }
        assert!(Instant::now() < end, "no delta list was built: {shown}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let serial = short["data"]["serial_number"].as_str().unwrap();
    while lessor.send(lessor_client::Request::get(&format!("pki/cert/{serial}"))).await.is_ok() {
        assert!(Instant::now() < end, "nothing was tidied");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let status = lessor.read("pki/tidy-status").await;
    assert!(status["data"]["last_auto_tidy_finished"].is_string(), "{status}");
}
