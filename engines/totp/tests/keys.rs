//! Keys and codes through the paths.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use lessor_engine::Operation::{Delete, List, Update};
use lessor_mountkit::{Alone, Answer};
use lessor_storage::{MemoryStorage, Storage};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{mount, mount_on};

const URL: &str = "otpauth://totp/Vault:test@test.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Vault";

async fn code(totp: &Alone, name: &str) -> String {
    totp.read(&format!("code/{name}")).await.data()["code"].as_str().unwrap().to_owned()
}

async fn valid(totp: &Alone, name: &str, code: &str) -> Value {
    totp.write(&format!("code/{name}"), json!({ "code": code })).await.data()["valid"].clone()
}

#[tokio::test]
async fn a_key_made_here_is_answered_once_as_url_and_picture() {
    let totp = mount();
    let body = json!({ "generate": true, "issuer": "Lessor", "account_name": "a@b.example" });
    let made = totp.write("keys/k", body.clone()).await.data();
    let url = made["url"].as_str().unwrap();
    let start = "otpauth://totp/Lessor:a@b.example?algorithm=SHA1&digits=6&issuer=Lessor&period=30&secret=";
    assert_eq!(url.strip_prefix(start).map(str::len), Some(32), "{url}");
    // The first bytes of every PNG.
    assert!(made["barcode"].as_str().unwrap().starts_with("iVBORw0KGgo"));
    let shown = totp.read("keys/k").await.data();
    let expected =
        json!({ "account_name": "a@b.example", "algorithm": "SHA1", "digits": 6, "issuer": "Lessor", "period": 30 });
    assert_eq!(shown, expected);
    let mut quiet = body.clone();
    quiet["exported"] = json!(false);
    assert!(totp.write("keys/quiet", quiet).await.is_empty());
    let mut plain = body;
    plain["qr_size"] = json!(0);
    assert!(totp.write("keys/plain", plain).await.data().get("barcode").is_none());
}

#[tokio::test(start_paused = true)]
async fn codes_come_with_the_moment_they_end() {
    let totp = mount();
    for (name, algorithm, digits, seed) in [
        ("sha1", "SHA1", 8, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        ("sha256", "SHA256", 6, "gezdgnbvgy3tqojqgezdgnbvgy3tqojqgezdgnbvgy3tqojqgeza===="),
    ] {
        let body = json!({ "key": seed, "algorithm": algorithm, "digits": digits, "issuer": "x", "account_name": "y" });
        assert!(totp.write(&format!("keys/{name}"), body).await.is_empty());
        let answer = totp.read(&format!("code/{name}")).await.data();
        assert_eq!(answer["code"].as_str().unwrap().len(), digits);
        assert_eq!(answer["generated"], 1_793_491_200);
        assert_eq!(answer["expire_time"], 1_793_491_230);
        assert_eq!(answer["period"], "30s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_is_accepted_once_and_in_its_window_only() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let (totp, other) = (mount_on(storage.clone()), mount_on(storage));
    totp.write("keys/k", json!({ "url": URL })).await;
    let first = code(&totp, "k").await;
    assert_eq!(valid(&totp, "k", &first).await, true);
    // Neither here nor on another node.
    for node in [&totp, &other] {
        let refused = node.error(Update, "code/k", json!({ "code": first })).await;
        assert_eq!(refused, (400, "code already used; wait until the next time period".to_owned()));
    }
    tokio::time::advance(Duration::from_secs(30)).await;
    let second = code(&totp, "k").await;
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(valid(&totp, "k", &second).await, true, "one period later it is still accepted");
    let third = code(&totp, "k").await;
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(valid(&totp, "k", &third).await, false, "two periods later it is not");
    assert_eq!(valid(&totp, "k", &first).await, false);
}

#[tokio::test(start_paused = true)]
async fn without_skew_only_the_current_code_is_accepted() {
    let totp = mount();
    totp.write("keys/k", json!({ "url": URL, "skew": 0 })).await;
    let first = code(&totp, "k").await;
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(valid(&totp, "k", &first).await, false);
    assert_eq!(valid(&totp, "k", &code(&totp, "k").await).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_show_the_same_code_one_gets_in() {
    let totp = Arc::new(mount());
    totp.write("keys/k", json!({ "url": format!("{URL}&period=86400") })).await;
    let code = code(&totp, "k").await;
    let tries = (0..20).map(|_| {
        let (totp, code) = (Arc::clone(&totp), code.clone());
        tokio::spawn(async move { totp.ask(Update, "code/k", json!({ "code": code })).await.unwrap().is_ok() })
    });
    let mut accepted = 0;
    for attempt in tries.collect::<Vec<_>>() {
        accepted += usize::from(attempt.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn a_new_key_of_the_same_name_starts_over() {
    let totp = mount();
    totp.write("keys/k", json!({ "url": URL })).await;
    let used = code(&totp, "k").await;
    assert_eq!(valid(&totp, "k", &used).await, true);
    totp.write("keys/k", json!({ "url": URL })).await;
    assert_eq!(valid(&totp, "k", &code(&totp, "k").await).await, true);
    totp.ok(Delete, "keys/k", Value::Null).await;
    assert!(totp.read("keys/k").await.missing().is_none());
    assert_eq!(totp.error(Update, "code/k", json!({ "code": used })).await, (400, "unknown key: k".to_owned()));
    assert!(matches!(totp.ok(List, "keys", Value::Null).await, Answer::Keys(keys) if keys.is_empty()));
}

#[tokio::test]
async fn what_is_wrong_is_named_and_makes_nothing() {
    let totp = mount();
    let made = |extra: Value| {
        let mut body = json!({ "generate": true, "issuer": "x", "account_name": "y" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    for (body, text) in [
        (json!({}), "the key value is required"),
        (json!({ "key": "1!" }), "invalid key value: illegal base32 data at input byte 0"),
        (
            json!({ "url": "http://x" }),
            "an error occurred while parsing url string: use otpauth://totp/Issuer:account?secret=…",
        ),
        (json!({ "generate": true }), "the account_name value is required for generated keys"),
        (json!({ "generate": true, "account_name": "y" }), "the issuer value is required for generated keys"),
        (made(json!({ "key": "AAAA" })), "a key should not be passed if generate is true"),
        (made(json!({ "url": URL })), "a url should not be passed if generate is true"),
        (made(json!({ "digits": 7 })), "the digits value can only be 6 or 8"),
        (made(json!({ "algorithm": "MD5" })), "the algorithm value is not valid"),
        (made(json!({ "period": 0 })), "the period value must be greater than zero"),
        (made(json!({ "skew": 2 })), "the skew value must be 0 or 1"),
        (made(json!({ "key_size": 0 })), "the key_size value must be greater than zero"),
        (made(json!({ "key_size": 1_000_000 })), "the key_size value must be at most 1024"),
        (made(json!({ "qr_size": -1 })), "the qr_size value must be greater than or equal to zero"),
        (made(json!({ "qr_size": 1_000_000 })), "the qr_size value must be at most 4096"),
    ] {
        assert_eq!(totp.error(Update, "keys/k", body).await, (400, text.to_owned()));
    }
    assert!(totp.read("keys/k").await.missing().is_none());
    totp.write("keys/k", json!({ "url": URL })).await;
    for (code, text) in [
        (json!({}), "the code value is required"),
        (json!({ "code": "12345" }), "invalid number of digits for the code"),
        (json!({ "code": " 12345" }), "invalid number of digits for the code"),
    ] {
        assert_eq!(totp.error(Update, "code/k", code).await, (400, text.to_owned()));
    }
}
