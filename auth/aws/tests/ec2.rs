//! Logins of instances. The documents' signer is a stand-in (`signer/`); what AWS itself signed is read in `src/pkcs7.rs`.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod moto;
mod signer;
#[path = "../../support.rs"]
mod support;

use lessor_auth_aws::AwsFactory;
use lessor_engine::{Login, Rotating};
use moto::{ACCOUNT, Instance, Moto};
use serde_json::{Value, json};
use signer::{Signer, document};
use std::sync::Arc;
use std::time::Duration;
use support::Method;

const REGION: &str = "eu-west-1";
const STARTED: &str = "2026-11-01T00:00:00Z";
const LATER: &str = "2026-11-02T00:00:00Z";

struct Set {
    moto: Moto,
    method: Method,
    signer: Signer,
    instance: Instance,
}

impl Set {
    async fn new() -> Self {
        let moto = Moto::start();
        moto.role("web", "/");
        moto.profile("web");
        let (instance, signer) = (moto.instance(REGION, "web"), Signer::rsa());
        let method = Method::new(&AwsFactory);
        let (id, secret, at) = (&moto.root.id, &moto.root.secret, &moto.endpoint);
        let config = json!({
            "access_key": id, "secret_key": secret, "endpoint": at, "iam_endpoint": at, "sts_endpoint": at,
            "max_retries": 0,
        });
        method.write("config/client", config).await;
        method.write("config/certificate/own", json!({ "aws_public_cert": signer.certificate() })).await;
        let role = json!({ "auth_type": "ec2", "bound_account_id": ACCOUNT, "token_policies": "a,b" });
        method.write("role/r", role).await;
        Self { moto, method, signer, instance }
    }
    fn document(&self, started: &str) -> String {
        document(&self.instance.id, &self.instance.image, ACCOUNT, REGION, started)
    }
    /// A login with a document of that start.
    fn login(&self, started: &str, nonce: Option<&str>) -> Value {
        let mut login = json!({ "role": "r", "pkcs7": self.signer.pkcs7(&self.document(started), "-nodetach") });
        if let Some(nonce) = nonce {
            login["nonce"] = nonce.into();
        }
        login
    }
    async fn logged_in(&self, login: Value) -> Login {
        self.method.log_in("login", login).await.unwrap()
    }
    async fn refused(&self, login: Value, text: &str) {
        let (status, error) = self.method.refused("login", login).await;
        assert!(status == 400 && error.contains(text), "{text}: {status} {error}");
    }
    async fn entry(&self) -> Value {
        self.method.read(&format!("identity-accesslist/{}", self.instance.id)).await
    }
    async fn forget(&self) {
        self.method.delete(&format!("identity-accesslist/{}", self.instance.id)).await;
    }
    fn rotating(&self) -> Arc<dyn Rotating> {
        self.method.rotating()
    }
}

#[tokio::test]
async fn every_form_that_a_document_is_signed_in_is_believed() {
    let set = Set::new().await;
    let (dsa, text) = (Signer::dsa(), set.document(STARTED));
    set.method.write("config/certificate/dsa", json!({ "aws_public_cert": dsa.certificate(), "type": "pkcs7" })).await;
    for (signer, options) in [
        (&set.signer, "-nodetach"),
        (&set.signer, "-nodetach -noattr"),
        (&set.signer, "-nodetach -nocerts -md sha1"),
        (&set.signer, "-nodetach -stream -indef"),
        (&dsa, "-nodetach -md sha1"),
        (&dsa, "-nodetach -md sha1 -noattr -nocerts"),
        (&dsa, "-nodetach -md sha256 -stream -indef"),
    ] {
        set.forget().await;
        let login = set.logged_in(json!({ "role": "r", "pkcs7": signer.pkcs7(&text, options) })).await;
        assert_eq!(login.display_name, set.instance.id, "{options}");
    }
    set.forget().await;
    let (document, signature) = set.signer.signature(&text);
    let login = json!({ "role": "r", "identity": document, "signature": signature });
    set.refused(login.clone(), "using SHA256 RSA signature is unsuccessful").await;
    set.method
        .write("config/certificate/own", json!({ "aws_public_cert": set.signer.certificate(), "type": "identity" }))
        .await;
    set.logged_in(login).await;
    set.refused(set.login(STARTED, None), "is the signer's").await;
}

#[tokio::test]
async fn nobody_elses_signature_and_no_other_content_is_believed() {
    let set = Set::new().await;
    let (text, stranger) = (set.document(STARTED), Signer::rsa());
    let pkcs7 = |message: String| json!({ "role": "r", "pkcs7": message });
    set.refused(pkcs7(stranger.pkcs7(&text, "-nodetach")), "is the signer's").await;
    set.refused(pkcs7(set.signer.pkcs7(&text, "")), "could not be found in the signature").await;
    set.refused(pkcs7(set.signer.pkcs7("{}", "-nodetach")), "cannot be read").await;
    set.refused(pkcs7("AAAA".to_owned()), "failed to parse").await;
    for options in ["-nodetach", "-nodetach -noattr"] {
        let good = set.signer.pkcs7(&text, options);
        let mut bytes = base64(&good);
        let at = bytes.windows(2).position(|pair| pair == b"i-").unwrap() + 2;
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
        set.refused(pkcs7(encoded(&bytes)), "failed to verify the signature").await;
    }
    set.method
        .write("config/certificate/id", json!({ "aws_public_cert": set.signer.certificate(), "type": "identity" }))
        .await;
    let (document, signature) = set.signer.signature(&text);
    let (_, other) = set.signer.signature("{}");
    let beside = |document: &str, signature: &str| json!({ "role": "r", "identity": document, "signature": signature });
    set.refused(beside(&document, &other), "is unsuccessful").await;
    set.refused(beside("%", &signature), "failed to base64 decode").await;
    set.refused(json!({ "role": "r", "identity": document }), "some of the auth values for the ec2 auth type").await;
    set.refused(json!({ "role": "r" }), "didn't supply required authentication values").await;
    let mut both = beside(&document, &signature);
    both["pkcs7"] = "x".into();
    set.refused(both, "provide only one").await;
    let mut both = set.login(STARTED, None);
    both["iam_request_url"] = "x".into();
    set.refused(both, "for both ec2 and iam auth types").await;
    assert_eq!(set.entry().await, Value::Null);
}

fn base64(text: &str) -> Vec<u8> {
    run("openssl base64 -d -A", text.replace('\n', "").as_bytes())
}

fn encoded(bytes: &[u8]) -> String {
    String::from_utf8(run("openssl base64 -A", bytes)).unwrap()
}

fn run(command: &str, input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let words: Vec<&str> = command.split(' ').collect();
    let mut child =
        Command::new(words[0]).args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[tokio::test]
async fn an_instance_logs_in_again_only_with_its_nonce() {
    let set = Set::new().await;
    let first = set.logged_in(set.login(STARTED, None)).await;
    let nonce = first.metadata["nonce"].clone();
    assert_eq!((first.metadata["role"].as_str(), first.metadata["role_tag_max_ttl"].as_str()), ("r", "0s"));
    assert_eq!(
        (first.metadata["ami_id"].as_str(), first.metadata["auth_type"].as_str()),
        (set.instance.image.as_str(), "ec2")
    );
    let entry = set.entry().await;
    assert_eq!(
        (&entry["client_nonce"], &entry["role"], &entry["pending_time"]),
        (&json!(nonce), &json!("r"), &json!(STARTED))
    );
    assert_eq!(set.method.list("identity-whitelist").await, [set.instance.id.as_str()]);
    set.refused(set.login(STARTED, None), "client nonce mismatch").await;
    set.refused(set.login(STARTED, Some("guess")), "client nonce mismatch").await;
    let again = set.logged_in(set.login(LATER, Some(&nonce))).await;
    assert!(!again.metadata.contains_key("nonce"));
    set.refused(set.login(STARTED, Some(&nonce)), "older than the one used for previous login").await;
    set.method.renew(&again).await.unwrap();
    // An operator forgets the instance: it is new again, and chooses its own nonce; its old tokens are not renewed.
    set.forget().await;
    assert!(set.method.renew(&again).await.is_err());
    set.logged_in(set.login(STARTED, Some("chosen"))).await;
    set.refused(set.login(STARTED, Some(&nonce)), "client nonce mismatch").await;
    set.refused(set.login(STARTED, Some(&"x".repeat(129))), "128 characters").await;
    set.logged_in(set.login(STARTED, Some("chosen"))).await;
    // Somewhere else with a later start, and only where the role allows it.
    set.refused(set.login(LATER, Some("other")), "client nonce mismatch").await;
    set.method.write("role/r", json!({ "allow_instance_migration": true })).await;
    set.refused(set.login(STARTED, Some("other")), "instance meta-data incorrect").await;
    set.logged_in(set.login(LATER, Some("other"))).await;
    set.logged_in(set.login(LATER, Some("other"))).await;
    set.refused(set.login(LATER, Some("chosen")), "instance meta-data incorrect").await;
}

#[tokio::test]
async fn who_may_log_in_once_never_logs_in_again() {
    let set = Set::new().await;
    let login = set.logged_in(set.login(STARTED, Some(""))).await;
    assert!(!login.metadata.contains_key("nonce"));
    let entry = set.entry().await;
    assert_eq!((&entry["client_nonce"], &entry["disallow_reauthentication"]), (&json!(""), &json!(true)));
    set.refused(set.login(LATER, Some("")), "reauthentication is disabled").await;
    set.refused(set.login(LATER, Some("x")), "reauthentication is disabled").await;
    set.forget().await;
    set.method.write("role/r", json!({ "disallow_reauthentication": true })).await;
    let both = set.method.refused("role/r", json!({ "allow_instance_migration": true })).await;
    assert!(both.1.contains("cannot specify both"), "{}", both.1);
    set.logged_in(set.login(STARTED, None)).await;
    // What was once decided is not undone by the role.
    set.method.write("role/r", json!({ "disallow_reauthentication": false })).await;
    set.refused(set.login(LATER, None), "reauthentication is disabled").await;
}

#[tokio::test]
async fn of_many_that_log_in_at_once_with_a_stolen_document_one_is_the_first() {
    let set = Set::new().await;
    let login = set.login(STARTED, None);
    let all = futures_of((0..6).map(|_| set.method.log_in("login", login.clone()))).await;
    assert_eq!(all.iter().filter(|done| done.is_ok()).count(), 1);
}

/// All of them, interleaved.
async fn futures_of<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, place) in waiting.iter_mut().zip(&mut done) {
            if place.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *place = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn an_instance_has_to_run_and_be_what_the_role_says() {
    let mut set = Set::new().await;
    let named = set.instance.image.clone();
    set.method.write(&format!("role/{named}"), json!({ "auth_type": "ec2", "bound_ami_id": named })).await;
    let mut login = set.login(STARTED, Some("n"));
    login["role"] = Value::Null;
    let by_image = set.logged_in(login).await;
    assert_eq!(by_image.role, named);
    set.method.write("role/r", json!({ "bound_region": "us-east-1" })).await;
    set.refused(set.login(STARTED, Some("n")), "region \"eu-west-1\" does not satisfy the role's bounds").await;
    set.method.write("role/r", json!({ "bound_region": REGION })).await;
    let login = set.logged_in(set.login(STARTED, Some("n"))).await;
    set.method.write("config/identity", json!({ "ec2_alias": "instance_id", "ec2_metadata": "region" })).await;
    let renamed = set.logged_in(set.login(STARTED, Some("n"))).await;
    let alias = renamed.alias.unwrap();
    assert_eq!((alias.name.as_str(), json!(alias.metadata)), (set.instance.id.as_str(), json!({ "region": REGION })));
    let elsewhere = document(&set.instance.id, "ami-1", "1", REGION, STARTED);
    let pkcs7 = set.signer.pkcs7(&elsewhere, "-nodetach");
    set.refused(json!({ "role": "r", "pkcs7": pkcs7 }), "it is of account 123456789012, not of 1").await;
    let elsewhere = document(&set.instance.id, "ami-1", ACCOUNT, "evil.example/", STARTED);
    let pkcs7 = set.signer.pkcs7(&elsewhere, "-nodetach");
    set.refused(json!({ "role": "r", "pkcs7": pkcs7 }), "this is no region").await;
    set.method.write("role/i", json!({ "bound_iam_principal_arn": "arn:aws:iam::123456789012:role/*" })).await;
    let mut other = set.login(STARTED, Some("n"));
    other["role"] = "i".into();
    set.refused(other, "auth method ec2 not allowed for role i").await;
    set.method.renew(&login).await.unwrap();
    let stop = format!("client('ec2', '{REGION}').stop_instances(InstanceIds=['{}'])", set.instance.id);
    set.moto.python(&stop);
    set.refused(set.login(STARTED, Some("n")), "not in 'running' state").await;
    assert!(set.method.renew(&login).await.is_err());
    set.moto.stop();
    let (status, _) = set.method.refused("login", set.login(STARTED, Some("n"))).await;
    assert_eq!(status, 500);
    set.method.delete("role/r").await;
    assert!(set.method.renew(&login).await.unwrap_err().to_string().contains("does not exist during renewal"));
}

#[tokio::test]
async fn a_role_tag_narrows_what_its_instance_may() {
    let set = Set::new().await;
    let tag = |value: &str| {
        let tags = format!("Tags=[dict(Key='VaultRole', Value='{value}')]");
        set.moto.python(&format!("client('ec2', '{REGION}').create_tags(Resources=['{}'], {tags})", set.instance.id));
    };
    let made = |fields: Value| async {
        set.method.write("role/r/tag", fields).await["tag_value"].as_str().unwrap().to_owned()
    };
    let (_, error) = set.method.refused("role/r/tag", json!({})).await;
    assert_eq!(error, "tag creation is not enabled for this role");
    set.method.write("role/r", json!({ "role_tag": "VaultRole", "token_max_ttl": "2h" })).await;
    set.refused(set.login(STARTED, Some("n")), "missing tag with key \"VaultRole\"").await;
    let narrow = made(json!({ "policies": "a", "max_ttl": "1h", "instance_id": set.instance.id })).await;
    tag(&narrow);
    let login = set.logged_in(set.login(STARTED, Some("n"))).await;
    assert_eq!((login.token.policies.clone(), login.token.max_ttl), (vec!["a".to_owned()], 3600));
    assert_eq!(login.metadata["role_tag_max_ttl"], "1h0m0s");
    assert_eq!(set.method.renew(&login).await.unwrap().token.max_ttl, 3600);
    for (value, text) in [
        (narrow.replace("p=a,default", "p=a,b,default"), "role tag signature verification failed"),
        (made(json!({ "instance_id": "i-other" })).await, "unauthorized instance"),
        (made(json!({ "policies": "c" })).await, "must be subset of policies on the role"),
        (made(json!({ "allow_instance_migration": true })).await, "allows instance migration, which the role does not"),
        ("nonsense".to_owned(), "invalid tag"),
    ] {
        assert_ne!(value, narrow);
        tag(&value);
        set.refused(set.login(STARTED, Some("n")), text).await;
    }
    // Of another role, under the same key of the tag.
    set.method
        .write("role/other", json!({ "auth_type": "ec2", "bound_account_id": ACCOUNT, "role_tag": "VaultRole" }))
        .await;
    let other = set.method.write("role/other/tag", json!({})).await["tag_value"].as_str().unwrap().to_owned();
    tag(&other);
    set.refused(set.login(STARTED, Some("n")), "not matching the role supplied").await;
    // Taken back, by its value or in base64.
    tag(&narrow);
    set.logged_in(set.login(STARTED, Some("n"))).await;
    set.method.write(&format!("roletag-denylist/{}", encoded(narrow.as_bytes())), Value::Null).await;
    set.refused(set.login(STARTED, Some("n")), "role tag is deny listed").await;
    assert_eq!(set.method.list("roletag-blacklist").await, [narrow.as_str()]);
    assert!(set.method.read(&format!("roletag-denylist/{narrow}")).await["expiration_time"].is_string());
    let forged =
        set.method.refused(&format!("roletag-denylist/{}", narrow.replace("t=3600", "t=1")), Value::Null).await;
    assert!(forged.1.contains("signature verification failed"), "{}", forged.1);
    set.method.delete(&format!("roletag-denylist/{narrow}")).await;
    set.logged_in(set.login(STARTED, Some("n"))).await;
    let once = made(json!({ "policies": "", "disallow_reauthentication": true })).await;
    tag(&once);
    let login = set.logged_in(set.login(STARTED, Some("n"))).await;
    assert!(login.token.policies.is_empty());
    set.refused(set.login(STARTED, Some("n")), "reauthentication is disabled").await;
    // A role of the same name made later has another key.
    set.forget().await;
    tag(&narrow);
    let role = set.method.read("role/r").await;
    set.method.delete("role/r").await;
    let again = json!({ "auth_type": "ec2", "bound_account_id": ACCOUNT, "role_tag": role["role_tag"], "token_policies": "a,b" });
    set.method.write("role/r", again).await;
    set.refused(set.login(STARTED, Some("n")), "role tag signature verification failed").await;
}

#[tokio::test]
async fn entries_are_tidied_away_once_no_token_of_theirs_lives() {
    let set = Set::new().await;
    let subject = "tidy/identity-accesslist";
    let (rotating, cx) = (set.rotating(), set.method.cx.clone());
    assert_eq!(rotating.next(&cx, subject).await.unwrap(), None);
    let reply = set.method.reply(lessor_engine::Operation::Update, "login", set.login(STARTED, Some("n"))).await;
    assert_eq!(reply.reschedule, [subject]);
    let due = rotating.next(&cx, subject).await.unwrap().unwrap();
    set.logged_in(set.login(STARTED, Some("n"))).await;
    assert_eq!(rotating.next(&cx, subject).await.unwrap(), Some(due), "a later login does not move it");
    let run = || async {
        let planned = rotating.plan(&cx, subject).await.unwrap();
        let changes = rotating.commit(&cx, &planned).await.unwrap();
        cx.view.commit(changes).await.unwrap();
    };
    run().await;
    assert!(set.entry().await.is_object());
    assert!(rotating.next(&cx, subject).await.unwrap().unwrap() > due);
    set.method.write("config/tidy/identity-accesslist", json!({ "disable_periodic_tidy": true })).await;
    assert_eq!(rotating.next(&cx, subject).await.unwrap(), None);
    let settings = json!({ "safety_buffer": 259_200, "disable_periodic_tidy": true });
    assert_eq!(set.method.read("config/tidy/identity-whitelist").await, settings);
    set.method
        .write("config/tidy/identity-accesslist", json!({ "safety_buffer": "1m", "disable_periodic_tidy": false }))
        .await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2_764_800 + 30)).await;
    run().await;
    assert!(set.entry().await.is_object(), "the buffer is not over");
    tokio::time::advance(Duration::from_secs(60)).await;
    run().await;
    assert_eq!(set.entry().await, Value::Null);
    set.method.delete("config/tidy/identity-accesslist").await;
    assert_eq!(set.method.read("config/tidy/identity-accesslist").await, Value::Null);
}

#[tokio::test]
async fn tidying_by_hand_answers_at_once_and_clears_both_lists() {
    let method = Method::new(&AwsFactory);
    let role = json!({ "auth_type": "ec2", "bound_account_id": ACCOUNT, "role_tag": "T" });
    method.write("role/r", role).await;
    let tag = method.write("role/r/tag", json!({})).await["tag_value"].as_str().unwrap().to_owned();
    method.write(&format!("roletag-denylist/{tag}"), Value::Null).await;
    let due = method.rotating().next(&method.cx, "tidy/roletag-denylist").await.unwrap();
    assert!(due.is_some());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2_764_900)).await;
    for (path, left) in [("tidy/roletag-blacklist", 1), ("tidy/roletag-denylist", 0)] {
        let buffer = if left == 1 { "72h" } else { "0" };
        let reply = method.reply(lessor_engine::Operation::Update, path, json!({ "safety_buffer": buffer })).await;
        assert_eq!(reply.status, Some(202));
        assert!(reply.warnings[0].starts_with("Tidy operation successfully started."));
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(method.list("roletag-denylist").await.len(), left);
    }
    let reply = method.reply(lessor_engine::Operation::Update, "tidy/identity-whitelist", Value::Null).await;
    assert_eq!(reply.status, Some(202));
}

#[tokio::test]
async fn a_certificate_is_read_back_listed_and_deleted_and_what_is_none_is_refused() {
    let method = Method::new(&AwsFactory);
    let pem = Signer::rsa().certificate();
    method.write("config/certificate/one", json!({ "aws_public_cert": encoded(pem.as_bytes()) })).await;
    let shown = json!({ "aws_public_cert": pem, "type": "pkcs7" });
    assert_eq!(method.read("config/certificate/one").await, shown);
    for (fields, text) in [
        (json!({ "type": "identity" }), "missing aws_public_cert"),
        (json!({ "aws_public_cert": pem, "type": "x" }), "invalid certificate type \"x\""),
        (json!({ "aws_public_cert": "x" }), "should be one PEM block only"),
        (json!({ "aws_public_cert": format!("{pem}{pem}") }), "should be one PEM block only"),
        (json!({ "aws_public_cert": Signer::elliptic().certificate() }), "neither RSA nor DSA"),
    ] {
        let (status, error) = method.refused("config/certificate/one", fields).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
    assert_eq!(method.read("config/certificate/one").await, shown);
    assert_eq!(method.list("config/certificates").await, ["one"]);
    method.delete("config/certificate/one").await;
    assert_eq!(method.read("config/certificate/one").await, Value::Null);
}
