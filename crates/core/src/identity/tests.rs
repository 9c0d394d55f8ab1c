use super::aliases::Place;
use super::entities::{By, EntityWrite};
use super::groups::{GroupAliasWrite, GroupWrite};
use super::mfa::Proofs;
use super::record::GroupKind;
use super::{Identity, LoginAt};
use jiff::Timestamp;
use lessor_engine::{Alias, Clock, Error};
use lessor_storage::{FaultHook, Hook, MemoryStorage, Moment, Outcome, Storage};
use std::sync::Arc;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-11-01T00:00:00Z".parse().unwrap()
    }
}

const AT: LoginAt<'static> =
    LoginAt { namespace: "", accessor: "userpass_1", path: "auth/userpass/", kind: "userpass" };

fn over(storage: impl Storage + 'static) -> Arc<Identity> {
    Arc::new(Identity::new(Arc::new(storage), Arc::new(Fixed)))
}

fn bob() -> Alias {
    Alias { name: "bob".to_owned(), ..Alias::default() }
}

async fn login(identity: &Identity) -> String {
    identity.on_login(&AT, &bob(), &[]).await.unwrap().entity_id
}

/// An external group with an alias at the mount of [`AT`].
async fn external(identity: &Identity, name: &str, policy: &str) -> String {
    let write = GroupWrite {
        name: Some(name.to_owned()),
        kind: Some(GroupKind::External),
        policies: Some(vec![policy.to_owned()]),
        ..GroupWrite::default()
    };
    let id = identity.write_group("", &write).await.unwrap().unwrap().id;
    let place = Place { accessor: AT.accessor.to_owned(), ..Place::default() };
    let alias = GroupAliasWrite { id: None, name: name.to_owned(), place, canonical_id: Some(id.clone()) };
    identity.write_group_alias("", &alias).await.unwrap();
    id
}

async fn policies(identity: &Identity, entity: &str) -> Vec<String> {
    identity.subject("", entity).await.unwrap().unwrap().policies.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_first_logins_of_one_alias_at_once_make_one_entity() {
    let storage = MemoryStorage::new();
    let nodes = [over(storage.clone()), over(storage.clone())];
    let logins = (0..32).map(|at| {
        let identity = Arc::clone(&nodes[at % 2]);
        tokio::spawn(async move { identity.on_login(&AT, &bob(), &[]).await.unwrap() })
    });
    let mut ids = std::collections::BTreeSet::new();
    let mut made = 0;
    for known in futures::future::join_all(logins).await {
        let known = known.unwrap();
        made += usize::from(known.created);
        ids.insert(known.entity_id);
    }
    assert_eq!((ids.len(), made), (1, 1));
    assert_eq!(storage.scan("identity//entity/id/", None, 100).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_login_that_changes_nothing_writes_nothing() {
    let storage = MemoryStorage::new();
    let identity = over(storage.clone());
    login(&identity).await;
    let before = storage.scan("", None, 100).await.unwrap();
    login(&identity).await;
    assert_eq!(storage.scan("", None, 100).await.unwrap(), before);
}

#[tokio::test]
async fn external_groups_follow_what_the_platform_says_at_each_login() {
    let identity = over(MemoryStorage::new());
    external(&identity, "devs", "dev").await;
    external(&identity, "ops", "op").await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let entity = identity.on_login(&AT, &bob(), &names(&["devs", "unknown"])).await.unwrap().entity_id;
    assert_eq!(policies(&identity, &entity).await, ["dev"]);
    identity.on_renew(&AT, &entity, &names(&["OPS"])).await.unwrap();
    assert_eq!(policies(&identity, &entity).await, ["op"]);
    let elsewhere = LoginAt { accessor: "userpass_2", ..AT };
    identity.on_renew(&elsewhere, &entity, &[]).await.unwrap();
    assert_eq!(policies(&identity, &entity).await, ["op"], "another mount does not end it");
}

#[tokio::test]
async fn policies_of_groups_are_inherited_and_a_change_on_another_node_is_in_force_at_once() {
    let storage = MemoryStorage::new();
    let (identity, other) = (over(storage.clone()), over(storage));
    let entity = login(&identity).await;
    let group = |name: &str, policy: &str| GroupWrite {
        name: Some(name.to_owned()),
        policies: Some(vec![policy.to_owned()]),
        ..GroupWrite::default()
    };
    let members = Some(vec![entity.clone()]);
    let inner = GroupWrite { member_entities: members, ..group("inner", "a") };
    let inner = identity.write_group("", &inner).await.unwrap().unwrap().id;
    let outer = GroupWrite { member_groups: Some(vec![inner]), ..group("outer", "b") };
    other.write_group("", &outer).await.unwrap();
    assert_eq!(policies(&identity, &entity).await, ["a", "b"]);
    other.write_group("", &group("outer", "c")).await.unwrap();
    assert_eq!(policies(&identity, &entity).await, ["a", "c"]);
    other.delete_group("", By::Name("outer")).await.unwrap();
    assert_eq!(policies(&identity, &entity).await, ["a"]);
}

#[tokio::test]
async fn a_disabled_or_deleted_entity_is_nobody() {
    let identity = over(MemoryStorage::new());
    let entity = login(&identity).await;
    let disable =
        |disabled| EntityWrite { id: Some(entity.clone()), disabled: Some(disabled), ..EntityWrite::default() };
    identity.write_entity("", &disable(true)).await.unwrap();
    assert!(identity.subject("", &entity).await.unwrap().is_none());
    assert!(matches!(identity.on_login(&AT, &bob(), &[]).await, Err(Error::Forbidden(_))));
    identity.write_entity("", &disable(false)).await.unwrap();
    assert!(identity.subject("", &entity).await.unwrap().is_some());
    identity.delete_entity("", By::Id(&entity)).await.unwrap();
    assert!(identity.subject("", &entity).await.unwrap().is_none());
    assert_ne!(login(&identity).await, entity);
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let identity = over(MemoryStorage::new());
    let inside = LoginAt { namespace: "team/", ..AT };
    let there = identity.on_login(&inside, &bob(), &[]).await.unwrap().entity_id;
    assert_ne!(login(&identity).await, there);
    assert!(identity.subject("", &there).await.unwrap().is_none());
    assert!(identity.subject("team/", &there).await.unwrap().is_some());
}

#[tokio::test]
async fn a_login_that_fails_at_any_storage_call_leaves_all_or_nothing() {
    for call in 0..32 {
        let (call, moment) = (call / 2, if call % 2 == 0 { Moment::Before } else { Moment::After });
        let storage = MemoryStorage::new();
        external(&over(storage.clone()), "devs", "dev").await;
        let before = storage.scan("", None, 100).await.unwrap();
        let failing = over(storage.with_hook(Arc::new(FaultHook::at(call, moment, Outcome::Fail)) as Arc<dyn Hook>));
        let groups = ["devs".to_owned()];
        let failed = failing.on_login(&AT, &bob(), &groups).await.is_err();
        if failed {
            let after = storage.scan("", None, 100).await.unwrap();
            assert!(after == before || after.len() == before.len() + 5, "half a login was written");
        }
        let entity = over(storage.clone()).on_login(&AT, &bob(), &groups).await.unwrap().entity_id;
        assert_eq!(policies(&over(storage.clone()), &entity).await, ["dev"]);
        if !failed {
            return;
        }
    }
    panic!("a login has fewer storage calls");
}

#[test]
fn mfa_headers_name_a_method_and_may_carry_a_passcode() {
    assert!(Proofs::from_headers(std::iter::empty()).is_empty());
    assert!(!Proofs::from_headers(["duo", "totp:123456"].into_iter()).is_empty());
}
