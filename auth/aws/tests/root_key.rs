//! The key of whoever asks AWS is replaced in two phases: whatever dies between them, one of the two works.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod moto;
#[path = "../../support.rs"]
mod support;

use lessor_auth_aws::AwsFactory;
use lessor_engine::{Operation, Outcome, Rotating, Rotation, Works};
use moto::{Key, Moto};
use serde_json::{Value, json};
use std::sync::Arc;
use support::Method;

struct Set {
    moto: Moto,
    method: Method,
    old: Key,
}

impl Set {
    /// moto checks keys, and the mount has one of a user of its own.
    async fn new() -> Self {
        let moto = Moto::strict();
        let old = moto.user("asker", "/");
        let (method, at) = (Method::new(&AwsFactory), &moto.endpoint);
        let config = json!({
            "access_key": old.id, "secret_key": old.secret, "iam_endpoint": at, "sts_endpoint": at, "max_retries": 0,
        });
        method.write("config/client", config).await;
        Self { moto, method, old }
    }
    /// As a process that has just started finds it.
    fn rotating(&self) -> Arc<dyn Rotating> {
        use lessor_engine::Factory;
        AwsFactory.create(&Default::default()).unwrap().rotating.unwrap()
    }
    async fn plan(&self) -> Rotation {
        self.rotating().plan(&self.method.cx, "root").await.unwrap()
    }
    async fn apply(&self, rotation: &Rotation) -> Rotation {
        let data = self.rotating().apply(&self.method.cx, rotation).await.unwrap();
        Rotation { data, ..rotation.clone() }
    }
    async fn settle(&self, rotation: &Rotation) -> Works {
        self.rotating().settle(&self.method.cx, rotation).await.unwrap()
    }
    async fn commit(&self, rotation: &Rotation) {
        let changes = self.rotating().commit(&self.method.cx, rotation).await.unwrap();
        self.method.cx.view.commit(changes).await.unwrap();
    }
    fn keys(&self) -> Vec<String> {
        let keys = "print(json.dumps([k['AccessKeyId'] for k in \
                    iam.list_access_keys(UserName='asker')['AccessKeyMetadata']]))";
        serde_json::from_str(&self.moto.python(keys)).unwrap()
    }
    async fn current(&self) -> Value {
        self.method.read("config/client").await["access_key"].clone()
    }
}

fn new_id(rotation: &Rotation) -> String {
    rotation.data["new"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_new_key_is_tried_before_it_counts_and_the_old_one_goes_last() {
    let set = Set::new().await;
    let reply = set.method.reply(Operation::Update, "config/rotate-root", Value::Null).await;
    assert!(matches!(reply.outcome, Outcome::Rotate(subject) if subject == "root"));
    let applied = set.apply(&set.plan().await).await;
    assert_eq!(set.current().await, set.old.id);
    set.rotating().verify(&set.method.cx, &applied).await.unwrap();
    set.commit(&applied).await;
    assert_eq!(set.current().await, new_id(&applied));
    assert!(set.moto.accepts(&set.old));
    for _ in 0..2 {
        // Repeated until it succeeds: already gone is success.
        set.rotating().retire(&set.method.cx, &applied).await.unwrap();
    }
    assert_eq!(set.keys(), [new_id(&applied)]);
    assert!(!set.moto.accepts(&set.old));
    let answer = set.rotating().answer(&set.method.cx, &applied).await.unwrap().unwrap();
    assert_eq!(json!(answer), json!({ "access_key": new_id(&applied) }));
    // The mount goes on with it.
    set.method.write("role/r", json!({ "bound_iam_principal_arn": "arn:aws:iam::123456789012:user/asker" })).await;
}

#[tokio::test]
async fn after_a_death_at_any_step_one_key_works_and_no_other_is_left() {
    let set = Set::new().await;
    // Before AWS heard of it.
    let planned = set.plan().await;
    assert_eq!(set.settle(&planned).await, Works::Old);
    // AWS made a key, and its answer was lost.
    set.apply(&planned).await;
    assert_eq!(set.keys().len(), 2);
    assert_eq!(set.settle(&planned).await, Works::Old);
    assert_eq!(set.keys(), [set.old.id.as_str()]);
    assert!(set.moto.accepts(&set.old));
    // The answer was kept.
    let applied = set.apply(&planned).await;
    assert_eq!(set.settle(&applied).await, Works::New);
    assert_eq!(set.current().await, set.old.id);
    set.commit(&applied).await;
    set.rotating().retire(&set.method.cx, &applied).await.unwrap();
    assert_eq!(set.keys(), [new_id(&applied)]);
    // The answer was kept, and the key is gone again.
    let planned = set.plan().await;
    let applied = set.apply(&planned).await;
    set.moto.python(&format!("iam.delete_access_key(UserName='asker', AccessKeyId='{}')", new_id(&applied)));
    assert_eq!(set.settle(&applied).await, Works::Old);
}

#[tokio::test]
async fn a_key_that_an_operator_wrote_meanwhile_is_kept() {
    let set = Set::new().await;
    let applied = set.apply(&set.plan().await).await;
    let (id, secret) = (&set.moto.root.id, &set.moto.root.secret);
    set.method.write("config/client", json!({ "access_key": id, "secret_key": secret })).await;
    let error = set.rotating().commit(&set.method.cx, &applied).await.err().unwrap();
    assert!(error.to_string().contains("another key meanwhile"), "{error}");
    assert_eq!(set.settle(&applied).await, Works::Old);
    assert_eq!((set.current().await, set.keys()), (json!(id), vec![set.old.id.clone()]));
}

#[tokio::test]
async fn nothing_is_decided_while_aws_does_not_answer() {
    let mut set = Set::new().await;
    let planned = set.plan().await;
    set.moto.stop();
    let (rotating, cx) = (set.rotating(), &set.method.cx);
    assert_eq!(rotating.plan(cx, "root").await.err().unwrap().status(), 500);
    assert_eq!(rotating.settle(cx, &planned).await.err().unwrap().status(), 500);
}

#[tokio::test]
async fn what_cannot_be_rotated_is_refused_and_a_schedule_is_kept() {
    let set = Set::new().await;
    let (rotating, cx) = (set.rotating(), &set.method.cx);
    set.moto.python("iam.create_access_key(UserName='asker')");
    let error = rotating.plan(cx, "root").await.err().unwrap();
    assert!(error.status() == 400 && error.to_string().contains("two access keys"), "{error}");
    assert_eq!(rotating.next(cx, "root").await.unwrap(), None);
    set.method.write("config/client", json!({ "rotation_period": 3600, "rotation_policy": "p" })).await;
    let due = rotating.next(cx, "root").await.unwrap().unwrap();
    assert!((3500..=3600).contains(&due.duration_since(cx.now()).as_secs()));
    assert_eq!(rotating.policy(cx, "root").await.unwrap(), "p");
    set.method.write("config/client", json!({ "disable_automated_rotation": true })).await;
    assert_eq!(rotating.next(cx, "root").await.unwrap(), None);
    set.method.write("config/client", json!({ "access_key": "", "secret_key": "" })).await;
    let (status, error) = set.method.refused("config/rotate-root", Value::Null).await;
    assert_eq!((status, error.as_str()), (400, "can't update access_key because it's unset"));
    set.method.delete("config/client").await;
    let (status, error) = set.method.refused("config/rotate-root", Value::Null).await;
    assert_eq!((status, error.as_str()), (400, "can't update client config because it's unset"));
}
