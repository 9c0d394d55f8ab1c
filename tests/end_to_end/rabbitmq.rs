//! Users of a real RabbitMQ: made through the API, used by AMQP, and gone when their lease is.
use crate::lessor::Lessor;
use crate::targets::rabbitmq::Rabbitmq;
use lessor_client::Request;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ROOT: (&str, &str) = ("root", "root-first");

async fn configure(lessor: &Lessor, broker: &Rabbitmq) {
    let root = json!({ "password": ROOT.1, "tags": "administrator" }).to_string();
    assert_eq!(broker.api("PUT", "users/root", &root).0, "201");
    assert_eq!(broker.api("PUT", "vhosts/other%2Fone", "").0, "201");
    lessor.write("sys/mounts/mq", json!({ "type": "rabbitmq" })).await;
    let config = json!({ "connection_uri": broker.uri(), "username": ROOT.0, "password": ROOT.1 });
    lessor.write("mq/config/connection", config).await;
    let vhosts = r#"{"/": {"configure": "^app", "write": "^(app|amq\\.default)", "read": "^app"}}"#;
    lessor.write("mq/roles/app", json!({ "tags": "management", "vhosts": vhosts })).await;
}

fn login(answer: &Value) -> (String, String) {
    let text = |name: &str| answer["data"][name].as_str().unwrap().to_owned();
    (text("username"), text("password"))
}

async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_does_what_its_role_allows_until_its_lease_ends_and_its_connection_is_cut() {
    let (broker, lessor) = (Rabbitmq::start(), Lessor::dev().await);
    configure(&lessor, &broker).await;
    lessor.write("mq/config/lease", json!({ "ttl": "8s", "max_ttl": "1h" })).await;
    let answer = lessor.read("mq/creds/app").await;
    assert_eq!((&answer["lease_duration"], &answer["renewable"]), (&json!(8), &json!(true)));
    let user = login(&answer);
    assert!(user.0.starts_with("root-") && user.1.len() == 36, "{user:?}");
    assert!(broker.accepts(&user.0, &user.1));
    let allowed = broker.publish(&user, "/", "app.orders");
    assert_eq!(String::from_utf8_lossy(&allowed.stdout), "hello\n", "{}", String::from_utf8_lossy(&allowed.stderr));
    for (vhost, queue) in [("/", "other"), ("other/one", "app.orders")] {
        let refused = broker.publish(&user, vhost, queue);
        assert!(!refused.status.success(), "{vhost} {queue}");
    }
    let mut open = broker.stay(&user, "/");
    let begun = Instant::now();
    let status = tokio::task::spawn_blocking(move || open.wait().unwrap()).await.unwrap();
    assert!(!status.success() && begun.elapsed() < Duration::from_secs(20), "the connection outlived its lease");
    until("the user is gone", Duration::from_secs(5), || broker.made().is_empty()).await;
    assert!(!broker.publish(&user, "/", "app.orders").status.success() && !broker.accepts(&user.0, &user.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_root_rotation_only_lessor_knows_the_password_and_the_tags_are_what_they_were() {
    let (broker, lessor) = (Rabbitmq::start(), Lessor::dev().await);
    configure(&lessor, &broker).await;
    lessor.write("mq/config/rotate-root", json!({})).await;
    assert!(!broker.accepts(ROOT.0, ROOT.1));
    assert!(broker.api("GET", "users/root", "").1.contains("administrator"));
    let user = login(&lessor.read("mq/creds/app").await);
    assert!(broker.accepts(&user.0, &user.1));
    let shown = lessor.read("mq/config/connection").await["data"].clone();
    assert!(shown["username"] == "root" && shown.get("password").is_none(), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_user_is_overwritten_or_deleted() {
    let (broker, lessor) = (Rabbitmq::start(), Lessor::dev().await);
    configure(&lessor, &broker).await;
    assert_eq!(broker.api("PUT", "users/fixed", r#"{"password":"theirs","tags":"management"}"#).0, "201");
    let config = json!({
        "connection_uri": broker.uri(), "username": ROOT.0, "password": ROOT.1, "username_template": "fixed",
    });
    lessor.write("mq/config/connection", config).await;
    let (status, text) = lessor.refused(Request::get("mq/creds/app")).await;
    assert!(status == 400 && text.contains("has a user"), "{status} {text}");
    assert!(broker.accepts("fixed", "theirs"));
    // The same template again, for a user that is Lessor's own.
    assert_eq!(broker.api("DELETE", "users/fixed", "").0, "204");
    let first = lessor.read("mq/creds/app").await;
    assert_eq!(lessor.refused(Request::get("mq/creds/app")).await.0, 400);
    let user = login(&first);
    assert!(broker.accepts(&user.0, &user.1), "the second request changed the first one's password");
    lessor.write("sys/leases/revoke", json!({ "lease_id": first["lease_id"], "sync": true })).await;
    assert!(broker.made().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_while_the_broker_is_away_is_gone_soon_after_its_return() {
    let (mut broker, lessor) = (Rabbitmq::start(), Lessor::dev().await);
    configure(&lessor, &broker).await;
    lessor.write("mq/config/lease", json!({ "ttl": "15s" })).await;
    let asked = (0..16).map(|_| lessor.read("mq/creds/app"));
    let made = futures::future::join_all(asked).await;
    assert_eq!((made.len(), broker.made().len()), (16, 16));
    broker.stop();
    let (status, text) = lessor.refused(Request::get("mq/creds/app")).await;
    assert!(status >= 500 && text.contains("RabbitMQ"), "{status} {text}");
    tokio::time::sleep(Duration::from_secs(16)).await;
    broker.resume();
    until("all users are gone", Duration::from_secs(10), || broker.made().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_reach_the_broker_as_they_are_and_reconcile_finds_what_has_no_lease() {
    let (broker, lessor) = (Rabbitmq::start(), Lessor::dev().await);
    configure(&lessor, &broker).await;
    let config = json!({
        "connection_uri": broker.uri(), "username": ROOT.0, "password": ROOT.1,
        "username_template": "a/b?c=#%41 ü\"{{random 8}}",
    });
    lessor.write("mq/config/connection", config).await;
    let answer = lessor.read("mq/creds/app").await;
    let user = login(&answer);
    assert!(user.0.starts_with("a/b?c=#%41 ü\""), "{user:?}");
    assert!(broker.publish(&user, "/", "app.q").status.success());
    let report = lessor.write("sys/reconcile/mq", json!({})).await;
    assert_eq!(report["data"]["orphans"], json!([]), "{report}");
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
    assert!(broker.made().is_empty());
    for (fields, status) in [
        (json!({}), 400),
        (json!({ "vhosts": "{" }), 400),
        (json!({ "vhosts": { "/": { "wrong": "x" } } }), 400),
        (json!({ "tags": "x", "vhost_topics": "[]" }), 400),
    ] {
        assert_eq!(lessor.refused(Request::put("mq/roles/bad", fields.clone())).await.0, status, "{fields}");
    }
    let wrong = json!({ "connection_uri": "http://127.0.0.1:1", "username": "a", "password": "b" });
    assert_eq!(lessor.refused(Request::put("mq/config/connection", wrong)).await.0, 400);
}
