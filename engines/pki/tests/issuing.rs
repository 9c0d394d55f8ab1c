//! What roles let through, and what comes out.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;
use lessor_engine::Operation::{Patch, Update};
use lessor_mountkit::Alone;
use serde_json::{Value, json};
use support::{content, data, mount, root, save, text};

async fn with_root() -> Alone {
    let pki = mount();
    root(&pki, "root").await;
    pki
}

async fn allowed(pki: &Alone, fields: Value) -> bool {
    pki.ask(Update, "issue/r", fields).await.unwrap().is_ok()
}

#[tokio::test]
async fn names_are_allowed_as_the_role_says() {
    let pki = with_root().await;
    let cases: &[(Value, &[&str], &[&str])] = &[
        (json!({}), &["localhost"], &["example.com", "a.localhost", "*.example.com"]),
        (
            json!({ "allowed_domains": "example.com", "allow_bare_domains": true, "allow_localhost": false }),
            &["example.com", "EXAMPLE.com"],
            &["a.example.com", "localhost", "notexample.com", "*.example.com", "example.com.evil.org"],
        ),
        (
            json!({ "allowed_domains": "example.com", "allow_subdomains": true }),
            &[
                "a.example.com",
                "a.b.example.com",
                "*.example.com",
                "*.a.example.com",
                "b*z.example.com",
                "a.EXAMPLE.com",
                "a@b.example.com",
            ],
            &[
                "example.com",
                "aexample.com",
                "*.*.example.com",
                "a.*.example.com",
                "*",
                "a.example.com.evil.org",
                "a_b c.example.com",
            ],
        ),
        (
            json!({ "allowed_domains": "example.com", "allow_subdomains": true, "allow_wildcard_certificates": false }),
            &["a.example.com"],
            &["*.example.com", "b*z.example.com"],
        ),
        (
            json!({ "allowed_domains": "ftp*.example.com,*.corp.*", "allow_glob_domains": true }),
            &["ftp1.example.com", "ftp.x.example.com", "a.corp.b"],
            &["ft.example.com", "corp.b"],
        ),
        (json!({ "allow_any_name": true }), &["whatever.test", "*.whatever.test"], &["not a host", "-a.b", "a..b"]),
        (json!({ "allow_any_name": true, "enforce_hostnames": false }), &["not a host"], &[]),
        (
            json!({ "allowed_domains": "example.com", "allow_bare_domains": true }),
            &["me@example.com"],
            &["me@a.example.com", "me@@example.com"],
        ),
    ];
    for (role, fine, refused) in cases {
        let mut fields = role.clone();
        fields["key_type"] = json!("ec");
        data(&pki, "roles/r", fields).await;
        for name in *fine {
            assert!(allowed(&pki, json!({ "common_name": name })).await, "{role} has to let {name} through");
        }
        for name in *refused {
            assert!(!allowed(&pki, json!({ "common_name": name })).await, "{role} must not let {name} through");
            let sans = json!({ "common_name": "localhost", "alt_names": name });
            if role == &json!({}) {
                assert!(!allowed(&pki, sans).await, "{role} must not let {name} through as alternative name");
            }
        }
    }
}

#[tokio::test]
async fn other_names_need_their_own_permission() {
    let pki = with_root().await;
    let base = json!({ "allow_any_name": true, "key_type": "ec" });
    for (field, value, fields) in [
        ("allow_ip_sans", json!(true), json!({ "ip_sans": "10.0.0.1" })),
        ("allowed_uri_sans", json!("spiffe://*"), json!({ "uri_sans": "spiffe://a/b" })),
        (
            "allowed_other_sans",
            json!("1.3.6.1.4.1.311.20.2.3;UTF8:*@example.com"),
            json!({ "other_sans": "1.3.6.1.4.1.311.20.2.3;UTF8:a@example.com" }),
        ),
        ("allowed_serial_numbers", json!("s*"), json!({ "serial_number": "s1" })),
        ("allowed_user_ids", json!("u*"), json!({ "user_ids": "u1" })),
    ] {
        let mut asked = fields.clone();
        asked["common_name"] = json!("a.test");
        let mut without = base.clone();
        without["allow_ip_sans"] = json!(false);
        data(&pki, "roles/r", without.clone()).await;
        assert!(!allowed(&pki, asked.clone()).await, "{fields}");
        without[field] = value;
        data(&pki, "roles/r", without).await;
        assert!(allowed(&pki, asked.clone()).await, "{fields}");
    }
    let networks = json!({ "allow_any_name": true, "key_type": "ec", "allowed_ip_sans_cidr": "10.0.0.0/8" });
    data(&pki, "roles/r", networks).await;
    assert!(allowed(&pki, json!({ "common_name": "a.b", "ip_sans": "10.2.3.4" })).await);
    assert!(!allowed(&pki, json!({ "common_name": "a.b", "ip_sans": "11.2.3.4" })).await);
}

#[tokio::test]
async fn no_end_escapes_the_caps() {
    let pki = with_root().await;
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec", "max_ttl": "1h" })).await;
    let (status, why) =
        pki.refused("issue/r", json!({ "common_name": "a.b", "not_after": "2060-01-01T00:00:00Z" })).await;
    assert!(status == 400 && why.contains("latest end"), "{why}");
    let (status, _) =
        pki.refused("issue/r", json!({ "common_name": "a.b", "ttl": "5m", "not_after": "2060-01-01T00:00:00Z" })).await;
    assert_eq!(status, 400);
    let reply = pki.reply(Update, "issue/r", json!({ "common_name": "a.b", "ttl": "100h" })).await;
    assert!(reply.warnings[0].contains("longer than permitted maxTTL"), "{:?}", reply.warnings);
    let now = lessor_engine::Timestamp::now().as_second();
    let leaf = data(&pki, "issue/r", json!({ "common_name": "a.b", "ttl": "100h" })).await;
    assert!((leaf["expiration"].as_i64().unwrap() - now - 3600).abs() < 5);
    // The issuer's own end.
    let short = json!({ "allow_any_name": true, "key_type": "ec", "max_ttl": "175000h", "ttl": "100000h" });
    data(&pki, "roles/long", short).await;
    let (_, why) = pki.refused("issue/long", json!({ "common_name": "a.b" })).await;
    assert!(why.contains("beyond the expiration of the CA"), "{why}");
    pki.ok(Patch, "issuer/root", json!({ "leaf_not_after_behavior": "truncate" })).await;
    let leaf = data(&pki, "issue/long", json!({ "common_name": "a.b" })).await;
    assert!(leaf["expiration"].as_i64().unwrap() <= now + 87_600 * 3600);
    for (bound, ttl, fine) in
        [("forbid", "1h", false), ("ttl-limited", "1h", false), ("2100-01-01T00:00:00Z", "1h", true)]
    {
        let role = json!({ "allow_any_name": true, "key_type": "ec", "not_after_bound": bound, "ttl": ttl });
        data(&pki, "roles/r", role).await;
        let end = (lessor_engine::Timestamp::now() + std::time::Duration::from_secs(7200)).to_string();
        let end = format!("{}Z", end.split('.').next().unwrap());
        assert_eq!(allowed(&pki, json!({ "common_name": "a.b", "not_after": end })).await, fine, "{bound}");
    }
}

#[tokio::test]
async fn a_csr_gives_what_the_role_takes_from_it() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = with_root().await;
    content(
        dir,
        "req -new -newkey rsa:2048 -nodes -keyout k.pem -subj /CN=from.csr.test/O=Ignored -addext subjectAltName=DNS:san.csr.test -out r.pem",
    );
    let csr = std::fs::read_to_string(dir.join("r.pem")).unwrap();
    let subject_of = |leaf: &Value| {
        save(dir, "l.pem", text(leaf, "certificate"));
        content(dir, "x509 -in l.pem -noout -subject -ext subjectAltName,basicConstraints -nameopt RFC2253")
    };
    data(&pki, "roles/r", json!({ "allow_any_name": true, "organization": "Role" })).await;
    let shown = subject_of(&data(&pki, "sign/r", json!({ "csr": csr, "common_name": "other.test" })).await);
    assert!(shown.contains("CN=from.csr.test,O=Role") && shown.contains("DNS:san.csr.test"), "{shown}");
    let role = json!({ "allow_any_name": true, "use_csr_common_name": false, "use_csr_sans": false });
    data(&pki, "roles/r", role).await;
    let shown = subject_of(&data(&pki, "sign/r", json!({ "csr": csr, "common_name": "other.test" })).await);
    assert!(
        shown.contains("CN=other.test") && shown.contains("DNS:other.test") && !shown.contains("csr.test"),
        "{shown}"
    );
    let shown = subject_of(&data(&pki, "sign-verbatim", json!({ "csr": csr, "ttl": "1h" })).await);
    assert!(shown.contains("O=Ignored,CN=from.csr.test") && shown.contains("DNS:san.csr.test"), "{shown}");
    // The key has to be of the role's kind.
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_type": "ec" })).await;
    let (_, why) = pki.refused("sign/r", json!({ "csr": csr })).await;
    assert_eq!(why, "role requires keys of type ec");
    data(&pki, "roles/r", json!({ "allow_any_name": true, "key_bits": 4096 })).await;
    assert!(pki.refused("sign/r", json!({ "csr": csr })).await.1.contains("4096"));
    assert_eq!(pki.refused("sign/r", json!({})).await.1, "\"csr\" is empty");
    assert_eq!(pki.refused("sign/none", json!({ "csr": csr })).await.1, "unknown role: none");
    let (_, why) = pki.refused("issue/r", json!({ "csr": csr })).await;
    assert!(why.contains("sign/"), "{why}");
    // A request that somebody changed.
    let mut der = content(dir, "req -in r.pem -outform PEM");
    let at = der.len() / 2;
    let other = if der.as_bytes()[at] == b'A' { "B" } else { "A" };
    der.replace_range(at..=at, other);
    assert_eq!(pki.refused("sign-verbatim", json!({ "csr": der })).await.0, 400);
    // An authority is never made by sign-verbatim.
    content(dir, "req -new -key k.pem -subj /CN=ca -addext basicConstraints=critical,CA:TRUE -out ca.pem");
    let csr = std::fs::read_to_string(dir.join("ca.pem")).unwrap();
    let shown = subject_of(&data(&pki, "sign-verbatim", json!({ "csr": csr, "ttl": "1h" })).await);
    assert!(!shown.contains("CA:TRUE"), "{shown}");
}

#[tokio::test]
async fn certificates_hold_what_the_role_asks_for() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path();
    let pki = with_root().await;
    data(&pki, "config/cluster", json!({ "path": "https://l.test/v1/pki", "aia_path": "http://aia.test/pki" })).await;
    let urls = json!({
        "enable_templating": true,
        "issuing_certificates": "{{cluster_aia_path}}/issuer/{{issuer_id}}/der",
        "crl_distribution_points": "{{cluster_aia_path}}/issuer/{{issuer_id}}/crl/der",
        "ocsp_servers": "{{cluster_path}}/ocsp",
        "delta_crl_distribution_points": "http://aia.test/delta",
    });
    data(&pki, "config/urls", urls).await;
    let role = json!({
        "allow_any_name": true, "key_type": "ec", "key_usage": "DigitalSignature", "ext_key_usage": "TimeStamping",
        "ext_key_usage_oids": "1.2.3.4", "client_flag": false, "basic_constraints_valid_for_non_ca": true,
        "policy_identifiers": [{ "oid": "1.3.6.1.4.1.7.8", "notice": "read me", "cps": "https://cps.test" }, "1.2.3"],
        "ou": "a,b", "street_address": "Main St.", "postal_code": "1234", "not_before_duration": "10s", "require_cn": false,
    });
    data(&pki, "roles/r", role).await;
    let leaf = data(&pki, "issue/r", json!({ "alt_names": "a.test,*.b.test", "ttl": "1h" })).await;
    save(dir, "l.pem", text(&leaf, "certificate"));
    let shown = content(dir, "x509 -in l.pem -noout -text");
    let id = pki.read("config/issuers").await.data();
    let id = text(&id, "default");
    for wanted in [
        "Digital Signature\n",
        "TLS Web Server Authentication, Time Stamping, 1.2.3.4",
        "CA:FALSE",
        "Policy: 1.3.6.1.4.1.7.8",
        "CPS: https://cps.test",
        "Explicit Text: read me",
        "Policy: 1.2.3",
        "OCSP - URI:https://l.test/v1/pki/ocsp",
        &format!("CA Issuers - URI:http://aia.test/pki/issuer/{id}/der"),
        &format!("URI:http://aia.test/pki/issuer/{id}/crl/der"),
        "Freshest CRL",
        "DNS:a.test, DNS:*.b.test",
        "street = Main St.",
        "OU = a + OU = b",
    ] {
        assert!(shown.contains(wanted), "{wanted:?} is not in {shown}");
    }
    assert!(!shown.contains("Client Authentication"), "{shown}");
    for format in ["der", "pem_bundle"] {
        let leaf = data(&pki, "issue/r", json!({ "alt_names": "a.test", "format": format })).await;
        if format == "pem_bundle" {
            assert_eq!(text(&leaf, "certificate").matches("BEGIN").count(), 3);
        } else {
            assert!(!text(&leaf, "certificate").contains("BEGIN"));
        }
    }
}

#[tokio::test]
async fn a_role_is_checked_when_it_is_written_and_patched_in_part() {
    let pki = with_root().await;
    for fields in [
        json!({ "ttl": "2h", "max_ttl": "1h" }),
        json!({ "key_type": "dsa" }),
        json!({ "key_bits": 1024 }),
        json!({ "key_type": "ec", "key_bits": 224 }),
        json!({ "signature_bits": 100 }),
        json!({ "key_usage": "Flying" }),
        json!({ "ext_key_usage": "Flying" }),
        json!({ "ext_key_usage_oids": "a.b" }),
        json!({ "policy_identifiers": "x" }),
        json!({ "cn_validations": "disabled,email" }),
        json!({ "cn_validations": "soon" }),
        json!({ "allowed_other_sans": "x" }),
        json!({ "allowed_ip_sans_cidr": "10.0.0.0" }),
        json!({ "not_after": "soon" }),
        json!({ "not_after_bound": "soon" }),
        json!({ "not_before_bound": "soon" }),
        json!({ "serial_number_source": "soon" }),
    ] {
        let (status, why) = pki.refused("roles/r", fields.clone()).await;
        assert_eq!(status, 400, "{fields}: {why}");
    }
    let made = data(
        &pki,
        "roles/r",
        json!({ "allowed_domains": "a,b", "ttl": "1h", "no_store": true, "generate_lease": true }),
    )
    .await;
    assert_eq!((&made["generate_lease"], &made["key_bits"], &made["ttl"]), (&json!(false), &json!(2048), &json!(3600)));
    let patched = pki.ok(Patch, "roles/r", json!({ "key_type": "ec", "key_bits": 0 })).await.data();
    assert_eq!(
        (&patched["key_bits"], &patched["allowed_domains"], &patched["ttl"]),
        (&json!(256), &json!(["a", "b"]), &json!(3600))
    );
    assert_eq!(pki.read("roles/r").await.data(), patched);
    assert_eq!(pki.error(Patch, "roles/none", json!({})).await.0, 404);
    data(&pki, "roles/any", json!({ "key_type": "any", "allow_any_name": true })).await;
    assert!(pki.refused("issue/any", json!({ "common_name": "a.b" })).await.1.contains("any"));
    assert_eq!(
        data(&pki, "issue/any", json!({ "common_name": "a.b", "key_type": "ed25519" })).await["private_key_type"],
        "ed25519"
    );
}
