//! Certificates through the paths.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_engine::{Identified, Operation};
use lessor_engine_ssh::SshFactory;
use lessor_mountkit::{Alone, Counting};
use lessor_storage::MemoryStorage;
use serde_json::{Value, json};
use ssh_key::Certificate;
use ssh_key::certificate::CertType;
use std::sync::Arc;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICqMsfQTIYVnBcYwM2Ux5GnIvt5HzM5pSdYQuhWqAKmL me@laptop";

fn mount() -> Alone {
    Alone::new(&SshFactory, "ssh/", &[], Arc::new(MemoryStorage::new()))
}

async fn with_ca(role: Value) -> Alone {
    let ssh = mount();
    ssh.write("config/ca", json!({ "key_type": "ed25519" })).await;
    ssh.write("roles/r", role).await;
    ssh
}

async fn sign(ssh: &Alone, mut fields: Value) -> Certificate {
    fields["public_key"] = json!(KEY);
    let answer = ssh.write("sign/r", fields).await.data();
    let line = answer["signed_key"].as_str().unwrap();
    assert!(line.ends_with('\n'));
    let certificate = Certificate::from_openssh(line.trim()).unwrap();
    assert_eq!(answer["serial_number"], format!("{:x}", certificate.serial()));
    certificate
}

async fn refused(ssh: &Alone, mut fields: Value) -> String {
    fields["public_key"] = json!(KEY);
    let (status, text) = ssh.refused("sign/r", fields).await;
    assert_eq!(status, 400, "{text}");
    text
}

fn user_role(more: &Value) -> Value {
    let mut role = json!({ "key_type": "ca", "allow_user_certificates": true, "allowed_users": "ann,bob" });
    role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    role
}

#[tokio::test(start_paused = true)]
async fn a_certificate_says_what_was_asked_for_and_what_the_role_adds() {
    let options = json!({ "permit-pty": "", "login@example.com": "ann" });
    let ssh = with_ca(user_role(&json!({ "default_extensions": options, "ttl": "30m", "default_user": "bob" }))).await;
    let signed =
        sign(&ssh, json!({ "valid_principals": "ann", "critical_options": { "force-command": "date" } })).await;
    assert_eq!(signed.cert_type(), CertType::User);
    assert_eq!(signed.valid_principals(), ["ann"]);
    assert_eq!(signed.extensions().get("permit-pty").map(String::as_str), Some(""));
    assert_eq!(signed.extensions().get("login@example.com").map(String::as_str), Some("ann"));
    assert_eq!(signed.critical_options().get("force-command").map(String::as_str), Some("date"));
    assert_eq!(signed.valid_before() - signed.valid_after(), 1830);
    assert!(signed.key_id().starts_with("vault-"));
    assert_eq!(sign(&ssh, json!({})).await.valid_principals(), ["bob"], "nobody asked for stands for the default");
}

#[tokio::test(start_paused = true)]
async fn what_the_role_does_not_allow_is_refused_by_name() {
    let ssh = with_ca(user_role(&json!({ "allowed_extensions": "permit-pty", "max_ttl": "1h" }))).await;
    for (fields, text) in [
        (json!({ "valid_principals": "root" }), "root is not a valid value for valid_principals"),
        (json!({ "valid_principals": "" }), "allow_empty_principals of the role"),
        (json!({ "valid_principals": "ann,*" }), "* is not a valid value"),
        (json!({ "valid_principals": "ann\u{0}root" }), "not"),
        (json!({ "valid_principals": "ann", "ttl": "2h" }), "ttl is larger than maximum allowed 3600"),
        (json!({ "valid_principals": "ann", "cert_type": "host" }), "cert_type 'host' is not allowed by role"),
        (json!({ "valid_principals": "ann", "cert_type": "x" }), "cert_type must be either"),
        (json!({ "valid_principals": "ann", "key_id": "k" }), "setting key_id is not allowed by role"),
        (json!({ "valid_principals": "ann", "extensions": { "permit-x11-forwarding": "" } }), "not on allowed list"),
    ] {
        let told = refused(&ssh, fields).await;
        assert!(told.contains(text), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_are_named_below_their_domain_and_nowhere_else() {
    let role = json!({ "key_type": "ca", "allow_host_certificates": true, "allowed_domains": "example.com", "allow_subdomains": true });
    let ssh = with_ca(role).await;
    let ask = |name: &str| json!({ "cert_type": "host", "valid_principals": name });
    assert_eq!(sign(&ssh, ask("a.example.com")).await.cert_type(), CertType::Host);
    for bad in ["example.com", ".example.com", "evilexample.com", "a.example.com.evil", "example.org"] {
        assert!(refused(&ssh, ask(bad)).await.contains("is not a valid value"), "{bad}");
    }
}

#[derive(Debug)]
struct Ann;

impl Identified for Ann {
    fn value(&self, variable: &str) -> Option<String> {
        match variable {
            "identity.entity.name" => Some("ann".to_owned()),
            "identity.entity.metadata.unix" => Some("ann,root".to_owned()),
            _ => None,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn templates_name_the_caller_and_nobody_beside_them() {
    let role = json!({
        "key_type": "ca", "allow_user_certificates": true, "allowed_users_template": true,
        "allowed_users": "{{identity.entity.name}}", "default_user": "{{identity.entity.name}}",
        "default_user_template": true, "default_extensions_template": true,
        "default_extensions": { "login@github.com": "{{identity.entity.name}}" },
    });
    let mut ssh = with_ca(role.clone()).await;
    let (_, told) = ssh.refused("sign/r", json!({ "public_key": KEY, "valid_principals": "ann" })).await;
    assert!(told.contains("ann is not a valid value"), "without an entity a template allows nobody: {told}");
    ssh.cx.caller.identified = Some(Arc::new(Ann));
    let signed = sign(&ssh, json!({})).await;
    assert_eq!(signed.valid_principals(), ["ann"]);
    assert_eq!(signed.extensions().get("login@github.com").map(String::as_str), Some("ann"));
    let mut many = role;
    many["allowed_users"] = json!("{{identity.entity.metadata.unix}}");
    ssh.write("roles/r", many.clone()).await;
    assert!(refused(&ssh, json!({ "valid_principals": "root" })).await.contains("comma"));
    many["allow_commas_in_identity_templates"] = json!(true);
    ssh.write("roles/r", many).await;
    assert_eq!(sign(&ssh, json!({ "valid_principals": "root" })).await.valid_principals(), ["root"]);
}

#[tokio::test(start_paused = true)]
async fn two_cas_live_side_by_side_and_a_role_moves_from_one_to_the_other() {
    let ssh = with_ca(user_role(&json!({}))).await;
    let first = sign(&ssh, json!({ "valid_principals": "ann" })).await.signature_key().clone();
    ssh.write("issuers/import/next", json!({ "key_type": "ec" })).await;
    assert_eq!(sign(&ssh, json!({ "valid_principals": "ann" })).await.signature_key(), &first);
    ssh.write("roles/r", user_role(&json!({ "issuer_ref": "next" }))).await;
    let second = sign(&ssh, json!({ "valid_principals": "ann" })).await.signature_key().clone();
    assert_ne!(first, second);
    ssh.write("config/issuers", json!({ "default": "next" })).await;
    assert_eq!(ssh.read("issuer/default").await.data()["issuer_name"], "next");
    let (_, taken) = ssh.refused("issuers/import/next", json!({ "key_type": "ec" })).await;
    assert_eq!(taken, "issuer name already in use");
    ssh.delete("issuer/next").await;
    assert!(refused(&ssh, json!({ "valid_principals": "ann" })).await.contains("unable to find issuer"));
}

#[tokio::test(start_paused = true)]
async fn the_ca_key_is_parsed_once_and_its_private_half_never_shown() {
    let storage = Arc::new(Counting::default());
    let ssh = Alone::new(&SshFactory, "ssh/", &[], Arc::clone(&storage) as _);
    ssh.write("config/ca", json!({ "key_type": "ed25519" })).await;
    ssh.write("roles/r", user_role(&json!({}))).await;
    sign(&ssh, json!({ "valid_principals": "ann" })).await;
    storage.take();
    sign(&ssh, json!({ "valid_principals": "ann" })).await;
    assert_eq!(storage.take(), (2, 0, 0), "the role and the version of the issuers");
    for path in ["config/ca", "issuer/default"] {
        assert!(!ssh.read(path).await.data().to_string().contains("PRIVATE"));
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_do_not_belong_together_are_refused() {
    let ssh = with_ca(user_role(&json!({ "allow_user_key_ids": true }))).await;
    let made = ssh.write("issue/r", json!({ "key_type": "ed25519", "valid_principals": "ann" })).await.data();
    let (private, public) = (&made["private_key"], made["signed_key"].as_str().unwrap());
    let (_, told) = ssh.refused("config/ca", json!({ "private_key": private, "public_key": KEY })).await;
    assert!(told.contains("does not belong"), "{told}");
    let (_, told) = ssh.refused("config/ca", json!({ "private_key": private, "public_key": public })).await;
    assert!(told.contains("certificate"), "{told}");
    let (_, told) = ssh.refused("sign/r", json!({ "public_key": private, "valid_principals": "ann" })).await;
    assert!(told.contains("private key"), "{told}");
    assert!(ssh.ask(Operation::List, "sign/r", Value::Null).await.is_none());
}

async fn text_of(ssh: &Alone, path: &str, fields: Value) -> String {
    match ssh.reply(Operation::Read, path, fields).await.outcome {
        lessor_engine::Outcome::Raw(raw) => String::from_utf8(raw.bytes).unwrap(),
        _ => panic!("{path}: not raw"),
    }
}

#[tokio::test(start_paused = true)]
async fn hosts_can_fetch_the_keys_of_all_cas_while_one_takes_over_from_another() {
    let ssh = mount();
    let all = json!({ "all": true });
    let (status, _) = ssh.error(Operation::Read, "public_key", all.clone()).await;
    assert_eq!(status, 400);
    let mut keys = Vec::new();
    for name in ["old", "new"] {
        let made = ssh.write(&format!("issuers/import/{name}"), json!({ "key_type": "ed25519" })).await.data();
        keys.push(made["public_key"].as_str().unwrap().to_owned());
    }
    assert_eq!(text_of(&ssh, "public_key", json!({})).await, keys[0]);
    assert_eq!(text_of(&ssh, "public_key", all.clone()).await, keys.concat());
    ssh.write("config/issuers", json!({ "default": "new" })).await;
    keys.reverse();
    assert_eq!(text_of(&ssh, "public_key", all.clone()).await, keys.concat(), "that of the default comes first");
    ssh.ok(Operation::Delete, "issuer/new", json!({})).await;
    assert_eq!(text_of(&ssh, "public_key", all).await, keys[1], "also while none is the default");
}

#[tokio::test(start_paused = true)]
async fn a_ca_can_come_without_a_name_and_is_found_by_its_id() {
    let ssh = mount();
    let made = ssh.write("issuers/import", json!({ "key_type": "ed25519" })).await.data();
    assert_eq!(made["issuer_name"], "");
    let id = made["issuer_id"].as_str().unwrap();
    assert_eq!(ssh.read(&format!("issuer/{id}")).await.data(), made);
    let (status, _) = ssh.refused("issuers/import/default", json!({ "key_type": "ed25519" })).await;
    assert_eq!(status, 400, "a name that means something else");
}
