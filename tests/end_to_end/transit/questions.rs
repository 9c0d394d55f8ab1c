//! The questions. `<name>` in a body stands for what the same server answered earlier.
use lessor_client::Method;
use serde_json::{Value, json};

/// A request to both servers.
pub struct Question {
    pub method: Method,
    pub path: String,
    pub body: Value,
    /// Keeps a text of the answer for later questions: its name and where it stands.
    pub keep: Option<(&'static str, &'static str)>,
    /// Why the answers may differ; then they have to. The reasons stand in `docs/compatibility.md`.
    pub accepted: Option<&'static str>,
}

fn question(method: Method, path: &str, body: Value) -> Question {
    Question { method, path: path.to_owned(), body, keep: None, accepted: None }
}

fn put(path: &str, body: Value) -> Question {
    question(Method::Put, path, body)
}

fn get(path: &str) -> Question {
    question(Method::Get, path, Value::Null)
}

impl Question {
    fn keep(mut self, name: &'static str, pointer: &'static str) -> Self {
        self.keep = Some((name, pointer));
        self
    }

    fn accept(mut self, why: &'static str) -> Self {
        self.accepted = Some(why);
        self
    }
}

/// "plaintext" and "context" in base64.
const TEXT: &str = "cGxhaW50ZXh0";
const CONTEXT: &str = "Y29udGV4dA==";

pub fn questions() -> Vec<Question> {
    [keys(), encryption(), batches(), signatures(), hmacs(), exports(), settings_and_tools(), totp()]
        .into_iter()
        .flatten()
        .collect()
}

fn keys() -> Vec<Question> {
    let mut all: Vec<Question> = [
        "aes128-gcm96",
        "aes256-gcm96",
        "chacha20-poly1305",
        "ed25519",
        "ecdsa-p256",
        "ecdsa-p384",
        "ecdsa-p521",
        "rsa-2048",
        "rsa-3072",
    ]
    .iter()
    .flat_map(|kind| {
        let body = json!({ "type": kind, "exportable": true, "allow_plaintext_backup": true });
        [put(&format!("transit/keys/{kind}"), body), get(&format!("transit/keys/{kind}"))]
    })
    .collect();
    all.extend([
        put("transit/keys/xchacha20-poly1305", json!({ "type": "xchacha20-poly1305" })),
        put("transit/keys/hmac", json!({ "type": "hmac", "key_size": 32, "exportable": true }))
            .accept("the peer does not list versions of hmac keys"),
        put("transit/keys/hmac2", json!({ "type": "hmac", "key_size": 16 })),
        put("transit/keys/derived", json!({ "derived": true, "exportable": true })),
        put("transit/keys/convergent", json!({ "derived": true, "convergent_encryption": true })),
        put("transit/keys/ed-derived", json!({ "type": "ed25519", "derived": true })),
        get(&format!("transit/keys/ed-derived?context={CONTEXT}")),
        get("transit/keys/ed-derived?context=!"),
        put("transit/keys/k", json!({})),
        put("transit/keys/k", json!({ "type": "rsa-2048" })).accept("the peer forgets the warning of Vault"),
        put("transit/keys/bad", json!({ "type": "des" })),
        put("transit/keys/bad", json!({ "convergent_encryption": true })),
        put("transit/keys/bad", json!({ "key_size": 32 })),
        put("transit/keys/bad", json!({ "auto_rotate_period": "30m" })),
        put("transit/keys/bad", json!({ "type": "ecdsa-p256", "derived": true })),
        put("transit/keys/bad", json!({ "type": "ed25519", "derived": true, "convergent_encryption": true })),
        put("transit/keys/auto", json!({ "auto_rotate_period": "24h" })),
        get("transit/keys/none"),
        get("transit/keys?list=true"),
        put("transit/keys/hmac3", json!({ "type": "hmac" })).accept("the peer wants a key_size, here it is 32"),
        put("transit/keys/k/rotate", json!({})),
        put("transit/keys/k/rotate", json!({})),
        put("transit/keys/none/rotate", json!({})),
        put("transit/keys/k/config", json!({ "min_decryption_version": 2, "min_encryption_version": 2 })),
        put("transit/keys/k/config", json!({ "min_decryption_version": 9 })),
        put("transit/keys/k/config", json!({ "min_encryption_version": 1 })),
        put("transit/keys/k/config", json!({ "min_encryption_version": -1 })),
        put("transit/keys/k/config", json!({ "auto_rotate_period": 60 })),
        put("transit/keys/none/config", json!({})),
        put("transit/keys/k/config", json!({ "exportable": true, "auto_rotate_period": "2h" })),
        put("transit/keys/k/trim", json!({})),
        put("transit/keys/k/trim", json!({ "min_available_version": 3 })),
        put("transit/keys/k/trim", json!({ "min_available_version": 2 })),
        put("transit/keys/k/config", json!({ "min_decryption_version": 1 })),
        put("transit/keys/none/trim", json!({ "min_available_version": 2 })),
        question(Method::Delete, "transit/keys/k", Value::Null),
        put("transit/keys/k/config", json!({ "deletion_allowed": true })),
        question(Method::Delete, "transit/keys/k/soft-delete", Value::Null),
        put("transit/encrypt/k", json!({ "plaintext": TEXT })),
        put("transit/keys/k/soft-delete-restore", json!({})),
        question(Method::Delete, "transit/keys/k", Value::Null),
        question(Method::Delete, "transit/keys/k", Value::Null),
    ]);
    all
}

fn encryption() -> Vec<Question> {
    let mut all = Vec::new();
    for kind in ["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305", "xchacha20-poly1305", "rsa-2048"] {
        let path = |what: &str| format!("transit/{what}/{kind}");
        all.extend([
            put(&path("encrypt"), json!({ "plaintext": TEXT })).keep("sealed", "/data/ciphertext"),
            put(&path("decrypt"), json!({ "ciphertext": "<sealed>" })),
            put(&path("rewrap"), json!({ "ciphertext": "<sealed>" })),
            put(&path("decrypt"), json!({ "ciphertext": "vault:v1:AAAA" })),
        ]);
    }
    let with = |extra: Value| {
        let mut body = json!({ "plaintext": TEXT });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    all.extend([
        put("transit/encrypt/aes256-gcm96", with(json!({ "associated_data": CONTEXT })))
            .keep("bound", "/data/ciphertext"),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "<bound>", "associated_data": CONTEXT })),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "<bound>" })),
        put("transit/encrypt/rsa-2048", with(json!({ "associated_data": CONTEXT }))),
        put("transit/encrypt/aes256-gcm96", with(json!({ "key_version": 2 }))),
        put("transit/encrypt/aes256-gcm96", with(json!({ "key_version": -1 }))),
        put("transit/encrypt/aes256-gcm96", json!({})),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "not base64" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "abc" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "YQ==YQ==" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "YWJjZ" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "YQ=" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "Y===" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "YQ=a" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "YW\nJj" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "YWI=YQ" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "YQ\n==\nYQ" })),
        put("transit/encrypt/aes256-gcm96", json!({ "plaintext": "=" })),
        put("transit/encrypt/ed25519", with(json!({}))),
        put("transit/decrypt/ed25519", json!({ "ciphertext": "vault:v1:AAAA" })),
        put("transit/decrypt/aes256-gcm96", json!({})),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "AAAA" })),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "vault:v1" })),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "vault:vx:AAAA" })),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "vault:v9:AAAA" })),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "vault:v1:?" })),
        put("transit/decrypt/none", json!({ "ciphertext": "vault:v1:AAAA" })),
        put("transit/encrypt/derived", with(json!({}))),
        put("transit/encrypt/derived", with(json!({ "context": "!" }))),
        put("transit/encrypt/derived", with(json!({ "context": CONTEXT }))).keep("derived", "/data/ciphertext"),
        put("transit/decrypt/derived", json!({ "ciphertext": "<derived>", "context": CONTEXT })),
        put("transit/decrypt/derived", json!({ "ciphertext": "<derived>", "context": TEXT })),
        put("transit/encrypt/convergent", with(json!({ "context": CONTEXT }))).keep("same", "/data/ciphertext"),
        put("transit/decrypt/convergent", json!({ "ciphertext": "<same>", "context": CONTEXT })),
        put("transit/encrypt/convergent", with(json!({ "context": CONTEXT, "nonce": CONTEXT })))
            .accept("the peer ignores nonces"),
        put("transit/encrypt/unmade", json!({ "plaintext": "!" })),
        get("transit/keys/unmade").accept("the peer made the key for nothing"),
        put("transit/encrypt/upserted", with(json!({ "type": "aes128-gcm96" }))),
        get("transit/keys/upserted"),
        put("transit/encrypt/upserted2", with(json!({ "context": CONTEXT, "convergent_encryption": true }))),
        get("transit/keys/upserted2"),
        put("transit/encrypt/upserted3", with(json!({ "type": "rsa-2048" })))
            .accept("the peer calls a kind it knows, but does not create here, unknown"),
        put("transit/encrypt/upserted3", with(json!({ "type": "ecdsa-p256" }))),
        put("transit/encrypt/upserted3", with(json!({ "convergent_encryption": true }))),
        put("transit/datakey/plaintext/aes256-gcm96", json!({})).keep("wrapped", "/data/ciphertext"),
        put("transit/decrypt/aes256-gcm96", json!({ "ciphertext": "<wrapped>" })),
        put("transit/datakey/wrapped/aes256-gcm96", json!({ "bits": 512 })),
        put("transit/datakey/wrapped/aes256-gcm96", json!({ "bits": 100 })),
        put("transit/datakey/other/aes256-gcm96", json!({})),
        put("transit/datakey/wrapped/none", json!({})),
    ]);
    all
}

fn batches() -> Vec<Question> {
    let mixed = json!([{ "plaintext": TEXT, "reference": "good" }, { "plaintext": "!", "reference": "bad" }]);
    let sealed = json!([{ "ciphertext": "<batched>" }, { "ciphertext": "vault:v1:AAAA", "reference": "r" }]);
    vec![
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": [{ "plaintext": TEXT }, { "plaintext": "" }] }))
            .keep("batched", "/data/batch_results/0/ciphertext"),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": mixed })),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": mixed, "partial_failure_response_code": 207 })),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": mixed, "partial_failure_response_code": 999 })),
        put(
            "transit/encrypt/aes256-gcm96",
            json!({ "batch_input": [{ "plaintext": "!" }], "partial_failure_response_code": 207 }),
        ),
        put(
            "transit/encrypt/rsa-2048",
            json!({ "batch_input": [{ "plaintext": TEXT, "associated_data": CONTEXT }, { "plaintext": TEXT }] }),
        )
        .accept("the peer does not count such an item as failed"),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": [] })),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": "text" })),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": [1] })),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": [{}] })),
        put("transit/encrypt/aes256-gcm96", json!({ "batch_input": [{ "plaintext": 7 }] })),
        put(
            "transit/encrypt/aes256-gcm96",
            json!({ "batch_input": [{ "plaintext": TEXT, "context": CONTEXT }, { "plaintext": TEXT }] }),
        ),
        put("transit/decrypt/aes256-gcm96", json!({ "batch_input": sealed })),
        put("transit/decrypt/aes256-gcm96", json!({ "batch_input": sealed, "partial_failure_response_code": 200 })),
        put("transit/decrypt/aes256-gcm96", json!({ "batch_input": [{ "plaintext": TEXT }] })),
        put("transit/rewrap/aes256-gcm96", json!({ "batch_input": sealed })),
        put("transit/sign/ed25519", json!({ "batch_input": [{ "input": TEXT }, {}] })),
        put("transit/hmac/aes256-gcm96", json!({ "batch_input": [{ "input": TEXT, "reference": "a" }, {}] }))
            .keep("batchmac", "/data/batch_results/0/hmac"),
        put(
            "transit/verify/aes256-gcm96",
            json!({ "batch_input": [{ "input": TEXT, "hmac": "<batchmac>" }, { "input": TEXT, "hmac": "x" }] }),
        )
        .accept("the peer leaves `valid` out of an hmac item that failed"),
    ]
}

fn signatures() -> Vec<Question> {
    let mut all = Vec::new();
    let mut pair = |key: &str, body: Value| {
        let mut sign = json!({ "input": TEXT });
        sign.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let mut verify = sign.clone();
        verify["signature"] = json!("<signed>");
        let mut other = verify.clone();
        other["input"] = json!(CONTEXT);
        all.extend([
            put(&format!("transit/sign/{key}"), sign).keep("signed", "/data/signature"),
            put(&format!("transit/verify/{key}"), verify),
            put(&format!("transit/verify/{key}"), other),
        ]);
    };
    pair("ed25519", json!({}));
    pair("ed-derived", json!({ "context": CONTEXT }));
    pair("ecdsa-p256", json!({}));
    pair("ecdsa-p256", json!({ "marshaling_algorithm": "jws" }));
    pair("ecdsa-p384", json!({ "hash_algorithm": "sha1" }));
    pair("ecdsa-p521", json!({ "hash_algorithm": "sha3-256" }));
    pair("rsa-2048", json!({}));
    pair("rsa-2048/sha2-512", json!({ "salt_length": "hash" }));
    pair("rsa-2048", json!({ "salt_length": "13", "algorithm": "sha2-384" }));
    pair("rsa-3072", json!({ "signature_algorithm": "pkcs1v15", "hash_algorithm": "sha2-224" }));
    let digest = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=";
    let bare =
        json!({ "input": digest, "prehashed": true, "hash_algorithm": "none", "signature_algorithm": "pkcs1v15" });
    all.extend([
        put("transit/sign/rsa-2048", bare),
        put("transit/sign/ecdsa-p256", json!({ "input": digest, "prehashed": true })),
        put("transit/sign/ed25519", json!({ "input": "!" })),
        put("transit/sign/ed25519", json!({})),
        put("transit/sign/ed25519", json!({ "input": TEXT, "hash_algorithm": "md5" })),
        put("transit/sign/ed25519", json!({ "input": TEXT, "marshaling_algorithm": "xml" })),
        put("transit/sign/ed25519", json!({ "input": TEXT, "key_version": 7 })),
        put("transit/sign/ed25519", json!({ "input": TEXT, "hash_algorithm": "none" })),
        put("transit/sign/ecdsa-p256", json!({ "input": TEXT, "hash_algorithm": "none" })),
        put("transit/sign/ecdsa-p256", json!({ "input": digest, "hash_algorithm": "none", "prehashed": true })),
        put("transit/sign/rsa-2048", json!({ "input": digest, "hash_algorithm": "none", "prehashed": true })),
        put("transit/sign/rsa-2048", json!({ "input": TEXT, "prehashed": true }))
            .accept("the peer's text comes from Go's library"),
        put("transit/sign/rsa-2048", json!({ "input": TEXT, "prehashed": true, "signature_algorithm": "pkcs1v15" }))
            .accept("the peer's text comes from Go's library"),
        put("transit/sign/ed-derived", json!({ "input": TEXT })),
        put("transit/verify/ed-derived", json!({ "input": TEXT, "signature": "vault:v1:AAAA" })),
        put("transit/sign/rsa-2048", json!({ "input": TEXT, "salt_length": "long" })),
        put("transit/sign/rsa-2048", json!({ "input": TEXT, "salt_length": 900 })),
        put("transit/sign/rsa-2048", json!({ "input": TEXT, "signature_algorithm": "dsa" })),
        put("transit/sign/aes256-gcm96", json!({ "input": TEXT })),
        put("transit/sign/none", json!({ "input": TEXT })),
        put("transit/verify/none", json!({ "input": TEXT, "signature": "vault:v1:AAAA" })),
        put("transit/verify/aes256-gcm96", json!({ "input": TEXT, "signature": "vault:v1:AAAA" })),
        put("transit/verify/ed25519", json!({ "input": TEXT })),
        put("transit/verify/ed25519", json!({ "input": TEXT, "signature": "x", "hmac": "y" }))
            .accept("the peer looks at the signature alone"),
        put("transit/verify/ed25519", json!({ "input": TEXT, "signature": "AAAA" })),
        put("transit/verify/ed25519", json!({ "input": TEXT, "signature": "vault:v2:AAAA" })),
        put("transit/verify/ed25519", json!({ "input": TEXT, "signature": "vault:v1:?" })),
        put("transit/verify/ecdsa-p256", json!({ "input": TEXT, "signature": "vault:v1:AAAA" })),
        put("transit/verify/rsa-2048", json!({ "input": TEXT, "signature": "vault:v1:AAAA" })),
    ]);
    all
}

fn hmacs() -> Vec<Question> {
    vec![
        put("transit/hmac/aes256-gcm96", json!({ "input": TEXT })).keep("mac", "/data/hmac"),
        put("transit/verify/aes256-gcm96", json!({ "input": TEXT, "hmac": "<mac>" })),
        put("transit/verify/aes256-gcm96", json!({ "input": CONTEXT, "hmac": "<mac>" })),
        put("transit/hmac/hmac/sha3-512", json!({ "input": TEXT })).keep("mac3", "/data/hmac"),
        put("transit/verify/hmac/sha3-512", json!({ "input": TEXT, "hmac": "<mac3>" })),
        put("transit/hmac/ed25519", json!({ "input": TEXT, "algorithm": "sha2-512" })),
        put("transit/hmac/aes256-gcm96", json!({})),
        put("transit/hmac/aes256-gcm96", json!({ "input": "!" })),
        put("transit/hmac/aes256-gcm96", json!({ "input": TEXT, "key_version": 5 })),
        put("transit/hmac/aes256-gcm96", json!({ "input": TEXT, "key_version": -5 })),
        put("transit/hmac/aes256-gcm96/md5", json!({ "input": TEXT })).accept("the peer shows a number for the name"),
        put("transit/hmac/none", json!({ "input": TEXT })),
        put("transit/verify/aes256-gcm96", json!({ "input": TEXT, "hmac": "AAAA" })),
        put("transit/verify/aes256-gcm96", json!({ "input": TEXT, "hmac": "vault:v9:AAAA" })),
    ]
}

fn exports() -> Vec<Question> {
    let mut all: Vec<Question> = [
        "encryption-key/aes256-gcm96",
        "encryption-key/rsa-2048",
        "encryption-key/ed25519",
        "signing-key/ed25519",
        "signing-key/ecdsa-p256",
        "signing-key/rsa-2048/latest",
        "signing-key/aes256-gcm96",
        "signing-key/ecdsa-p384?format=der",
        "signing-key/ecdsa-p521?format=pem",
        "signing-key/ed25519?format=pem",
        "signing-key/ecdsa-p256?format=raw",
        "hmac-key/aes256-gcm96/v1",
        "hmac-key/hmac/1",
        "public-key/ecdsa-p256/1",
        "public-key/ed25519?format=der",
        "public-key/rsa-2048",
        "encryption-key/upserted",
        "encryption-key/none",
        "encryption-key/aes256-gcm96/7",
        "encryption-key/aes256-gcm96/x",
        "other/aes256-gcm96",
        "encryption-key/aes256-gcm96?format=odd",
        "certificate-chain/ecdsa-p256",
    ]
    .iter()
    .map(|path| get(&format!("transit/export/{path}")))
    .collect();
    all.extend([
        get("transit/wrapping_key"),
        get("transit/backup/aes256-gcm96").keep("backup", "/data/backup"),
        get("transit/backup/upserted"),
        get("transit/backup/none"),
        put("transit/restore", json!({ "backup": "<backup>" })),
        put("transit/restore/copy", json!({ "backup": "<backup>" })),
        get("transit/keys/copy"),
        put("transit/restore", json!({ "backup": "<backup>", "force": true })),
        put("transit/restore", json!({})),
        put("transit/keys/ecdsa-p256/csr", json!({})),
        put("transit/keys/rsa-2048/csr", json!({})),
        put("transit/keys/aes256-gcm96/csr", json!({})),
        put("transit/keys/ecdsa-p256/csr", json!({ "csr": "nonsense" })),
        put("transit/keys/ecdsa-p256/set-certificate", json!({ "certificate_chain": "nonsense" })),
        get("transit/byok-export/rsa-3072/aes256-gcm96"),
        put("transit/keys/bad/import", json!({})).accept("the peer takes it for an empty public key"),
        put("transit/keys/bad/import", json!({ "ciphertext": "AAAA" })),
        put("transit/keys/bad/import", json!({ "ciphertext": "AAAA", "hash_function": "MD5" })),
        put("transit/keys/bad/import", json!({ "ciphertext": "AAAA", "hash_function": "SHA224" }))
            .accept("aws-lc has no OAEP with SHA-224"),
        put("transit/keys/bad/import", json!({ "ciphertext": "AAAA", "public_key": "x" }))
            .accept("the peer ignores the public key"),
        put("transit/keys/bad/import", json!({ "ciphertext": "AAAA", "convergent_encryption": true })),
        put("transit/keys/bad/import", json!({ "ciphertext": "AAAA", "auto_rotate_period": "2h" })),
        put("transit/keys/bad/import", json!({ "ciphertext": "AAAA", "type": "des" })),
        put("transit/keys/bad/import", json!({ "public_key": "x" })),
        put("transit/keys/bad/import", json!({ "public_key": "x", "type": "ed25519" })),
        put("transit/keys/aes256-gcm96/import", json!({ "ciphertext": "AAAA" })),
        put("transit/keys/aes256-gcm96/import_version", json!({ "ciphertext": "AAAA" })),
        put("transit/keys/none/import_version", json!({ "ciphertext": "AAAA" })),
        get("transit/byok-export/none/aes256-gcm96"),
        get("transit/byok-export/rsa-3072/upserted"),
    ]);
    all
}

fn settings_and_tools() -> Vec<Question> {
    vec![
        get("transit/cache-config"),
        put("transit/cache-config", json!({ "size": 500 })),
        get("transit/cache-config"),
        put("transit/cache-config", json!({ "size": 5 })),
        get("transit/config/keys"),
        put("transit/config/keys", json!({ "disable_upsert": true })),
        put("transit/encrypt/never", json!({ "plaintext": TEXT })),
        put("transit/config/keys", json!({ "disable_upsert": false })),
        put("transit/random", json!({})),
        put("transit/random/16", json!({ "format": "hex" })),
        put("transit/random/seal/8", json!({})),
        put("transit/random/all/8", json!({})),
        put("transit/random/0", json!({})),
        put("transit/random/moon/8", json!({})),
        put("transit/random", json!({ "format": "utf8" })),
        put("transit/hash", json!({ "input": TEXT })),
        put("transit/hash/sha3-224", json!({ "input": TEXT, "format": "base64" })),
        put("transit/hash/md5", json!({ "input": TEXT })),
        put("transit/hash", json!({})),
        put("transit/hash", json!({ "input": "!" })),
    ]
}

fn totp() -> Vec<Question> {
    let made = json!({ "generate": true, "issuer": "Lessor", "account_name": "a@b.example" });
    let with = |extra: Value| {
        let mut body = made.clone();
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let url =
        "otpauth://totp/Vault:test@test.com?secret=Y64VEVMBTSXCYIWRSHRNDZW62MPGVU2G&issuer=Vault&digits=8&period=60";
    vec![
        put("totp/keys/made", with(json!({}))),
        get("totp/keys/made"),
        put("totp/keys/quiet", with(json!({ "exported": false }))),
        put("totp/keys/small", with(json!({ "qr_size": 0, "algorithm": "SHA512", "digits": 8, "period": "1m" }))),
        get("totp/keys/small"),
        put("totp/keys/url", json!({ "url": url })),
        get("totp/keys/url"),
        put("totp/keys/key", json!({ "key": "y64vevmbtsxcyiwrshrndzw62mpgvu2g", "issuer": "x", "account_name": "y" })),
        get("totp/code/made").keep("code", "/data/code"),
        put("totp/code/made", json!({ "code": "<code>" })),
        put("totp/code/made", json!({ "code": "<code>" })),
        put("totp/code/small", json!({ "code": "00000000" })),
        put("totp/code/small", json!({ "code": "00000000" })).accept("the peer takes a wrong code for a used one"),
        put("totp/code/made", json!({ "code": "12345" })),
        put("totp/code/made", json!({})),
        get("totp/code/none"),
        put("totp/code/none", json!({ "code": "123456" })),
        get("totp/keys/none"),
        get("totp/keys?list=true"),
        put("totp/keys/odd", with(json!({ "issuer": "a&b=c" }))).accept("the peer's URL could not be read back"),
        put("totp/keys/odd", with(json!({ "qr_size": 5000 }))).accept("the peer has no bound"),
        put("totp/keys/odd", with(json!({ "key_size": 2000, "qr_size": 0 }))).accept("the peer has no bound"),
        put("totp/keys/odd", json!({ "url": "http://x/?secret=GEZDGNBV" })).accept("the peer takes any URL"),
        put("totp/keys/odd", json!({ "url": "otpauth://totp/x?secret=GEZDGNBV&period=soon" })),
        put("totp/keys/bad", json!({})),
        put("totp/keys/bad", json!({ "key": "1!" })),
        put("totp/keys/bad", json!({ "generate": true })),
        put("totp/keys/bad", json!({ "generate": true, "account_name": "a" })),
        put("totp/keys/bad", with(json!({ "key": "AAAA" }))),
        put("totp/keys/bad", with(json!({ "url": url }))),
        put("totp/keys/bad", with(json!({ "digits": 7 }))),
        put("totp/keys/bad", with(json!({ "algorithm": "MD5" }))),
        put("totp/keys/bad", with(json!({ "period": 0 }))),
        put("totp/keys/bad", with(json!({ "skew": 2 }))),
        put("totp/keys/bad", with(json!({ "key_size": 0 }))),
        put("totp/keys/bad", with(json!({ "qr_size": -1 }))),
        question(Method::Delete, "totp/keys/key", Value::Null),
        question(Method::Delete, "totp/keys/key", Value::Null),
    ]
}
