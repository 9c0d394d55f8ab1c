//! Authorities of every kind of key, below each other, as openssl sees them.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use lessor_engine::Operation::{Delete, List, Patch};
use serde_json::{Value, json};
use support::{content, data, mount, openssl, root, save, text};

#[tokio::test]
async fn every_kind_of_key_makes_a_chain_that_openssl_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    for (kind, bits, pss) in [
        ("rsa", 2048, false),
        ("rsa", 2048, true),
        ("ec", 256, false),
        ("ec", 384, false),
        ("ec", 521, false),
        ("ed25519", 0, false),
    ] {
        let (top, pki) = (mount(), mount());
        let fields = json!({
            "common_name": "Root", "key_type": kind, "key_bits": bits, "use_pss": pss, "ttl": "87600h",
            "organization": "Lessor", "country": "CH", "max_path_length": 2,
        });
        let made = data(&top, "root/generate/internal", fields).await;
        save(dir, "root.pem", text(&made, "certificate"));
        let fields = json!({ "common_name": "Issuing", "key_type": kind, "key_bits": bits, "use_pss": pss });
        let asked = data(&pki, "intermediate/generate/internal", fields).await;
        let fields = json!({ "csr": asked["csr"], "ttl": "43800h", "format": "pem_bundle", "use_pss": pss });
        let signed = data(&top, "root/sign-intermediate", fields).await;
        let imported = data(&pki, "intermediate/set-signed", json!({ "certificate": signed["certificate"] })).await;
        assert_eq!(imported["imported_issuers"].as_array().unwrap().len(), 2);
        let role = json!({ "allow_any_name": true, "key_type": kind, "key_bits": bits, "use_pss": pss, "ttl": "1h" });
        data(&pki, "roles/r", role).await;
        let leaf = data(
            &pki,
            "issue/r",
            json!({ "common_name": "a.example.com", "alt_names": "b.example.com", "ip_sans": "127.0.0.1" }),
        )
        .await;
        let chain: Vec<&str> = leaf["ca_chain"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap()).collect();
        assert_eq!(chain.len(), 2, "{kind}");
        save(dir, "leaf.pem", text(&leaf, "certificate"));
        save(dir, "key.pem", text(&leaf, "private_key"));
        save(dir, "int.pem", chain[0]);
        content(
            dir,
            "verify -x509_strict -CAfile root.pem -untrusted int.pem -purpose sslserver -verify_hostname b.example.com leaf.pem",
        );
        content(dir, "verify -x509_strict -CAfile root.pem -untrusted int.pem -verify_ip 127.0.0.1 leaf.pem");
        let public = content(dir, "x509 -in leaf.pem -noout -pubkey");
        assert_eq!(public, content(dir, "pkey -in key.pem -pubout"), "{kind} {bits}");
        let shown = content(dir, "x509 -in leaf.pem -noout -text");
        assert!(shown.contains("Digital Signature, Key Encipherment, Key Agreement"), "{shown}");
        assert!(shown.contains("TLS Web Server Authentication, TLS Web Client Authentication"), "{shown}");
        let above = content(dir, "x509 -in int.pem -noout -text");
        assert!(above.contains("CA:TRUE, pathlen:1"), "{above}");
    }
}

#[tokio::test]
async fn exported_keys_are_the_certificates_keys_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    for kind in ["rsa", "ec", "ed25519"] {
        for (format, label) in [("der", ""), ("pkcs8", "BEGIN PRIVATE KEY")] {
            let pki = mount();
            let fields = json!({ "common_name": "R", "key_type": kind, "private_key_format": format, "ttl": "1h" });
            let made = data(&pki, "root/generate/exported", fields).await;
            let key = text(&made, "private_key");
            assert!(key.contains(label), "{key}");
            save(dir, "ca.pem", text(&made, "certificate"));
            save(dir, "key.pem", key);
            assert_eq!(content(dir, "x509 -in ca.pem -noout -pubkey"), content(dir, "pkey -in key.pem -pubout"));
        }
    }
}

#[tokio::test]
async fn keys_made_by_openssl_are_imported_in_every_form() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    for generate in [
        "genrsa -traditional -out k.pem 2048",
        "genpkey -algorithm RSA -out k.pem",
        "ecparam -name prime256v1 -genkey -out k.pem",
        "ecparam -name secp384r1 -genkey -noout -out k.pem",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out k.pem",
        "genpkey -algorithm ed25519 -out k.pem",
    ] {
        content(dir, generate);
        content(dir, "req -x509 -new -key k.pem -subj /CN=Elsewhere -days 30 -out c.pem");
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        let bundle = format!("{}{}", read("c.pem"), read("k.pem"));
        let pki = mount();
        let done = data(&pki, "config/ca", json!({ "pem_bundle": bundle })).await;
        let issuer = done["imported_issuers"][0].as_str().unwrap().to_owned();
        assert_eq!(done["mapping"][&issuer], done["imported_keys"][0], "{generate}");
        let again = data(&pki, "issuers/import/bundle", json!({ "pem_bundle": bundle })).await;
        assert_eq!(again["existing_issuers"][0], json!(issuer));
        assert_eq!((&again["imported_issuers"], &again["imported_keys"]), (&Value::Null, &Value::Null));
        assert_eq!(pki.read("config/issuers").await.data()["default"], json!(issuer));
        data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "ttl": "1h" })).await;
        let leaf = data(&pki, "issue/r", json!({ "common_name": "x.example.com" })).await;
        save(dir, "leaf.pem", text(&leaf, "certificate"));
        content(dir, "verify -CAfile c.pem leaf.pem");
    }
}

#[tokio::test]
async fn cross_signed_authorities_are_in_the_chain_and_loops_end() {
    let pki = mount();
    root(&pki, "old").await;
    let fields = json!({ "common_name": "new", "key_type": "ec", "ttl": "87600h" });
    let new = data(&pki, "root/rotate/internal", fields).await;
    assert_eq!(new["issuer_name"], "next");
    for (key_of, by) in [("next", "old"), ("old", "next")] {
        let issuer = pki.read(&format!("issuer/{key_of}")).await.data();
        let key = pki.read(&format!("key/{}", text(&issuer, "key_id"))).await.data();
        let fields =
            json!({ "common_name": if key_of == "next" { "new" } else { "old" }, "key_ref": issuer["key_id"] });
        let csr = data(&pki, "intermediate/cross-sign", fields).await;
        let fields =
            json!({ "csr": csr["csr"], "use_csr_values": true, "skid": key["subject_key_id"], "ttl": "1000h" });
        let signed = data(&pki, &format!("issuer/{by}/sign-intermediate"), fields).await;
        data(&pki, "issuers/import/cert", json!({ "pem_bundle": signed["certificate"] })).await;
    }
    let ids = pki.ok(List, "issuers", Value::Null).await.data();
    assert_eq!(ids["keys"].as_array().unwrap().len(), 4);
    for id in ids["keys"].as_array().unwrap() {
        let shown = pki.read(&format!("issuer/{}", id.as_str().unwrap())).await.data();
        let chain = shown["ca_chain"].as_array().unwrap();
        assert!(chain[0] == shown["certificate"] && chain.len() <= 4, "{chain:?}");
    }
    // Issuers with one subject and key share their list.
    data(&pki, "root/replace", json!({})).await;
    assert_eq!(pki.read("config/issuers").await.data()["default"], new["issuer_id"]);
}

#[tokio::test]
async fn a_self_issued_authority_is_signed_anew_with_all_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let (pki, other) = (mount(), mount());
    let by = root(&pki, "by").await;
    let own = root(&other, "own").await;
    let signed = data(&pki, "root/sign-self-issued", json!({ "certificate": own["certificate"] })).await;
    save(dir, "by.pem", text(&by, "certificate"));
    save(dir, "own.pem", text(&signed, "certificate"));
    content(dir, "verify -CAfile by.pem own.pem");
    let leaf = {
        data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec" })).await;
        data(&pki, "issue/r", json!({ "common_name": "a.b" })).await
    };
    let refused = pki.refused("root/sign-self-issued", json!({ "certificate": leaf["certificate"] })).await;
    assert_eq!(refused, (400, "given certificate is not a CA certificate".to_owned()));
}

#[tokio::test]
async fn usages_and_constraints_of_a_request_are_kept_where_its_values_are_used() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = mount();
    root(&pki, "root").await;
    content(
        dir,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out csr -subj /CN=Below \
         -addext keyUsage=digitalSignature,keyEncipherment -addext extendedKeyUsage=serverAuth \
         -addext nameConstraints=critical,permitted;DNS:example.com",
    );
    let csr = std::fs::read_to_string(dir.join("csr")).unwrap();
    for (fields, usage, domain) in [
        (
            json!({ "use_csr_values": true }),
            "Digital Signature, Key Encipherment, Certificate Sign, CRL Sign",
            Some("DNS:example.com"),
        ),
        // The caller's word counts before that of the request.
        (
            json!({ "use_csr_values": true, "permitted_dns_domains": "example.org" }),
            "Digital Signature, Key Encipherment, Certificate Sign, CRL Sign",
            Some("DNS:example.org"),
        ),
        (json!({ "common_name": "Below" }), "Certificate Sign, CRL Sign", None),
    ] {
        let mut asked = fields.clone();
        asked["csr"] = json!(csr);
        let signed = data(&pki, "root/sign-intermediate", asked).await;
        save(dir, "signed", text(&signed, "certificate"));
        let shown = content(dir, "x509 -in signed -noout -text");
        assert!(shown.lines().any(|line| line.trim() == usage), "{fields}: {shown}");
        assert_eq!(shown.contains("TLS Web Server Authentication"), domain.is_some(), "{fields}: {shown}");
        let found: Vec<&str> = shown.lines().map(str::trim).filter(|line| line.starts_with("DNS:example")).collect();
        assert_eq!(found, domain.into_iter().collect::<Vec<_>>(), "{fields}: {shown}");
    }
}

#[tokio::test]
async fn name_constraints_and_path_lengths_bind_what_is_below() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = mount();
    let fields = json!({
        "common_name": "bound", "key_type": "ec", "ttl": "100h", "max_path_length": 0,
        "permitted_dns_domains": "example.com", "excluded_ip_ranges": "10.0.0.0/8",
    });
    let reply = pki.reply(lessor_engine::Operation::Update, "root/generate/internal", fields).await;
    assert!(reply.warnings.iter().any(|text| text.starts_with("Max path length")), "{:?}", reply.warnings);
    save(dir, "ca.pem", pki.read("issuer/default").await.data()["certificate"].as_str().unwrap());
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "ttl": "1h" })).await;
    for (fields, fine) in [
        (json!({ "common_name": "a.example.com" }), true),
        (json!({ "common_name": "a.example.org" }), false),
        (json!({ "common_name": "a.example.com", "ip_sans": "10.1.1.1" }), false),
    ] {
        let leaf = data(&pki, "issue/r", fields.clone()).await;
        save(dir, "leaf.pem", text(&leaf, "certificate"));
        assert_eq!(openssl(dir, "verify -CAfile ca.pem leaf.pem").0, fine, "{fields}");
    }
    let csr = data(&mount(), "intermediate/generate/internal", json!({ "common_name": "i", "key_type": "ec" })).await;
    let (status, why) = pki.refused("root/sign-intermediate", json!({ "csr": csr["csr"] })).await;
    assert!(status == 400 && why.contains("path length of zero"), "{why}");
}

#[tokio::test]
async fn references_that_lead_nowhere_and_wrong_input_change_nothing() {
    let pki = mount();
    for (path, fields, status) in [
        ("root/generate/nonsense", json!({ "common_name": "x" }), 400),
        ("root/generate/kms", json!({ "common_name": "x" }), 400),
        ("root/generate/existing", json!({ "common_name": "x" }), 404),
        ("root/generate/internal", json!({ "common_name": "x", "key_type": "dsa" }), 400),
        ("root/generate/internal", json!({ "common_name": "x", "key_bits": 1024 }), 400),
        ("root/generate/internal", json!({ "common_name": "x", "issuer_name": "default" }), 400),
        ("root/generate/internal", json!({ "common_name": "x", "format": "docx" }), 400),
        ("root/generate/internal", json!({ "common_name": "x", "not_after": "tomorrow" }), 400),
        ("root/generate/internal", json!({ "common_name": "x", "max_path_length": 300 }), 400),
        ("root/generate/internal", json!({ "common_name": "x", "permitted_ip_ranges": "10.0.0.1" }), 404),
        ("config/ca", json!({ "pem_bundle": "/etc/ca.pem" }), 400),
        ("config/ca", json!({ "pem_bundle": "" }), 400),
        ("intermediate/set-signed", json!({ "certificate": "x".repeat(100) }), 400),
        ("issuer/none", json!({ "issuer_name": "y" }), 404),
        ("key/none", json!({ "key_name": "y" }), 404),
        ("config/issuers", json!({ "default": "none" }), 400),
        ("config/keys", json!({ "default": "none" }), 400),
        ("config/urls", json!({ "ocsp_servers": "not a url" }), 400),
        ("config/cluster", json!({ "path": "not a url" }), 400),
        ("config/crl", json!({ "expiry": "soon" }), 400),
        ("config/crl", json!({ "enable_delta": true }), 400),
        ("config/crl", json!({ "auto_rebuild": true, "auto_rebuild_grace_period": "72h" }), 400),
    ] {
        let (got, why) = pki.refused(path, fields.clone()).await;
        let status = if path == "root/generate/internal" { 400 } else { status };
        assert_eq!(got, status, "{path} {fields}: {why}");
    }
    assert!(pki.ok(List, "issuers", Value::Null).await.missing().is_none());
    assert!(pki.ok(List, "keys", Value::Null).await.missing().is_none());
}

#[tokio::test]
async fn an_issuer_keeps_on_patch_what_it_loses_on_post() {
    let pki = mount();
    root(&pki, "r").await;
    let urls =
        json!({ "issuer_name": "r", "leaf_not_after_behavior": "truncate", "ocsp_servers": "http://o.example/" });
    data(&pki, "issuer/r", urls).await;
    let patched = pki.ok(Patch, "issuer/r", json!({ "usage": "issuing-certificates" })).await.data();
    assert_eq!(patched["usage"], "issuing-certificates,read-only");
    assert_eq!(patched["leaf_not_after_behavior"], "truncate");
    assert_eq!(patched["ocsp_servers"], json!(["http://o.example/"]));
    let posted = data(&pki, "issuer/default", json!({ "issuer_name": "s" })).await;
    assert_eq!(posted["leaf_not_after_behavior"], "err");
    assert_eq!(posted["ocsp_servers"], json!([]));
    assert_eq!(posted["usage"], "crl-signing,issuing-certificates,ocsp-signing,read-only");
    let (_, why) = pki.error(Patch, "issuer/s", json!({ "usage": "everything" })).await;
    assert!(why.contains("everything"), "{why}");
    let key = text(&posted, "key_id").to_owned();
    let (status, _) = pki.error(Delete, &format!("key/{key}"), Value::Null).await;
    assert_eq!(status, 400);
    pki.ok(Delete, "issuer/s", Value::Null).await;
    pki.ok(Delete, "issuer/s", Value::Null).await;
    pki.delete(&format!("key/{key}")).await;
    assert!(pki.ok(List, "keys", Value::Null).await.missing().is_none());
}

#[tokio::test]
async fn a_path_that_names_an_issuer_is_signed_by_it_whatever_the_default_and_the_role_say() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = mount();
    root(&pki, "first").await;
    let second = root(&pki, "second").await;
    save(dir, "second.pem", text(&second, "certificate"));
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "issuer_ref": "first" })).await;
    content(dir, "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out csr -subj /CN=a.test");
    let csr = std::fs::read_to_string(dir.join("csr")).unwrap();
    let elsewhere = root(&mount(), "elsewhere").await;
    for (path, fields) in [
        ("issue/r", json!({ "common_name": "a.test" })),
        ("sign/r", json!({ "csr": csr })),
        ("sign-verbatim", json!({ "csr": csr })),
        ("sign-verbatim/r", json!({ "csr": csr })),
        ("sign-intermediate", json!({ "csr": csr })),
        ("sign-self-issued", json!({ "certificate": elsewhere["certificate"] })),
    ] {
        let signed = data(&pki, &format!("issuer/second/{path}"), fields).await;
        assert_eq!(signed["issuing_ca"], second["certificate"], "{path}");
        save(dir, "signed.pem", text(&signed, "certificate"));
        content(dir, "verify -CAfile second.pem signed.pem");
    }
}

#[tokio::test]
async fn both_spellings_of_making_an_authority_do_the_same() {
    let pki = mount();
    let keys = |made: &Value| made.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (old, new) in
        [("root/generate", "issuers/generate/root"), ("intermediate/generate", "issuers/generate/intermediate")]
    {
        for kind in ["internal", "exported"] {
            let fields = json!({ "common_name": "a", "key_type": "ec" });
            let by_old = data(&pki, &format!("{old}/{kind}"), fields.clone()).await;
            let by_new = data(&pki, &format!("{new}/{kind}"), fields).await;
            assert_eq!(keys(&by_old), keys(&by_new), "{old} {kind}");
            assert_eq!(by_new.get("private_key").is_some(), kind == "exported");
        }
    }
    for (list, count) in [("issuers", 4), ("keys", 8)] {
        let found = pki.ok(List, list, Value::Null).await.data();
        assert_eq!(found["keys"].as_array().unwrap().len(), count, "{list}");
    }
}
