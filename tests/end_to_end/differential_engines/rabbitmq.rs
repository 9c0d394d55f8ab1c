//! The `rabbitmq` engine, with one broker for both.
use super::Both;
use crate::targets::rabbitmq::{ADMIN, Rabbitmq};
use serde_json::json;

const BEFORE: &str = r#"
POST sys/mounts/mq {"type":"rabbitmq"}
POST mq/config/connection {}
POST mq/config/connection {"connection_uri":"http://127.0.0.1:1"}
POST mq/config/connection {"connection_uri":"http://127.0.0.1:1","username":"u"}
GET mq/config/connection ~~ reading the configuration ~~ 404 ~~ errors
GET mq/config/lease
POST mq/config/lease {"ttl":"soon"}
POST mq/config/lease {"ttl":"1h","max_ttl":7200}
GET mq/config/lease
LIST mq/roles
GET mq/roles/app
POST mq/roles/app {}
POST mq/roles/app {"vhost_topics":"{}"}
POST mq/roles/app {"tags":"management, monitoring"}
GET mq/roles/app
POST mq/roles/app {"vhosts":"{\"/shop\":{\"configure\":\"\",\"write\":\".*\",\"read\":\".*\"}}","vhost_topics":"{\"/shop\":{\"amq.topic\":{\"write\":\"^a\",\"read\":\"^b\"}}}"}
GET mq/roles/app
POST mq/roles/part {"vhosts":"{\"/shop\":{\"read\":\".*\"}}"}
GET mq/roles/part
POST mq/roles/object {"vhosts":{"/shop":{"read":".*"}}} ~~ objects beside texts ~~ 204 ~~ null
DELETE mq/roles/object
LIST mq/roles
GET mq/creds/none
POST mq/creds/app
LIST mq/creds/app
"#;

const AFTER: &str = r#"
GET mq/creds/app
GET mq/creds/part
POST mq/config/lease {}
GET mq/config/lease
DELETE mq/roles/part
DELETE mq/roles/part
GET mq/roles/part
GET mq/creds/part
GET mq/roles/-bad
PUT sys/leases/revoke-prefix/mq {"sync":true}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_rabbitmq_engine_answers_as_the_peer_does() {
    let broker = tokio::task::spawn_blocking(Rabbitmq::start).await.unwrap();
    assert_eq!(broker.api("PUT", "vhosts/%2Fshop", "").0, "201");
    let mut both = Both::start().await;
    both.without(&["username"], &[]);
    both.all(BEFORE);
    let body = json!({ "connection_uri": broker.uri(), "username": ADMIN.0, "password": ADMIN.1 }).to_string();
    both.same("POST", "mq/config/connection", &body);
    both.all(AFTER);
    both.leases("mq/creds/app");
    assert!(broker.made().is_empty());
    both.finish(35);
}
