//! One-time passwords through the paths.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_engine::{Operation, Outcome};
use lessor_engine_ssh::SshFactory;
use lessor_mountkit::Alone;
use lessor_storage::{MemoryStorage, Storage};
use serde_json::{Value, json};
use std::sync::Arc;

async fn mount() -> (Alone, Arc<MemoryStorage>) {
    let storage = Arc::new(MemoryStorage::new());
    let ssh = Alone::new(&SshFactory, "ssh/", &[], Arc::clone(&storage) as Arc<dyn Storage>);
    let role = json!({
        "key_type": "otp", "default_user": "ann", "allowed_users": "bob", "cidr_list": "10.0.0.0/8,fd00::/8",
        "exclude_cidr_list": "10.9.0.0/16",
    });
    ssh.write("roles/o", role).await;
    (ssh, storage)
}

/// As core does it: planned, made.
async fn make(ssh: &Alone, fields: Value) -> Value {
    let Outcome::Issue(issue) = ssh.reply(Operation::Update, "creds/o", fields).await.outcome else {
        panic!("nothing is issued")
    };
    assert!(!issue.renewable);
    let made = ssh.backend.dynamic.as_ref().unwrap().create(&ssh.context(), &issue.grant).await.unwrap();
    assert!(!made.grant_data.unwrap().to_string().contains(made.data["key"].as_str().unwrap()), "the lease keeps it");
    Value::Object(made.data)
}

#[tokio::test]
async fn a_password_is_redeemed_once_and_stored_nowhere_in_clear() {
    let (ssh, storage) = mount().await;
    let made = make(&ssh, json!({ "ip": "10.1.2.3", "username": "bob" })).await;
    let otp = made["key"].as_str().unwrap();
    for entry in storage.scan("", None, 1000).await.unwrap() {
        assert!(!entry.key.contains(otp) && !String::from_utf8_lossy(&entry.value).contains(otp));
    }
    let good = ssh.write("verify", json!({ "otp": otp })).await.data();
    assert_eq!(good, json!({ "ip": "10.1.2.3", "username": "bob", "role_name": "o" }));
    assert_eq!(ssh.refused("verify", json!({ "otp": otp })).await, (400, "OTP not found".to_owned()));
}

#[tokio::test]
async fn of_sixteen_who_redeem_at_once_one_is_let_in() {
    let (ssh, _) = mount().await;
    let otp = make(&ssh, json!({ "ip": "10.1.2.3" })).await["key"].clone();
    let tries = (0..16).map(|_| {
        let (ssh, otp) = (ssh.clone(), otp.clone());
        tokio::spawn(async move { ssh.ask(Operation::Update, "verify", json!({ "otp": otp })).await.unwrap().is_ok() })
    });
    let mut won = 0;
    for done in tries.collect::<Vec<_>>() {
        won += usize::from(done.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_password_of_a_deleted_role_lets_nobody_in() {
    let (ssh, _) = mount().await;
    let otp = make(&ssh, json!({ "ip": "10.1.2.3" })).await["key"].clone();
    ssh.delete("roles/o").await;
    assert_eq!(ssh.refused("verify", json!({ "otp": otp })).await.0, 400);
}

#[tokio::test]
async fn addresses_and_users_the_role_does_not_allow_are_refused() {
    let (ssh, _) = mount().await;
    for (fields, text) in [
        (json!({}), "Missing ip"),
        (json!({ "ip": "host.example.com" }), "Invalid IP"),
        (json!({ "ip": "11.0.0.1" }), "IP does not belong to role"),
        (json!({ "ip": "10.9.0.1" }), "IP does not belong to role"),
        (json!({ "ip": "::ffff:11.0.0.1" }), "IP does not belong to role"),
        (json!({ "ip": "10.1.2.3", "username": "root" }), "Username is not present"),
    ] {
        let (status, told) = ssh.refused("creds/o", fields).await;
        assert!(status == 400 && told.contains(text), "{told}");
    }
    for ip in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
        make(&ssh, json!({ "ip": ip })).await;
    }
}

#[tokio::test]
async fn zero_address_roles_take_every_address_until_their_role_goes() {
    let (ssh, _) = mount().await;
    assert_eq!(ssh.write("lookup", json!({ "ip": "10.9.0.1" })).await.data(), json!({ "roles": null }));
    ssh.write("config/zeroaddress", json!({ "roles": "o" })).await;
    assert_eq!(ssh.write("lookup", json!({ "ip": "192.0.2.1" })).await.data(), json!({ "roles": ["o"] }));
    make(&ssh, json!({ "ip": "192.0.2.1" })).await;
    ssh.delete("roles/o").await;
    assert_eq!(ssh.read("config/zeroaddress").await.data(), json!({ "roles": [] }));
    ssh.delete("config/zeroaddress").await;
    assert!(ssh.read("config/zeroaddress").await.missing().is_none());
    let (_, told) = ssh.refused("config/zeroaddress", json!({ "roles": "o" })).await;
    assert_eq!(told, "Role \"o\" does not exist");
}

#[tokio::test]
async fn whoever_guesses_is_slowed_down_alone_and_what_has_no_form_does_not_count() {
    let (ssh, _) = mount().await;
    let otp = make(&ssh, json!({ "ip": "10.1.2.3" })).await["key"].clone();
    let guess = |number: u32| json!({ "otp": format!("{number:08x}-0000-4000-8000-000000000000") });
    let (guesser, neighbour) = (ssh.from("10.0.0.1"), ssh.from("10.0.0.2"));
    for _ in 0..1000 {
        assert_eq!(guesser.refused("verify", json!({ "otp": "hunter2" })).await, (400, "OTP not found".to_owned()));
    }
    let mut refusals = Vec::new();
    for number in 0..200 {
        refusals.push(guesser.refused("verify", guess(number)).await.0);
    }
    assert!(refusals[..100].iter().all(|status| *status == 400), "{refusals:?}");
    assert!(refusals.ends_with(&[429; 50]), "{refusals:?}");
    let (status, text) = guesser.refused("verify", json!({ "otp": otp })).await;
    assert!(status == 429 && text.contains("try again in"), "{text}");
    assert_eq!(
        guesser.write("verify", json!({ "otp": "verify-echo-request" })).await.data()["message"],
        "verify-echo-response"
    );
    assert_eq!(neighbour.write("verify", json!({ "otp": otp })).await.data()["username"], "ann");
}
