use super::*;
use crate::policy::{Ask, Change};
use lessor_engine::Operation;
use lessor_storage::MemoryStorage;
use serde_json::Map;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn change(text: &str) -> Change {
    Change { text: Some(text.to_owned()), ..Change::default() }
}

const READ: &str = "path \"a\" { capabilities = [\"read\"] }";
const LIST: &str = "path \"a\" { capabilities = [\"list\"] }";

async fn granted(policies: &Policies, namespace: &str, now: i64) -> Vec<&'static str> {
    policies.acl(namespace, &["p".to_owned()], None, at(now)).await.unwrap().capabilities(&format!("{namespace}a"))
}

#[tokio::test]
async fn a_write_through_another_node_is_seen_at_the_next_question() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
    let (one, other) = (Policies::new(Arc::clone(&storage)), Policies::new(storage));
    assert_eq!(granted(&one, "", 0).await, ["deny"]);
    for _ in 0..3 {
        other.put("", "p", &change(READ), at(0)).await.unwrap();
        assert_eq!(granted(&one, "", 0).await, ["read"]);
        other.put("", "P ", &change(LIST), at(0)).await.unwrap();
        assert_eq!(granted(&one, "", 0).await, ["list"]);
        other.delete("", "p").await.unwrap();
        assert_eq!(granted(&one, "", 0).await, ["deny"]);
    }
}

#[tokio::test]
async fn tables_are_built_once() {
    let policies = Policies::new(Arc::new(MemoryStorage::new()));
    policies.put("", "p", &change(READ), at(0)).await.unwrap();
    let names = ["default".to_owned(), "p".to_owned()];
    let first = policies.acl("", &names, None, at(0)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &policies.acl("", &names, None, at(1)).await.unwrap()));
    // Whoever has no entity, and whoever has one that no template speaks of, share a table; the others share by name.
    let anna = Subject { id: "1".into(), name: "anna".into(), ..Subject::default() };
    let first = policies.acl("", &names, Some(&anna), at(0)).await.unwrap();
    assert!(Arc::ptr_eq(&first, &policies.acl("", &names, Some(&anna), at(0)).await.unwrap()));
    assert_eq!(first.capabilities("identity/entity/name/anna"), ["read"]);
    let renamed = Subject { name: "bob".into(), ..anna };
    let renamed = policies.acl("", &names, Some(&renamed), at(0)).await.unwrap();
    assert_eq!(renamed.capabilities("identity/entity/name/anna"), ["deny"]);
}

#[tokio::test]
async fn namespaces_have_policies_of_their_own() {
    let policies = Policies::new(Arc::new(MemoryStorage::new()));
    policies.put("", "p", &change(READ), at(0)).await.unwrap();
    policies.put("t/", "p", &change(LIST), at(0)).await.unwrap();
    policies.put("", "t/p", &change(READ), at(0)).await.unwrap();
    assert_eq!(granted(&policies, "", 0).await, ["read"]);
    assert_eq!(granted(&policies, "t/", 0).await, ["list"]);
    assert_eq!(policies.list("", "", at(0)).await.unwrap(), ["default", "p", "root", "t/p"]);
    assert_eq!(policies.list("t/", "", at(0)).await.unwrap(), ["default", "p"]);
    assert!(policies.exists("", "default", at(0)).await.unwrap());
    assert!(!policies.exists("", "none", at(0)).await.unwrap());
}

#[tokio::test]
async fn what_expired_grants_nothing_from_that_moment_on() {
    let policies = Policies::new(Arc::new(MemoryStorage::new()));
    let short = Change { expires: Some(at(10)), ..change(READ) };
    policies.put("", "p", &short, at(0)).await.unwrap();
    assert_eq!(granted(&policies, "", 9).await, ["read"]);
    assert_eq!(granted(&policies, "", 10).await, ["deny"]);
    assert!(!policies.exists("", "p", at(10)).await.unwrap());
    assert_eq!(policies.list("", "p", at(10)).await.unwrap(), [""; 0]);
    let rule = "path \"a\" { capabilities = [\"read\"] expiration = 30 }";
    policies.put("", "p", &change(rule), at(20)).await.unwrap();
    assert_eq!(granted(&policies, "", 29).await, ["read"]);
    assert_eq!(granted(&policies, "", 30).await, ["deny"]);
}

#[tokio::test]
async fn of_two_writers_that_name_a_version_one_wins() {
    let policies = Arc::new(Policies::new(Arc::new(MemoryStorage::new())));
    policies.put("", "p", &change(READ), at(0)).await.unwrap();
    let writers = (0..8).map(|_| {
        let policies = Arc::clone(&policies);
        tokio::spawn(
            async move { policies.put("", "p", &Change { cas: Some(1), ..change(LIST) }, at(0)).await.is_ok() },
        )
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        won += usize::from(writer.await.unwrap());
    }
    assert_eq!(won, 1);
    assert_eq!(policies.read("", "p", at(0)).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_thousand_sets_are_not_kept_for_ever() {
    let policies = Policies::new(Arc::new(MemoryStorage::new()));
    for at_set in 0..REMEMBERED + 10 {
        policies.acl("", &[format!("x{at_set}")], None, at(0)).await.unwrap();
    }
    assert!(lock(&policies.remembered).count <= REMEMBERED);
}

#[tokio::test]
async fn without_storage_nobody_is_let_in() {
    struct Broken;
    #[async_trait::async_trait]
    impl Storage for Broken {
        async fn get(&self, _: &str) -> lessor_storage::Result<Option<lessor_storage::Entry>> {
            Err(lessor_storage::Error::Unavailable("down".into()))
        }
        async fn scan(&self, _: &str, _: Option<&str>, _: usize) -> lessor_storage::Result<Vec<lessor_storage::Entry>> {
            Err(lessor_storage::Error::Unavailable("down".into()))
        }
        async fn commit(&self, _: Batch) -> lessor_storage::Result<()> {
            Err(lessor_storage::Error::Unavailable("down".into()))
        }
    }
    assert!(Policies::new(Arc::new(Broken)).acl("", &["p".to_owned()], None, at(0)).await.is_err());
}

#[tokio::test]
async fn a_root_token_asks_for_no_policy_text() {
    let policies = Policies::new(Arc::new(MemoryStorage::new()));
    let acl = policies.acl("", &["root".to_owned()], None, at(0)).await.unwrap();
    let fields = Map::new();
    let ask = Ask { path: "sys/seal", operation: Operation::Update, fields: &fields, wrap_ttl: None, sudo: true };
    let decision = acl.decide(&ask);
    assert!(decision.allowed && &*decision.granting[0].name == "root");
}
