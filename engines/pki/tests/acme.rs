//! ACME without a network: what is signed how, and what is refused.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_engine::Operation::{Delete, List, Read, Update};
use lessor_engine::{Operation, Outcome, Reply};
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use support::{data, mount, root};

const BASE: &str = "https://l.test/v1/pki";

struct Client {
    pki: Alone,
    key: EcdsaKeyPair,
    kid: Option<String>,
    directory: String,
}

struct Said {
    status: u16,
    body: Value,
    location: String,
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
    reply.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

fn jwk(key: &EcdsaKeyPair) -> Value {
    let point = key.public_key().as_ref();
    json!({ "crv": "P-256", "kty": "EC", "x": b64(&point[1..33]), "y": b64(&point[33..]) })
}

fn fresh() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn sign(key: &EcdsaKeyPair, protected: &Value, payload: &str) -> Value {
    let protected = b64(protected.to_string());
    let signature = key.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes()).unwrap();
    json!({ "protected": protected, "payload": payload, "signature": b64(signature) })
}

impl Client {
    async fn new(pki: &Alone, directory: &str) -> Self {
        Self { pki: pki.clone(), key: fresh(), kid: None, directory: directory.to_owned() }
    }
    async fn nonce(&self) -> String {
        let reply = self.pki.reply(Read, &format!("{}/new-nonce", self.directory), Value::Null).await;
        header(&reply, "replay-nonce").to_owned()
    }
    async fn send(&self, path: &str, body: Value) -> Said {
        said(self.pki.reply(Update, path, body).await)
    }
    /// A signed request to a path below the mount.
    async fn at(&self, path: &str, payload: Option<Value>) -> Said {
        let mut protected = json!({ "alg": "ES256", "nonce": self.nonce().await, "url": format!("{BASE}/{path}") });
        match &self.kid {
            Some(kid) => protected["kid"] = json!(kid),
            None => protected["jwk"] = jwk(&self.key),
        }
        let payload = payload.map(|payload| b64(payload.to_string())).unwrap_or_default();
        self.send(path, sign(&self.key, &protected, &payload)).await
    }
    async fn post(&self, resource: &str, payload: Option<Value>) -> Said {
        self.at(&format!("{}/{resource}", self.directory), payload).await
    }
    async fn registered(pki: &Alone, directory: &str) -> Self {
        let mut client = Self::new(pki, directory).await;
        let made = client.post("new-account", Some(json!({ "contact": ["mailto:a@b.example"] }))).await;
        assert_eq!((made.status, &made.body["status"]), (201, &json!("valid")));
        client.kid = Some(made.location);
        client
    }
}

fn said(reply: Reply) -> Said {
    assert!(!header(&reply, "replay-nonce").is_empty(), "every answer brings a nonce");
    let location = header(&reply, "location").to_owned();
    let status = reply.status.unwrap_or(200);
    let Outcome::Raw(raw) = reply.outcome else { panic!("not raw") };
    let kind = if status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(raw.content_type, kind);
    Said { status, body: serde_json::from_slice(&raw.bytes).unwrap_or(Value::Null), location }
}

fn kind(said: &Said) -> &str {
    said.body["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap()
}

async fn ready() -> Alone {
    let pki = mount();
    root(&pki, "root").await;
    assert_eq!(pki.refused("config/acme", json!({ "enabled": true })).await.0, 400, "the cluster's path is needed");
    data(&pki, "config/cluster", json!({ "path": BASE })).await;
    assert_eq!(pki.error(Read, "acme/directory", Value::Null).await.0, 404);
    data(&pki, "roles/web", json!({ "allowed_domains": "test", "allow_subdomains": true })).await;
    data(&pki, "config/acme", json!({ "enabled": true })).await;
    pki
}

#[tokio::test]
async fn requests_are_signed_for_this_url_and_once() {
    let pki = ready().await;
    let client = Client::registered(&pki, "acme").await;
    let path = "acme/new-order";
    let nonce = client.nonce().await;
    let good = json!({ "alg": "ES256", "nonce": nonce, "url": format!("{BASE}/{path}"), "kid": client.kid });
    let payload = b64(json!({ "identifiers": [{ "type": "dns", "value": "a.test" }] }).to_string());
    let body = sign(&client.key, &good, &payload);
    assert_eq!(client.send(path, body.clone()).await.status, 201);
    assert_eq!(kind(&client.send(path, body).await), "badNonce", "a nonce is taken once");
    let with = |name: &str, value: Value| {
        let mut header = good.clone();
        header[name] = value;
        header
    };
    let other = fresh();
    for (header, key, wanted) in [
        (with("nonce", json!("x")), &client.key, "badNonce"),
        (with("url", json!("https://elsewhere/")), &client.key, "unauthorized"),
        (with("alg", json!("none")), &client.key, "badSignatureAlgorithm"),
        (with("alg", json!("HS256")), &client.key, "badSignatureAlgorithm"),
        (with("kid", json!(format!("{BASE}/acme/account/none"))), &client.key, "accountDoesNotExist"),
        (with("jwk", jwk(&client.key)), &client.key, "malformed"),
        (with("crit", json!(["x"])), &client.key, "malformed"),
        (good.clone(), &other, "malformed"),
    ] {
        let refused = client.send(path, sign(key, &header, &payload)).await;
        assert_eq!(kind(&refused), wanted, "{header}");
    }
    assert_eq!(kind(&client.send(path, json!({})).await), "malformed");
}

#[tokio::test]
async fn accounts_belong_to_their_directory_and_end() {
    let pki = ready().await;
    let mut client = Client::registered(&pki, "acme").await;
    let kid = client.kid.take();
    let again = client.post("new-account", Some(json!({}))).await;
    assert_eq!((again.status, Some(&again.location)), (200, kid.as_ref()));
    let elsewhere = Client { directory: "roles/web/acme".to_owned(), key: client.key, kid: None, pki: pki.clone() };
    let found = elsewhere.post("new-account", Some(json!({ "onlyReturnExisting": true }))).await;
    assert_eq!(kind(&found), "accountDoesNotExist");
    let mut client = Client { directory: "acme".to_owned(), kid: kid.clone(), ..elsewhere };
    for contact in ["http://x", "mailto:", "mailto:a@b?x"] {
        let refused = client.post("new-account", Some(json!({ "contact": [contact] }))).await;
        assert_eq!(refused.status, 400, "{contact}");
    }
    let id = kid.as_ref().unwrap().rsplit('/').next().unwrap().to_owned();
    let new = fresh();
    // Another key.
    let url = format!("{BASE}/acme/key-change");
    let inner = sign(
        &new,
        &json!({ "alg": "ES256", "jwk": jwk(&new), "url": url }),
        &b64(json!({ "account": kid, "oldKey": jwk(&client.key) }).to_string()),
    );
    assert_eq!(client.post("key-change", Some(inner)).await.status, 200);
    assert_eq!(kind(&client.post("orders", None).await), "malformed", "the old key signs nothing any more");
    client.key = new;
    assert_eq!(client.post("orders", None).await.body, json!({ "orders": [] }));
    let listed = pki.list("acme/mgmt/account/keyid").await;
    assert_eq!(listed, std::slice::from_ref(&id));
    let ended = client.post(&format!("account/{id}"), Some(json!({ "status": "deactivated" }))).await;
    assert_eq!(ended.body["status"], "deactivated");
    assert_eq!(client.post("orders", None).await.status, 401);
}

#[tokio::test]
async fn an_order_names_what_the_role_allows_and_waits_for_its_challenges() {
    let pki = ready().await;
    let client = Client::registered(&pki, "roles/web/acme").await;
    let order = |kind: &str, value: &str| json!({ "identifiers": [{ "type": kind, "value": value }] });
    for (body, wanted) in [
        (order("dns", "a.example.com"), "rejectedIdentifier"),
        (order("dns", "not a host"), "rejectedIdentifier"),
        (order("dns", "127.0.0.1"), "rejectedIdentifier"),
        (order("ip", "x"), "rejectedIdentifier"),
        (order("email", "a@b.test"), "unsupportedIdentifier"),
        (json!({ "identifiers": [] }), "malformed"),
        (json!({}), "malformed"),
        (
            json!({ "identifiers": [{ "type": "dns", "value": "a.test" }], "notAfter": "2030-01-01T00:00:00Z" }),
            "malformed",
        ),
    ] {
        assert_eq!(kind(&client.post("new-order", Some(body.clone())).await), wanted, "{body}");
    }
    let made = client.post("new-order", Some(order("dns", "*.A.test"))).await;
    assert_eq!(made.body["identifiers"][0]["value"], "*.a.test");
    let url = made.body["authorizations"][0].as_str().unwrap();
    let authorization = client.at(url.strip_prefix(&format!("{BASE}/")).unwrap(), None).await;
    assert_eq!(authorization.body["wildcard"], true);
    let kinds: Vec<&str> =
        authorization.body["challenges"].as_array().unwrap().iter().map(|c| c["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["dns-01"]);
    let finalize = made.body["finalize"].as_str().unwrap().strip_prefix(&format!("{BASE}/")).unwrap().to_owned();
    assert_eq!(kind(&client.at(&finalize, Some(json!({ "csr": "" }))).await), "orderNotReady");
    let id = made.location.rsplit('/').next().unwrap();
    assert_eq!(kind(&client.post(&format!("order/{id}/cert"), None).await), "orderNotReady");
    // Somebody else sees nothing of it.
    let other = Client::registered(&pki, "roles/web/acme").await;
    assert_eq!(kind(&other.post(&format!("order/{id}"), None).await), "malformed");
    let given_up =
        client.at(url.strip_prefix(&format!("{BASE}/")).unwrap(), Some(json!({ "status": "deactivated" }))).await;
    assert_eq!(given_up.body["status"], "deactivated");
    assert_eq!(client.post(&format!("order/{id}"), None).await.body["status"], "invalid");
}

#[tokio::test]
async fn a_binding_is_needed_where_the_policy_says_so_and_used_once() {
    let pki = ready().await;
    data(&pki, "config/acme", json!({ "eab_policy": "always-required" })).await;
    let client = Client::new(&pki, "acme").await;
    let without = client.post("new-account", Some(json!({}))).await;
    assert_eq!((without.status, kind(&without)), (401, "externalAccountRequired"));
    let eab = data(&pki, "acme/new-eab", json!({})).await;
    let elsewhere = data(&pki, "roles/web/acme/new-eab", json!({})).await;
    let bind = |eab: &Value, key: &EcdsaKeyPair| {
        let secret = URL_SAFE_NO_PAD.decode(eab["key"].as_str().unwrap()).unwrap();
        let protected =
            b64(json!({ "alg": "HS256", "kid": eab["id"], "url": format!("{BASE}/acme/new-account") }).to_string());
        let payload = b64(jwk(key).to_string());
        let mac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &secret);
        let mac = aws_lc_rs::hmac::sign(&mac, format!("{protected}.{payload}").as_bytes());
        json!({ "externalAccountBinding": { "protected": protected, "payload": payload, "signature": b64(mac) } })
    };
    for (body, status) in [(bind(&elsewhere, &client.key), 401), (bind(&eab, &fresh()), 400)] {
        assert_eq!(client.post("new-account", Some(body)).await.status, status);
    }
    assert_eq!(client.post("new-account", Some(bind(&eab, &client.key))).await.status, 201);
    let second = Client::new(&pki, "acme").await;
    assert_eq!(second.post("new-account", Some(bind(&eab, &second.key))).await.status, 401);
    let left = pki.ok(List, "eab", Value::Null).await.data();
    assert_eq!(left["keys"], json!([elsewhere["id"]]));
    pki.delete(&format!("eab/{}", elsewhere["id"].as_str().unwrap())).await;
    assert!(pki.ok(Delete, "eab/nonsense", Value::Null).await.missing().is_none());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let pki = ready().await;
    for fields in [
        json!({ "allowed_roles": "" }),
        json!({ "allowed_roles": "*,web" }),
        json!({ "allowed_roles": "none" }),
        json!({ "allowed_issuers": "none" }),
        json!({ "default_directory_policy": "soon" }),
        json!({ "default_directory_policy": "role:none" }),
        json!({ "allowed_roles": "web", "default_directory_policy": "role:other" }),
        json!({ "dns_resolver": "localhost" }),
        json!({ "eab_policy": "sometimes" }),
        json!({ "max_ttl": 0 }),
        json!({ "challenge_excluded_ip_ranges": "10.0.0.0" }),
    ] {
        assert_eq!(pki.refused("config/acme", fields.clone()).await.0, 400, "{fields}");
    }
    data(&pki, "config/acme", json!({ "default_directory_policy": "forbid" })).await;
    let reply = pki.reply(Operation::Read, "acme/directory", Value::Null).await;
    assert_eq!(reply.status, Some(401));
}

#[tokio::test]
async fn every_directory_has_all_resources_and_keeps_them_to_itself() {
    let pki = ready().await;
    let mut accounts = Vec::new();
    for directory in ["acme", "roles/web/acme", "issuer/root/acme", "issuer/root/roles/web/acme"] {
        let reply = pki.reply(Read, &format!("{directory}/directory"), Value::Null).await;
        let Outcome::Raw(raw) = reply.outcome else { panic!("not raw") };
        let shown: Value = serde_json::from_slice(&raw.bytes).unwrap();
        assert_eq!(shown["newOrder"], format!("{BASE}/{directory}/new-order"));
        let mut client = Client::registered(&pki, directory).await;
        let own = format!("{BASE}/{directory}/");
        let below = |url: &str| url.strip_prefix(&own).unwrap_or_else(|| panic!("{url} in {directory}")).to_owned();
        let asked = json!({ "identifiers": [{ "type": "dns", "value": "a.test" }] });
        let made = client.post("new-order", Some(asked)).await;
        assert_eq!(made.status, 201, "{directory}");
        let order = below(&made.location);
        assert_eq!(client.post(&order, None).await.body["status"], "pending", "{directory}");
        assert_eq!(client.post("orders", None).await.body["orders"], json!([made.location]), "{directory}");
        let authorization = below(made.body["authorizations"][0].as_str().unwrap());
        let found = client.post(&authorization, None).await;
        for challenge in found.body["challenges"].as_array().unwrap() {
            let told = client.post(&below(challenge["url"].as_str().unwrap()), None).await;
            assert_eq!((told.status, &told.body["token"]), (200, &challenge["token"]), "{directory}");
        }
        for resource in [below(made.body["finalize"].as_str().unwrap()), format!("{order}/cert")] {
            assert_eq!(kind(&client.post(&resource, Some(json!({ "csr": "" }))).await), "orderNotReady", "{resource}");
        }
        let revoked = client.post("revoke-cert", Some(json!({ "certificate": "eA" }))).await;
        assert_eq!(kind(&revoked), "malformed", "{directory}");
        let new = fresh();
        let url = format!("{BASE}/{directory}/key-change");
        let change = json!({ "account": client.kid, "oldKey": jwk(&client.key) }).to_string();
        let inner = sign(&new, &json!({ "alg": "ES256", "jwk": jwk(&new), "url": url }), &b64(change));
        assert_eq!(client.post("key-change", Some(inner)).await.status, 200, "{directory}");
        client.key = new;
        let account = below(client.kid.as_ref().unwrap());
        assert_eq!(client.post(&account, None).await.body["status"], "valid", "{directory}");
        let eab = data(&pki, &format!("{directory}/new-eab"), json!({})).await;
        assert_eq!(eab["acme_directory"], format!("{directory}/directory"));
        accounts.push((client, account, order));
    }
    // An account of one directory is nobody in another, even where the name of the resource is right.
    for (client, account, order) in &accounts[1..] {
        let other = Client { directory: "acme".to_owned(), pki: pki.clone(), key: fresh(), kid: client.kid.clone() };
        for resource in [account, order] {
            assert!(other.post(resource, None).await.status >= 400, "{resource}");
        }
    }
}
