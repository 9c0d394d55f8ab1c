//! Key material moves between the servers, both ways: by backup, by export and import, and as ciphertexts and
//! signatures.
use super::peer::{Both, Server};
use lessor_client::Request;
use serde_json::{Value, json};

const TEXT: &str = "cGxhaW50ZXh0";
const CONTEXT: &str = "Y29udGV4dA==";
const KINDS: [&str; 10] = [
    "aes128-gcm96",
    "aes256-gcm96",
    "chacha20-poly1305",
    "xchacha20-poly1305",
    "ed25519",
    "ecdsa-p256",
    "ecdsa-p384",
    "ecdsa-p521",
    "rsa-2048",
    "hmac",
];

fn text(data: &Value, name: &str) -> String {
    data[name].as_str().unwrap_or_else(|| panic!("no {name} in {data}")).to_owned()
}

/// Makes a key that can be taken elsewhere.
async fn made(server: &Server, name: &str, mut body: Value) {
    body["exportable"] = json!(true);
    body["allow_plaintext_backup"] = json!(true);
    server.write(&format!("transit/keys/{name}"), body).await;
}

async fn moved(from: &Server, to: &Server, name: &str) {
    let backup = text(&from.read(&format!("transit/backup/{name}")).await, "backup");
    to.write("transit/restore", json!({ "backup": backup })).await;
}

/// What `maker` makes with its key, `reader` takes for its own.
async fn readable(maker: &Server, reader: &Server, name: &str, extra: &Value) {
    let with = |mut body: Value| {
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let key = maker.read(&format!("transit/keys/{name}")).await;
    if key["supports_encryption"] == true {
        let sealed = maker.write(&format!("transit/encrypt/{name}"), with(json!({ "plaintext": TEXT }))).await;
        let body = with(json!({ "ciphertext": sealed["ciphertext"] }));
        let opened = reader.write(&format!("transit/decrypt/{name}"), body).await;
        assert_eq!(opened["plaintext"], TEXT, "{name}");
    }
    if key["supports_signing"] == true {
        let mut spellings = vec![json!({}), json!({ "hash_algorithm": "sha2-512", "marshaling_algorithm": "jws" })];
        if key["type"].as_str().unwrap().starts_with("rsa") {
            spellings = vec![
                json!({}),
                json!({ "salt_length": "hash", "hash_algorithm": "sha3-256" }),
                json!({ "salt_length": 21, "hash_algorithm": "sha1" }),
                json!({ "signature_algorithm": "pkcs1v15", "hash_algorithm": "sha2-384" }),
                json!({ "signature_algorithm": "pkcs1v15", "hash_algorithm": "sha3-512" }),
                json!({ "signature_algorithm": "pkcs1v15", "hash_algorithm": "none", "prehashed": true }),
            ];
        }
        for spelling in spellings {
            let mut body = with(json!({ "input": TEXT }));
            body.as_object_mut().unwrap().extend(spelling.as_object().unwrap().clone());
            body["signature"] = maker.write(&format!("transit/sign/{name}"), body.clone()).await["signature"].clone();
            let path = format!("transit/verify/{name}");
            assert_eq!(reader.write(&path, body.clone()).await["valid"], true, "{name} {spelling}");
            body["input"] = json!(CONTEXT);
            assert_eq!(reader.write(&path, body).await["valid"], false, "{name} {spelling}");
        }
    }
    let mac = maker.write(&format!("transit/hmac/{name}"), json!({ "input": TEXT })).await;
    let body = json!({ "input": TEXT, "hmac": mac["hmac"] });
    assert_eq!(reader.write(&format!("transit/verify/{name}"), body).await["valid"], true, "{name}");
}

async fn backups_move(from: &Server, to: &Server) {
    for kind in KINDS {
        let size = if kind == "hmac" { json!({ "type": kind, "key_size": 48 }) } else { json!({ "type": kind }) };
        made(from, kind, size).await;
        let early = from.write(&format!("transit/hmac/{kind}"), json!({ "input": TEXT })).await;
        from.write(&format!("transit/keys/{kind}/rotate"), json!({})).await;
        moved(from, to, kind).await;
        let body = json!({ "input": TEXT, "hmac": early["hmac"] });
        assert_eq!(to.write(&format!("transit/verify/{kind}"), body).await["valid"], true, "{kind}, version 1");
        readable(from, to, kind, &json!({})).await;
        readable(to, from, kind, &json!({})).await;
        // It goes on living there.
        to.write(&format!("transit/keys/{kind}/rotate"), json!({})).await;
        assert_eq!(to.read(&format!("transit/keys/{kind}")).await["latest_version"], 3);
    }
    for (name, body) in [
        ("derived", json!({ "derived": true })),
        ("convergent", json!({ "derived": true, "convergent_encryption": true })),
        ("convergent-cha", json!({ "derived": true, "convergent_encryption": true, "type": "chacha20-poly1305" })),
        ("derived-128", json!({ "derived": true, "type": "aes128-gcm96" })),
        ("derived-ed", json!({ "derived": true, "type": "ed25519" })),
    ] {
        made(from, name, body).await;
        moved(from, to, name).await;
        let context = json!({ "context": CONTEXT });
        readable(from, to, name, &context).await;
        readable(to, from, name, &context).await;
        if name.starts_with("convergent") {
            let body = json!({ "plaintext": TEXT, "context": CONTEXT });
            let path = format!("transit/encrypt/{name}");
            let (one, other) = (from.write(&path, body.clone()).await, to.write(&path, body).await);
            assert_eq!(one["ciphertext"], other["ciphertext"], "{name}: the same plaintext, the same ciphertext");
        }
    }
    // Trimmed keys count their versions on.
    made(from, "trimmed", json!({})).await;
    for _ in 0..3 {
        from.write("transit/keys/trimmed/rotate", json!({})).await;
    }
    from.write("transit/keys/trimmed/config", json!({ "min_decryption_version": 3, "min_encryption_version": 3 }))
        .await;
    from.write("transit/keys/trimmed/trim", json!({ "min_available_version": 2 })).await;
    moved(from, to, "trimmed").await;
    readable(from, to, "trimmed", &json!({ "key_version": 3 })).await;
    to.write("transit/keys/trimmed/config", json!({ "min_decryption_version": 2 })).await;
    let key = to.read("transit/keys/trimmed").await;
    let numbers: Vec<&String> = key["keys"].as_object().unwrap().keys().collect();
    assert_eq!(numbers, ["2", "3", "4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_of_the_peer_are_restored_here() {
    let both = Both::start().await;
    backups_move(&both.peer, &both.lessor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_from_here_are_restored_by_the_peer() {
    let both = Both::start().await;
    backups_move(&both.lessor, &both.peer).await;
}

/// `to`'s wrapping key comes to `from` as a public key, and wraps what goes the other way.
async fn wrapped_keys_move(from: &Server, to: &Server) {
    let public = text(&to.read("transit/wrapping_key").await, "public_key");
    let body = json!({ "public_key": public, "type": "rsa-4096" });
    from.write("transit/keys/wrapping/import", body).await;
    for kind in KINDS {
        let size = if kind == "hmac" { json!({ "type": kind, "key_size": 64 }) } else { json!({ "type": kind }) };
        made(from, kind, size).await;
        for hash in ["SHA256", "SHA512"] {
            let path = format!("transit/byok-export/wrapping/{kind}?hash={hash}");
            let (path, query) = path.split_once('?').unwrap();
            let request = Request::get(path).query("hash", query.split_once('=').unwrap().1);
            let wrapped = from.data(request).await["keys"]["1"].clone();
            let name = format!("{kind}-{hash}");
            let body = json!({ "ciphertext": wrapped, "type": kind, "hash_function": hash, "exportable": true });
            to.write(&format!("transit/keys/{name}/import"), body).await;
            for (what, applies) in [
                ("encryption-key", kind.contains("aes") || kind.contains("chacha") || kind.starts_with("rsa")),
                ("signing-key", kind.starts_with('e') || kind.starts_with("rsa")),
                ("hmac-key", kind == "hmac"),
            ] {
                if applies {
                    let ours = from.read(&format!("transit/export/{what}/{kind}")).await;
                    let theirs = to.read(&format!("transit/export/{what}/{name}")).await;
                    assert_eq!(ours["keys"], theirs["keys"], "{kind}: exported alike");
                }
            }
        }
    }
    // The public half first, then the private one.
    let public = text(&from.read("transit/export/public-key/ecdsa-p256").await["keys"], "1");
    to.write("transit/keys/half/import", json!({ "public_key": public, "type": "ecdsa-p256" })).await;
    let body = json!({ "input": TEXT });
    let signature = from.write("transit/sign/ecdsa-p256", body.clone()).await["signature"].clone();
    let check = json!({ "input": TEXT, "signature": signature });
    assert_eq!(to.write("transit/verify/half", check).await["valid"], true);
    assert!(to.ask(Request::put("transit/sign/half", body.clone())).await.status >= 400);
    let wrapped = from.read("transit/byok-export/wrapping/ecdsa-p256").await["keys"]["1"].clone();
    to.write("transit/keys/half/import_version", json!({ "ciphertext": wrapped })).await;
    to.write("transit/sign/half", body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapped_keys_of_the_peer_are_imported_here() {
    let both = Both::start().await;
    wrapped_keys_move(&both.peer, &both.lessor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrapped_keys_from_here_are_imported_by_the_peer() {
    let both = Both::start().await;
    wrapped_keys_move(&both.lessor, &both.peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_totp_url_of_one_makes_codes_that_the_other_accepts() {
    let both = Both::start().await;
    for (from, to) in [(&both.peer, &both.lessor), (&both.lessor, &both.peer)] {
        for algorithm in ["SHA1", "SHA256", "SHA512"] {
            let body = json!({
                "generate": true, "issuer": "Big Co", "account_name": "a@b.example", "algorithm": algorithm, "digits": 8,
            });
            let name = format!("totp/keys/{algorithm}");
            let url = text(&from.write(&name, body).await, "url");
            to.write(&format!("{name}-there"), json!({ "url": url })).await;
            let code = from.read(&format!("totp/code/{algorithm}")).await["code"].clone();
            let answer = to.write(&format!("totp/code/{algorithm}-there"), json!({ "code": code })).await;
            assert_eq!(answer["valid"], true, "{url}");
        }
    }
}
