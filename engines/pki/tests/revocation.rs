//! What is revoked is on lists and in answers that openssl believes.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::Operation::{List, Patch, Read, Update};
use lessor_engine::{Outcome, Rotation};
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use std::path::Path;
use support::{content, data, mount, openssl, raw, root, save, text};

async fn leaf(pki: &Alone) -> Value {
    data(pki, "issue/r", json!({ "common_name": "a.test", "ttl": "1h" })).await
}

async fn ready(kind: &str) -> Alone {
    let pki = mount();
    let fields = json!({ "common_name": "root", "issuer_name": "root", "key_type": kind, "ttl": "1000h" });
    data(&pki, "root/generate/internal", fields).await;
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec" })).await;
    pki
}

async fn revoke(pki: &Alone, leaf: &Value) -> Value {
    data(pki, "revoke", json!({ "serial_number": leaf["serial_number"] })).await
}

/// Asks over the path for OCSP, as openssl asks and reads.
async fn ocsp(pki: &Alone, dir: &Path, leaf: &Value, digest: &str, posted: bool) -> String {
    save(dir, "leaf.pem", text(leaf, "certificate"));
    save(dir, "ca.pem", text(leaf, "issuing_ca"));
    content(dir, &format!("ocsp -{digest} -issuer ca.pem -cert leaf.pem -reqout q.der"));
    let question = STANDARD.encode(std::fs::read(dir.join("q.der")).unwrap());
    let reply = if posted {
        pki.reply(Update, "ocsp", json!({ "raw_body": question })).await
    } else {
        pki.reply(Read, &format!("ocsp/{question}"), Value::Null).await
    };
    let Outcome::Raw(raw) = reply.outcome else { panic!("not raw") };
    assert_eq!((reply.status, raw.content_type.as_str()), (None, "application/ocsp-response"));
    save(dir, "a.der", raw.bytes);
    content(dir, &format!("ocsp -{digest} -issuer ca.pem -cert leaf.pem -respin a.der -CAfile ca.pem"))
}

#[tokio::test]
async fn a_revoked_certificate_is_on_the_list_and_in_ocsp_for_every_kind_of_key() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    for kind in ["rsa", "ec", "ed25519"] {
        let pki = ready(kind).await;
        let (good, bad) = (leaf(&pki).await, leaf(&pki).await);
        let first = revoke(&pki, &bad).await;
        assert_eq!(first, revoke(&pki, &bad).await, "revoking again changes nothing");
        save(dir, "crl.pem", raw(&pki, "crl/pem").await.1);
        save(dir, "ca.pem", text(&good, "issuing_ca"));
        for (leaf, fine) in [(&good, true), (&bad, false)] {
            save(dir, "leaf.pem", text(leaf, "certificate"));
            let (verified, why) = openssl(dir, "verify -crl_check -CAfile ca.pem -CRLfile crl.pem leaf.pem");
            assert_eq!(verified, fine, "{kind}: {why}");
            for (digest, posted) in [("sha1", true), ("sha256", false), ("sha512", true)] {
                let said = ocsp(&pki, dir, leaf, digest, posted).await;
                assert!(said.contains("Response verify OK"), "{kind}: {said}");
                assert!(said.contains(if fine { "leaf.pem: good" } else { "leaf.pem: revoked" }), "{kind}: {said}");
            }
        }
        assert_eq!(pki.list("certs/revoked").await, [text(&bad, "serial_number")]);
        let shown = pki.read(&format!("cert/{}", text(&bad, "serial_number"))).await.data();
        assert_eq!(shown["revocation_time"], first["revocation_time"]);
    }
}

#[tokio::test]
async fn delta_lists_hold_what_came_since_the_complete_one() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = ready("ec").await;
    data(&pki, "config/crl", json!({ "auto_rebuild": true, "enable_delta": true })).await;
    let (old, new) = (leaf(&pki).await, leaf(&pki).await);
    revoke(&pki, &old).await;
    pki.read("crl/rotate").await;
    revoke(&pki, &new).await;
    let numbers = |name: &str| {
        let shown = content(dir, &format!("crl -in {name} -noout -text"));
        let after = |what: &str| {
            let mut lines = shown.lines().skip_while(|line| !line.contains(what));
            lines.nth(1).map(|line| line.trim().to_owned())
        };
        (after("X509v3 CRL Number"), after("X509v3 Delta CRL Indicator"), shown.matches("Serial Number:").count())
    };
    save(dir, "crl.pem", raw(&pki, "crl/pem").await.1);
    let (number, base, entries) = numbers("crl.pem");
    assert!(base.is_none() && entries == 1, "the revocation waits for the next build");
    save(dir, "delta.pem", raw(&pki, "crl/delta/pem").await.1);
    assert_eq!(numbers("delta.pem").2, 0);
    pki.read("crl/rotate-delta").await;
    save(dir, "delta.pem", raw(&pki, "issuer/root/crl/delta/pem").await.1);
    save(dir, "delta.der", raw(&pki, "crl/delta").await.1);
    let shown = pki.read("issuer/root/crl/delta").await.data();
    assert_eq!(
        content(dir, "crl -inform DER -in delta.der").trim(),
        text(&shown, "crl").trim(),
        "one list in every form"
    );
    let (delta, base, entries) = numbers("delta.pem");
    assert_eq!((base, entries), (number.clone(), 1));
    assert!(delta > number);
    save(dir, "ca.pem", text(&new, "issuing_ca"));
    save(dir, "leaf.pem", text(&new, "certificate"));
    save(dir, "both.pem", [raw(&pki, "crl/pem").await.1, b"\n".to_vec(), raw(&pki, "crl/delta/pem").await.1].concat());
    assert!(openssl(dir, "verify -crl_check -CAfile ca.pem -CRLfile crl.pem leaf.pem").0);
    let said = ocsp(&pki, dir, &new, "sha1", true).await;
    assert!(said.contains("leaf.pem: revoked"), "OCSP knows at once: {said}");
    pki.read("crl/rotate").await;
    save(dir, "crl.pem", raw(&pki, "crl/pem").await.1);
    assert!(!openssl(dir, "verify -crl_check -CAfile ca.pem -CRLfile crl.pem leaf.pem").0);
}

#[tokio::test]
async fn many_revocations_at_once_are_all_on_the_list() {
    let pki = ready("ec").await;
    let mut leaves = Vec::new();
    for _ in 0..16 {
        leaves.push(leaf(&pki).await);
    }
    let tasks = leaves.iter().map(|leaf| {
        let (pki, fields) = (pki.clone(), json!({ "serial_number": leaf["serial_number"] }));
        tokio::spawn(async move { pki.write("revoke", fields).await.data() })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), "crl.der", raw(&pki, "crl").await.1);
    let shown = content(directory.path(), "crl -inform DER -in crl.der -noout -text");
    assert_eq!(shown.matches("Serial Number:").count(), 16);
}

#[tokio::test]
async fn who_brings_certificate_or_key_can_revoke_what_is_not_stored() {
    let pki = ready("ec").await;
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "no_store": true })).await;
    let one = leaf(&pki).await;
    assert_eq!(pki.list("certs").await.len(), 1, "only the root is stored");
    assert_eq!(pki.refused("revoke", json!({ "serial_number": one["serial_number"] })).await.0, 400);
    assert_eq!(pki.refused("revoke", json!({})).await.0, 400);
    assert_eq!(pki.refused("revoke", json!({ "serial_number": "zz" })).await.0, 400);
    let both = json!({ "serial_number": one["serial_number"], "certificate": one["certificate"] });
    assert_eq!(pki.refused("revoke", both).await.0, 400);
    let other = leaf(&pki).await;
    let wrong = json!({ "certificate": one["certificate"], "private_key": other["private_key"] });
    assert_eq!(pki.refused("revoke-with-key", wrong).await.0, 400);
    let right = json!({ "certificate": one["certificate"], "private_key": one["private_key"] });
    assert_eq!(data(&pki, "revoke-with-key", right).await["state"], "revoked");
    assert_eq!(data(&pki, "revoke", json!({ "certificate": other["certificate"] })).await["state"], "revoked");
    assert_eq!(pki.list("certs/revoked").await.len(), 2);
    let foreign = leaf(&ready("ec").await).await;
    assert_eq!(pki.refused("revoke", json!({ "certificate": foreign["certificate"] })).await.0, 400);
    let ca = pki.read("cert/ca").await.data();
    assert!(
        pki.refused("revoke", json!({ "certificate": ca["certificate"] }))
            .await
            .1
            .contains("issuer/<issuer_ref>/revoke")
    );
}

#[tokio::test]
async fn a_revoked_authority_issues_nothing_and_is_on_its_parents_list() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = mount();
    let top = root(&pki, "top").await;
    let csr = data(&pki, "intermediate/generate/internal", json!({ "common_name": "int", "key_type": "ec" })).await;
    let signed = data(&pki, "root/sign-intermediate", json!({ "csr": csr["csr"], "ttl": "1000h" })).await;
    let done = data(&pki, "intermediate/set-signed", json!({ "certificate": signed["certificate"] })).await;
    let id = done["imported_issuers"][0].as_str().unwrap().to_owned();
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "issuer_ref": id })).await;
    leaf(&pki).await;
    let revoked = data(&pki, &format!("issuer/{id}/revoke"), json!({})).await;
    assert_eq!((&revoked["revoked"], &revoked["usage"]), (&json!(true), &json!("crl-signing,ocsp-signing,read-only")));
    assert_eq!(pki.refused("issue/r", json!({ "common_name": "a.b" })).await.0, 400);
    assert_eq!(pki.error(Patch, &format!("issuer/{id}"), json!({ "usage": "issuing-certificates" })).await.0, 400);
    save(dir, "ca.pem", text(&top, "certificate"));
    save(dir, "int.pem", text(&signed, "certificate"));
    save(dir, "crl.pem", raw(&pki, "crl/pem").await.1);
    assert!(!openssl(dir, "verify -crl_check -CAfile ca.pem -CRLfile crl.pem int.pem").0);
}

#[tokio::test]
async fn questions_nobody_can_answer_get_the_status_for_that() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let (pki, other) = (ready("ec").await, ready("ec").await);
    let said = {
        let foreign = leaf(&other).await;
        save(dir, "leaf.pem", text(&foreign, "certificate"));
        save(dir, "ca.pem", text(&foreign, "issuing_ca"));
        content(dir, "ocsp -issuer ca.pem -cert leaf.pem -reqout q.der");
        let question = STANDARD.encode(std::fs::read(dir.join("q.der")).unwrap());
        let reply = pki.reply(Update, "ocsp", json!({ "raw_body": question })).await;
        let Outcome::Raw(raw) = reply.outcome else { panic!("not raw") };
        save(dir, "a.der", raw.bytes);
        content(dir, "ocsp -issuer ca.pem -cert leaf.pem -respin a.der -noverify")
    };
    assert!(said.contains("leaf.pem: unknown"), "{said}");
    for (body, status) in [("", 400), ("AAAA", 400)] {
        let reply = pki.reply(Update, "ocsp", json!({ "raw_body": body })).await;
        assert_eq!(reply.status, Some(status));
    }
    data(&pki, "config/crl", json!({ "ocsp_disable": true })).await;
    assert_eq!(pki.reply(Update, "ocsp", json!({ "raw_body": "" })).await.status, Some(401));
    let empty = mount();
    for path in ["ca", "ca/pem", "ca_chain", "crl", "crl/pem", "cert/ca/raw", "cert/1a:2b/raw/pem"] {
        assert_eq!(raw(&empty, path).await, (204, Vec::new()), "{path}");
    }
    assert!(empty.ok(Read, "cert/1a:2b", Value::Null).await.missing().is_none());
    assert_eq!(empty.error(Read, "issuer/none/der", Value::Null).await.0, 404);
}

#[tokio::test]
async fn lists_by_order_are_merged_and_signed() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = ready("ec").await;
    let one = leaf(&pki).await;
    revoke(&pki, &one).await;
    let first = pki.read("cert/crl").await.data();
    let made = data(&pki, "issuer/root/sign-revocation-list", json!({
        "crl_number": 7, "delta_crl_base_number": 3,
        "revoked_certs": [{ "serial_number": "1a:2b", "revocation_time": "2026-01-01T00:00:00Z", "extensions": [{ "id": "2.5.29.21", "value": "CgEB" }] }],
    })).await;
    save(dir, "made.pem", text(&made, "crl"));
    let shown = content(dir, "crl -in made.pem -noout -text");
    assert!(shown.contains("Key Compromise") && shown.contains("Delta CRL Indicator"), "{shown}");
    let merged =
        data(&pki, "issuer/root/resign-crls", json!({ "crl_number": 9, "crls": [first["certificate"], made["crl"]] }))
            .await;
    save(dir, "m.pem", text(&merged, "crl"));
    save(dir, "ca.pem", text(&one, "issuing_ca"));
    let shown = content(dir, "crl -in m.pem -noout -text -CAfile ca.pem");
    assert!(shown.contains("verify OK") && shown.matches("Serial Number:").count() == 2, "{shown}");
    for fields in [
        json!({ "crl_number": -1, "crls": [first["certificate"]] }),
        json!({ "crls": [first["certificate"]] }),
        json!({ "crl_number": 1, "crls": [] }),
        json!({ "crl_number": 1, "crls": ["x"] }),
        json!({ "crl_number": 1, "crls": [first["certificate"]], "next_update": "0s" }),
    ] {
        assert_eq!(pki.refused("issuer/root/resign-crls", fields.clone()).await.0, 400, "{fields}");
    }
    let twice = json!({ "revoked_certs": [{ "serial_number": "1a" }, { "serial_number": "1A" }] });
    assert_eq!(pki.refused("issuer/root/sign-revocation-list", twice).await.0, 400);
}

#[tokio::test]
async fn tidying_keeps_what_is_in_force() {
    let mut pki = ready("ec").await;
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "not_before_duration": 0 })).await;
    let keep = leaf(&pki).await;
    let gone = data(&pki, "issue/r", json!({ "common_name": "a.test", "ttl": "1h" })).await;
    revoke(&pki, &gone).await;
    // Two hours on, with a buffer of half an hour.
    struct Later;
    impl lessor_engine::Clock for Later {
        fn now(&self) -> lessor_engine::Timestamp {
            lessor_engine::Timestamp::now() + std::time::Duration::from_secs(7200)
        }
    }
    let long = data(&pki, "issue/r", json!({ "common_name": "b.test", "ttl": "100h" })).await;
    pki.cx.clock = std::sync::Arc::new(Later);
    let asked = json!({ "tidy_cert_store": true, "tidy_revoked_certs": true, "safety_buffer": "30m" });
    pki.write("tidy", asked).await;
    for _ in 0..100 {
        if pki.read("tidy-status").await.data()["state"] == "Finished" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let status = pki.read("tidy-status").await.data();
    assert_eq!(status["state"], "Finished", "{status}");
    assert_eq!(status["cert_store_deleted_count"], 2);
    let certs = pki.list("certs").await;
    assert!(certs.iter().any(|serial| serial == text(&long, "serial_number")));
    assert!(!certs.iter().any(|serial| serial == text(&keep, "serial_number")));
    assert!(
        matches!(pki.ok(List, "certs/revoked", Value::Null).await, lessor_mountkit::Answer::Keys(keys) if keys.is_empty())
    );
    assert_eq!(pki.refused("tidy", json!({ "safety_buffer": 0 })).await.0, 400);
    assert_eq!(pki.refused("config/auto-tidy", json!({ "enabled": true })).await.0, 400);
    let auto = data(&pki, "config/auto-tidy", json!({ "enabled": true, "tidy_cert_store": true })).await;
    assert_eq!((&auto["interval_duration"], &auto["pause_duration"]), (&json!(43_200), &json!("0s")));
}

/// Whether a certificate that cannot be read is still there when a scheduled run was due.
async fn stays_at_a_scheduled_run(pki: &Alone) -> bool {
    let run = Rotation { subject: "tidy".to_owned(), target: "ca".to_owned(), data: Value::Null };
    pki.cx.view.put("certs/01", &"no certificate").await.unwrap();
    pki.backend.rotating.as_ref().unwrap().commit(&pki.cx, &run).await.unwrap();
    pki.cx.view.version("certs/01").await.unwrap().is_some()
}

#[tokio::test]
async fn tidying_by_hand_puts_the_scheduled_run_off() {
    struct NextDay;
    impl lessor_engine::Clock for NextDay {
        fn now(&self) -> lessor_engine::Timestamp {
            lessor_engine::Timestamp::now() + std::time::Duration::from_secs(86_400)
        }
    }
    let mut pki = mount();
    data(&pki, "config/auto-tidy", json!({ "enabled": true, "tidy_invalid_certs": true })).await;
    assert!(!stays_at_a_scheduled_run(&pki).await, "nothing puts the first run off");
    let next = pki.backend.rotating.as_ref().unwrap().next(&pki.cx, "tidy").await.unwrap().unwrap();
    let wait = next.as_second() - pki.cx.now().as_second();
    assert!((43_190..=43_200).contains(&wait), "{wait}");
    pki.cx.clock = std::sync::Arc::new(NextDay);
    // One that finds nothing to do counts, too.
    pki.write("tidy", json!({})).await;
    assert!(stays_at_a_scheduled_run(&pki).await);
}

#[tokio::test]
async fn stored_certificates_are_listed_with_what_is_in_them() {
    let pki = ready("ec").await;
    let leaf = leaf(&pki).await;
    let serial = text(&leaf, "serial_number");
    let listed = pki.ok(List, "certs/detailed", Value::Null).await.data();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 2, "the authority's own is there too");
    let about = &listed["key_info"][serial];
    let expected = json!({
        "common_name": "a.test", "dns_names": ["a.test"], "issuer": about["issuer"], "key_type": "ec", "key_bits": 256,
        "not_before": about["not_before"], "not_after": about["not_after"],
    });
    assert_eq!(*about, expected);
    assert!(text(about, "issuer").contains("CN=root"), "{about}");
    assert!(text(about, "not_before") < text(about, "not_after"), "{about}");
    let page = pki.ok(List, "certs/detailed", json!({ "limit": 1 })).await.data();
    assert_eq!(page["keys"].as_array().unwrap().len(), 1);
}
