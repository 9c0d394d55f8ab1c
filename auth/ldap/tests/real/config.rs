//! The configuration alone.
use super::mount;
use lessor_engine::{Operation, Outcome};
use serde_json::{Value, json};

#[tokio::test]
async fn before_it_is_written_a_configuration_reads_as_the_defaults_and_lets_nobody_in() {
    let method = mount();
    let read = method.read("config").await;
    for (name, value) in [
        ("url", json!("ldap://127.0.0.1")),
        ("use_token_groups", json!(false)),
        ("password_policy", json!("")),
        ("rotation_period", json!(0)),
        ("rotation_schedule", json!("")),
        ("rotation_window", json!(0)),
        ("disable_automated_rotation", json!(false)),
        ("rotation_schema", json!("openldap")),
        ("rotation_credential_type", json!("password")),
        ("rotation_url", json!("")),
    ] {
        assert_eq!(read[name], value, "{name}");
    }
    let (status, text) = method.refused("login/a", json!({ "password": "x" })).await;
    assert_eq!((status, text.as_str()), (400, "ldap backend not configured"));
}

#[tokio::test]
async fn what_a_write_leaves_out_is_kept_and_no_secret_is_shown() {
    let method = mount();
    let secret = json!({ "binddn": "cn=a", "bindpass": "hidden-1", "rotation_schema": "ad", "password_policy": "p" });
    method.write("config", secret).await;
    method.write("config", json!({ "use_token_groups": true, "rotation_period": "24h" })).await;
    let read = method.read("config").await;
    assert_eq!((&read["rotation_schema"], &read["rotation_period"]), (&json!("ad"), &json!(86400)));
    assert_eq!((&read["use_token_groups"], &read["password_policy"]), (&json!(true), &json!("p")));
    let text = read.to_string();
    assert!(!text.contains("hidden-1") && read.get("previous_bindpass").is_none() && read.get("written").is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_configuration_is_named_and_nothing_changes() {
    let method = mount();
    method.write("config", json!({ "binddn": "cn=a" })).await;
    let before = method.read("config").await;
    for (body, text) in [
        (json!({ "rotation_schema": "x" }), "Supported schemas"),
        (json!({ "rotation_credential_type": "phrase" }), "rotation_credential_type phrase"),
        (json!({ "rotation_url": "http://a" }), "is no ldap://host"),
        (json!({ "rotation_period": 5 }), "rotation_period must be 10 seconds"),
        (json!({ "rotation_period": 60, "rotation_schedule": "0 0 * * *" }), "mutually exclusive"),
        (json!({ "rotation_period": 60, "rotation_window": 3600 }), "rotation_window is invalid"),
        (json!({ "rotation_schedule": "never" }), "could not parse rotation_schedule"),
        (json!({ "userfilter": "({{.UserAttr" }), "userfilter is no filter template"),
        (json!({ "dereference_aliases": "sometimes" }), "never, finding, searching or always"),
        (json!({ "max_page_size": 9_999_999_999_i64 }), "max_page_size is out of range"),
        (json!({ "certificate": "x" }), "certificate"),
    ] {
        let (status, error) = method.refused("config", body).await;
        assert!(status == 400 && error.contains(text), "{text}: {status} {error}");
    }
    assert_eq!(method.read("config").await, before);
}

#[tokio::test]
async fn a_filter_that_does_not_look_at_the_name_of_the_alias_is_warned_of() {
    let method = mount();
    let warnings = method.reply(Operation::Update, "config", json!({ "userfilter": "(mail={{.Username}})" })).await;
    assert!(warnings.warnings[0].contains("colliding entity aliases"));
    let read = method.reply(Operation::Read, "config", Value::Null).await;
    assert_eq!(read.warnings.len(), 1);
    let with = json!({ "userfilter": "(&(mail=*)({{.UserAttr}}={{.Username}}))" });
    assert!(method.reply(Operation::Update, "config", with).await.warnings.is_empty());
}

#[tokio::test]
async fn without_an_account_there_is_no_root_to_rotate() {
    let method = mount();
    let (status, text) = method.refused("config/rotate-root", json!({})).await;
    assert_eq!((status, text.as_str()), (400, "attempted to rotate root on an undefined config"));
    method.write("config", json!({ "binddn": "cn=a" })).await;
    let (status, text) = method.refused("config/rotate-root", json!({})).await;
    assert_eq!((status, text.as_str()), (400, "auth is not using authenticated search, no root to rotate"));
    method.write("config", json!({ "bindpass": "b" })).await;
    let reply = method.reply(Operation::Update, "config/rotate-root", json!({})).await;
    assert!(matches!(reply.outcome, Outcome::Rotate(subject) if subject == "root"));
}

#[tokio::test]
async fn the_schedule_begins_with_the_write_and_stops_when_it_is_told_to() {
    let method = mount();
    let next = async || method.rotating().next(&method.cx, "root").await.unwrap();
    assert!(next().await.is_none());
    method.write("config", json!({ "binddn": "cn=a", "bindpass": "b", "rotation_period": 60 })).await;
    let wait = next().await.unwrap().duration_since(method.cx.now());
    assert!((55..=60).contains(&wait.as_secs()), "{wait:?}");
    method.write("config", json!({ "disable_automated_rotation": true })).await;
    assert!(next().await.is_none());
}
