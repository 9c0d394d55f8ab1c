//! Loans through the paths, over a directory in memory; and a failure at every single call of a check-in.
use crate::sim::simulation;
use async_trait::async_trait;
use lessor_engine::Operation::{Read, Update};
use lessor_engine::simulation::{Interrupt, Moment, Platform};
use lessor_engine::{Grant, Outcome};
use lessor_mountkit::Alone;
use lessor_storage::{Hook, MemoryStorage};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Fails one call, the n-th from now on.
#[derive(Default)]
struct Failing(AtomicI64);

impl Failing {
    fn hits(&self) -> bool {
        self.0.fetch_sub(1, Ordering::SeqCst) == 1
    }
}

#[async_trait]
impl Hook for Failing {
    async fn before(&self, _: &str) -> lessor_storage::Result<()> {
        if self.hits() { Err(lessor_storage::Error::Unavailable("injected".into())) } else { Ok(()) }
    }
    async fn after(&self, _: &str) -> lessor_storage::Result<()> {
        self.before("").await
    }
}

/// The directory goes away before the n-th call to it.
struct Down(Arc<Failing>, Arc<dyn Platform>);

#[async_trait]
impl Interrupt for Down {
    async fn at(&self, _: &'static str, _: Moment) {
        if self.0.hits() {
            self.1.set_down(true);
        }
    }
}

struct Set {
    mount: Alone,
    platform: Arc<dyn Platform>,
    failing: Arc<Failing>,
}

impl Set {
    async fn new() -> Self {
        let simulation = simulation();
        let failing = Arc::new(Failing::default());
        let storage = Arc::new(MemoryStorage::new()).with_hook(failing.clone() as Arc<dyn Hook>);
        let mount = Alone::new(simulation.factory.as_ref(), "ldap/", &[], Arc::new(storage));
        for step in &simulation.setup {
            mount.write(&step.path, Value::Object(step.fields.clone())).await;
        }
        simulation.platform.interrupt(Arc::new(Down(failing.clone(), simulation.platform.clone())));
        mount.write("library/a/set", json!({ "service_account_names": "legacy" })).await;
        Self { mount, platform: simulation.platform, failing }
    }
    async fn lend(&self) -> (Grant, Value) {
        let Outcome::Issue(issue) = self.mount.reply(Update, "library/a/set/check-out", json!({})).await.outcome else {
            panic!("nothing is lent")
        };
        let dynamic = self.mount.backend.dynamic.clone().unwrap();
        let lent = dynamic.create(&self.mount.cx, &issue.grant).await.unwrap();
        let grant = Grant { data: lent.grant_data.unwrap(), ..issue.grant };
        (grant, Value::Object(lent.data))
    }
    fn accepts(&self, lent: &Value) -> bool {
        let data = json!({ "username": lent["service_account_name"], "password": lent["password"] });
        self.platform.accepts(data.as_object().unwrap())
    }
}

#[tokio::test]
async fn whatever_fails_during_a_check_in_the_next_borrower_has_the_password_and_the_last_one_has_not() {
    let mut points = 0;
    for point in 1.. {
        let set = Set::new().await;
        let (grant, first) = set.lend().await;
        assert!(set.accepts(&first));
        let dynamic = set.mount.backend.dynamic.clone().unwrap();
        set.failing.0.store(point, Ordering::SeqCst);
        let ended = dynamic.revoke(&set.mount.cx, &grant).await;
        let failed = set.failing.0.load(Ordering::SeqCst) <= 0;
        set.failing.0.store(0, Ordering::SeqCst);
        set.platform.set_down(false);
        assert!(failed || ended.is_ok());
        // As core does until it succeeds; and once more, which changes nothing.
        dynamic.revoke(&set.mount.cx, &grant).await.unwrap();
        dynamic.revoke(&set.mount.cx, &grant).await.unwrap();
        assert!(!set.accepts(&first), "point {point}: the last borrower's password works");
        let (_, second) = set.lend().await;
        assert!(set.accepts(&second), "point {point}: the next borrower's password does not work");
        if !failed {
            break;
        }
        points = point;
    }
    assert!(points > 8, "{points} points");
}

#[tokio::test]
async fn the_lease_of_an_earlier_loan_does_nothing_to_the_next_borrower() {
    let set = Set::new().await;
    let (stale, _) = set.lend().await;
    let reply = set.mount.reply(Update, "library/manage/a/set/check-in", json!({})).await;
    assert_eq!((reply.ended[0].path.as_str(), &reply.ended[0].name), ("library/a/set/check-out", &stale.name));
    let (_, next) = set.lend().await;
    let dynamic = set.mount.backend.dynamic.clone().unwrap();
    dynamic.revoke(&set.mount.cx, &stale).await.unwrap();
    assert!(set.accepts(&next));
    assert!(dynamic.renew(&set.mount.cx, &stale, set.mount.cx.now()).await.is_err());
    let state = set.mount.ok(Read, "library/a/set/status", json!({})).await.data();
    assert_eq!(state["legacy"]["available"], false);
}

#[tokio::test]
async fn an_account_belongs_to_one_set_or_role_and_names_of_paths_are_refused() {
    let set = Set::new().await;
    let body = json!({ "service_account_names": "LEGACY" });
    let (status, why) = set.mount.refused("library/other", body.clone()).await;
    assert!(status == 400 && why.contains("already managed"), "{why}");
    let role = json!({ "username": "legacy", "rotation_period": "1h" });
    assert_eq!(set.mount.refused("static-role/x", role).await.0, 400);
    for name in ["manage", "manage/x", "a//b"] {
        assert_eq!(set.mount.refused(&format!("library/{name}"), body.clone()).await.0, 400, "{name}");
    }
    let bounds = json!({ "service_account_names": "legacy", "ttl": 60, "max_ttl": 30 });
    assert_eq!(set.mount.refused("library/a/set", bounds).await.0, 400);
    assert_eq!(set.mount.list("library").await, ["a/"]);
    assert_eq!(set.mount.list("library/a").await, ["set"]);
}
