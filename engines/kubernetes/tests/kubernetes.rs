//! Protocol only: the engine against an API server that checks what it is asked.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod api_server;
use api_server::{ApiServer, token};
use lessor_engine::Operation::{Read, Update};
use lessor_engine::{Clock, Context, Credential, Dynamic, Grant, Issue, Outcome, Result, Rotation, Timestamp};
use lessor_engine_kubernetes::{Surroundings, factory_in};
use lessor_mountkit::Alone;
use lessor_storage::MemoryStorage;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

fn outside() -> Surroundings {
    Surroundings { host: String::new(), port: String::new(), files: PathBuf::from("/nonexistent") }
}

fn mount(surroundings: Surroundings) -> Alone {
    Alone::new(factory_in(surroundings).as_ref(), "k/", &[], Arc::new(MemoryStorage::new()))
}

async fn configured() -> (ApiServer, Alone) {
    let (server, k) = (ApiServer::start(), mount(outside()));
    let config =
        json!({ "kubernetes_host": server.address, "service_account_jwt": "jwt", "disable_local_ca_jwt": true });
    k.write("config", config).await;
    k.write("roles/reader", json!({ "allowed_kubernetes_namespaces": "shop,pay", "service_account_name": "reader" }))
        .await;
    k.write("roles/edit", json!({
        "allowed_kubernetes_namespace_selector": r#"{"matchLabels":{"team":"shop"}}"#, "kubernetes_role_name": "edit",
        "kubernetes_role_type": "clusterrole", "token_default_ttl": "30m", "token_max_ttl": "1h",
    }))
    .await;
    k.write(
        "roles/pods",
        json!({
            "allowed_kubernetes_namespaces": "*", "extra_labels": "cost=42", "extra_annotations": { "a": "b" },
            "generated_role_rules": "rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get, list]}]",
            "token_default_audiences": "one",
        }),
    )
    .await;
    (server, k)
}

struct Issued {
    issue: Issue,
    made: Result<Credential>,
}

impl Issued {
    /// What the lease keeps.
    fn grant(&self) -> Grant {
        let data = self.made.as_ref().ok().unwrap().grant_data.clone().unwrap();
        Grant { data, ..self.issue.grant.clone() }
    }
}

fn dynamic(k: &Alone) -> (Arc<dyn Dynamic>, Context) {
    (k.backend.dynamic.clone().unwrap(), k.context())
}

async fn issue(k: &Alone, role: &str, fields: Value) -> Issued {
    let Outcome::Issue(issue) = k.reply(Update, &format!("creds/{role}"), fields).await.outcome else {
        panic!("no issue")
    };
    let (dynamic, cx) = dynamic(k);
    let made = dynamic.create(&cx, &issue.grant).await;
    Issued { issue: *issue, made }
}

#[tokio::test]
async fn protocol_only_a_token_of_an_existing_account_makes_nothing_and_lives_no_shorter_than_its_lease() {
    let (server, k) = configured().await;
    let issued = issue(&k, "reader", json!({ "kubernetes_namespace": "shop", "ttl": "20m" })).await;
    assert_eq!(server.asked(), ["POST /api/v1/namespaces/shop/serviceaccounts/reader/token"]);
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "audiences": [], "expirationSeconds": 1200 },
    });
    assert_eq!(server.state.lock().unwrap().bodies[0], body);
    assert_eq!(server.state.lock().unwrap().bearers[0], "jwt");
    assert!(!issued.issue.grant.revocable && !issued.issue.renewable);
    let made = issued.made.unwrap();
    assert_eq!((&made.data["service_account_name"], made.ttl), (&json!("reader"), None));
    server.state.lock().unwrap().longest = 900;
    let made = issue(&k, "reader", json!({ "kubernetes_namespace": "shop", "ttl": "20m" })).await.made.unwrap();
    assert_eq!(made.ttl.unwrap().as_secs(), 900);
}

#[tokio::test]
async fn protocol_only_everything_that_was_made_goes_account_first_without_a_garbage_collector() {
    let (server, k) = configured().await;
    let issued = issue(&k, "pods", json!({ "kubernetes_namespace": "pay" })).await;
    let name = issued.made.as_ref().ok().unwrap().data["service_account_name"].as_str().unwrap().to_owned();
    let rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/pay";
    let (account, binding, role) = (
        format!("/api/v1/namespaces/pay/serviceaccounts/{name}"),
        format!("{rbac}/rolebindings/{name}"),
        format!("{rbac}/roles/{name}"),
    );
    assert_eq!(server.made(), [account.clone(), binding.clone(), role.clone()]);
    {
        let state = server.state.lock().unwrap();
        let (account, binding, role) = (&state.objects[&account], &state.objects[&binding], &state.objects[&role]);
        assert_eq!(role["rules"], json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]));
        let labels = &role["metadata"]["labels"];
        assert_eq!(
            (&labels["cost"], &labels["app.kubernetes.io/managed-by"]),
            (&json!("42"), &json!("HashiCorp-Vault"))
        );
        assert_eq!(role["metadata"]["annotations"], json!({ "a": "b" }));
        let owner = json!([{
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "name": name, "uid": role["metadata"]["uid"],
        }]);
        assert_eq!(
            (&binding["metadata"]["ownerReferences"], &account["metadata"]["ownerReferences"]),
            (&owner, &owner)
        );
        assert_eq!(
            binding["roleRef"],
            json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name })
        );
        assert_eq!(binding["subjects"], json!([{ "kind": "ServiceAccount", "name": name, "namespace": "pay" }]));
        assert_eq!(state.bodies.last().unwrap()["spec"]["audiences"], json!(["one"]));
    }
    server.asked();
    let (dynamic, cx) = dynamic(&k);
    dynamic.revoke(&cx, &issued.grant()).await.unwrap();
    assert_eq!(server.asked(), [&account, &binding, &role].map(|path| format!("DELETE {path}")));
    assert!(server.made().is_empty());
    dynamic.revoke(&cx, &issued.grant()).await.unwrap();
}

#[tokio::test]
async fn protocol_only_a_creation_that_failed_half_way_is_cleaned_up_and_nothing_of_others_is_touched() {
    let (server, k) = configured().await;
    server.state.lock().unwrap().refuse = Some(("POST", "/token", 500));
    let failed = issue(&k, "edit", json!({ "kubernetes_namespace": "shop", "cluster_role_binding": true })).await;
    assert!(failed.made.is_err());
    let made = server.made();
    assert!(
        made.len() == 2 && made[1].starts_with("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/"),
        "{made:?}"
    );
    let (dynamic, cx) = dynamic(&k);
    dynamic.revoke(&cx, &failed.issue.grant).await.unwrap();
    assert!(server.made().is_empty());
    server.state.lock().unwrap().refuse = None;
    // Two leases of one name: the second is refused, and its end is not that of the first.
    k.write("roles/edit", json!({ "name_template": "fixed" })).await;
    let first = issue(&k, "edit", json!({ "kubernetes_namespace": "shop" })).await;
    let second = issue(&k, "edit", json!({ "kubernetes_namespace": "shop" })).await;
    assert_eq!(second.made.err().unwrap().status(), 400);
    dynamic.revoke(&cx, &second.issue.grant).await.unwrap();
    assert_eq!(server.made().len(), 2);
    assert_eq!(dynamic.owned(&cx).await.unwrap()[0].name, "shop/fixed");
    let orphan = dynamic.grant_for(&cx, &dynamic.owned(&cx).await.unwrap()[0]).await.unwrap();
    dynamic.revoke(&cx, &orphan).await.unwrap();
    assert!(server.made().is_empty());
    dynamic.revoke(&cx, &first.grant()).await.unwrap();
}

#[tokio::test]
async fn protocol_only_a_deletion_that_is_refused_does_not_keep_the_rest_and_is_told() {
    let (server, k) = configured().await;
    let issued = issue(&k, "pods", json!({ "kubernetes_namespace": "pay" })).await;
    server.state.lock().unwrap().refuse = Some(("DELETE", "/rolebindings/", 403));
    let (dynamic, cx) = dynamic(&k);
    let error = dynamic.revoke(&cx, &issued.grant()).await.unwrap_err();
    assert!(!error.target_is_down() && error.to_string().contains("RoleBinding"), "{error}");
    assert_eq!(server.made().len(), 1);
    server.state.lock().unwrap().refuse = Some(("DELETE", "/", 503));
    assert!(dynamic.revoke(&cx, &issued.grant()).await.unwrap_err().target_is_down());
}

#[tokio::test]
async fn protocol_only_namespaces_are_allowed_by_name_or_by_their_labels() {
    let (server, k) = configured().await;
    for (role, namespace, allowed) in [
        ("reader", "pay", true),
        ("reader", "db", false),
        ("edit", "shop", true),
        ("edit", "pay", false),
        ("edit", "gone", false),
    ] {
        let fields = json!({ "kubernetes_namespace": namespace });
        let answer = k.ask(Update, &format!("creds/{role}"), fields).await.unwrap();
        assert_eq!(answer.is_ok(), allowed, "{role} {namespace}");
    }
    assert_eq!(server.asked().len(), 3, "only selectors ask");
    for (fields, text) in [
        (json!({}), "'kubernetes_namespace' is required"),
        (json!({ "kubernetes_namespace": "../../x" }), "no name of a namespace"),
    ] {
        let (status, error) = k.refused("creds/pods", fields).await;
        assert!(status == 400 && error.contains(text), "{error}");
    }
    let both = json!({ "kubernetes_namespace": "pay", "cluster_role_binding": true });
    assert_eq!(k.refused("creds/pods", both).await.1, "a ClusterRoleBinding cannot ref a Role");
    assert!(k.ask(Read, "creds/pods", Value::Null).await.is_none());
}

#[tokio::test]
async fn roles_have_one_mode_and_wrong_ones_are_refused() {
    let k = mount(outside());
    for (body, text) in [
        (json!({}), "one (at least) of allowed_kubernetes_namespaces"),
        (json!({ "allowed_kubernetes_namespaces": "a" }), "one (and only one) of"),
        (
            json!({ "allowed_kubernetes_namespaces": "a", "service_account_name": "s", "kubernetes_role_name": "r" }),
            "only one",
        ),
        (json!({ "allowed_kubernetes_namespaces": "a/b", "service_account_name": "s" }), "no name of a namespace"),
        (json!({ "allowed_kubernetes_namespaces": "a", "service_account_name": "s/../t" }), "no name of an account"),
        (json!({ "allowed_kubernetes_namespace_selector": "zz: [", "service_account_name": "s" }), "LabelSelector"),
        (json!({ "allowed_kubernetes_namespaces": "a", "generated_role_rules": "x: 1" }), "failed to parse"),
        (
            json!({ "allowed_kubernetes_namespaces": "a", "kubernetes_role_name": "r", "kubernetes_role_type": "x" }),
            "kubernetes_role_type",
        ),
        (
            json!({ "allowed_kubernetes_namespaces": "a", "service_account_name": "s", "name_template": "{{.Nope}}" }),
            "name template",
        ),
        (
            json!({ "allowed_kubernetes_namespaces": "a", "service_account_name": "s", "token_default_ttl": 7200, "token_max_ttl": 60 }),
            "cannot be greater",
        ),
    ] {
        let (status, error) = k.refused("roles/a", body).await;
        assert!(status == 400 && error.contains(text), "{text}: {status} {error}");
    }
    k.write("roles/A", json!({ "allowed_kubernetes_namespaces": "Web,web", "service_account_name": "s" })).await;
    let switched =
        json!({ "service_account_name": "", "kubernetes_role_name": "r", "kubernetes_role_type": "CLUSTERROLE" });
    k.write("roles/a", switched).await;
    let expected = json!({
        "allowed_kubernetes_namespace_selector": "", "allowed_kubernetes_namespaces": ["web"], "extra_annotations": null,
        "extra_labels": null, "generated_role_rules": "", "kubernetes_role_name": "r", "kubernetes_role_type": "ClusterRole",
        "name": "a", "name_template": "", "service_account_name": "", "token_default_audiences": null,
        "token_default_ttl": 0, "token_max_ttl": 0,
    });
    assert_eq!(k.read("roles/a").await.data(), expected);
    assert!(k.exists("roles/a").await && k.list("roles").await == ["a"]);
    k.delete("roles/a").await;
    assert!(k.read("roles/a").await.missing().is_none());
}

#[tokio::test]
async fn a_pods_token_is_read_again_whenever_it_is_used() {
    let server = ApiServer::start();
    let folder = tempfile::tempdir().unwrap();
    let within = Surroundings { host: "::1".to_owned(), port: "443".to_owned(), files: folder.path().to_owned() };
    let k = mount(within);
    assert!(k.read("check").await.is_empty());
    // Inside a cluster nothing has to be configured; here the address is the stand-in's.
    k.write("config", json!({})).await;
    k.write("config", json!({ "kubernetes_host": server.address })).await;
    k.write("roles/reader", json!({ "allowed_kubernetes_namespaces": "shop", "service_account_name": "reader" })).await;
    for token in ["first", "second"] {
        std::fs::write(folder.path().join("token"), format!("{token}\n")).unwrap();
        issue(&k, "reader", json!({ "ttl": "20m" })).await.made.map(drop).unwrap();
    }
    assert_eq!(server.state.lock().unwrap().bearers, ["first", "second"]);
    let away = mount(outside());
    let (status, error) = away.error(Read, "check", Value::Null).await;
    assert!(status == 400 && error.starts_with("Missing environment variables: KUBERNETES_SERVICE_HOST"), "{error}");
    assert!(away.refused("config", json!({})).await.1.contains("kubernetes_host was unset"));
    assert!(away.refused("config", json!({ "kubernetes_host": "x" })).await.1.contains("is no address"));
    assert!(away.refused("creds/none", json!({})).await.1.contains("does not exist"));
}

#[tokio::test]
async fn a_role_can_keep_requests_from_reaching_beyond_its_namespaces() {
    let (server, k) = configured().await;
    let everywhere = json!({ "kubernetes_namespace": "shop", "cluster_role_binding": true });
    issue(&k, "edit", everywhere.clone()).await.made.map(drop).unwrap();
    assert!(server.made().iter().any(|path| path.contains("/clusterrolebindings/")), "allowed where nothing is said");
    assert!(k.read("roles/edit").await.data().get("allow_cluster_role_binding").is_none());
    k.write("roles/edit", json!({ "allow_cluster_role_binding": false })).await;
    assert_eq!(k.read("roles/edit").await.data()["allow_cluster_role_binding"], false);
    let (status, why) = k.refused("creds/edit", everywhere).await;
    assert!(status == 400 && why.contains("allow_cluster_role_binding"), "{status} {why}");
    k.write("roles/edit", json!({ "token_default_ttl": "20m" })).await;
    assert_eq!(k.read("roles/edit").await.data()["allow_cluster_role_binding"], false, "other changes leave it");
    issue(&k, "edit", json!({ "kubernetes_namespace": "shop" })).await.made.map(drop).unwrap();
}

#[tokio::test]
async fn protocol_only_a_server_that_is_busy_is_asked_again_and_one_that_stays_so_is_told_of() {
    let (server, k) = configured().await;
    server.state.lock().unwrap().busy = 2;
    let issued = issue(&k, "pods", json!({ "kubernetes_namespace": "pay" })).await;
    assert_eq!(server.made().len(), 3, "each object once");
    let (dynamic, cx) = dynamic(&k);
    server.state.lock().unwrap().busy = 1;
    dynamic.revoke(&cx, &issued.grant()).await.unwrap();
    assert!(server.made().is_empty());
    server.state.lock().unwrap().busy = 4;
    let busy = issue(&k, "reader", json!({ "kubernetes_namespace": "shop" })).await.made.map(drop).unwrap_err();
    assert!(busy.to_string().contains("429"), "{busy}");
}

#[tokio::test]
async fn protocol_only_a_live_check_asks_whether_the_cluster_takes_the_token() {
    let (server, k) = configured().await;
    let live = json!({ "live": true });
    assert!(k.ok(Read, "check", live.clone()).await.is_empty());
    assert_eq!(server.asked(), ["POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"]);
    assert_eq!(server.state.lock().unwrap().bearers, ["jwt"]);
    server.state.lock().unwrap().refuse = Some(("POST", "selfsubjectaccessreviews", 401));
    let (status, why) = k.error(Read, "check", live.clone()).await;
    assert!(status == 400 && why.contains("401"), "{status} {why}");
    let (status, why) = mount(outside()).error(Read, "check", live).await;
    assert!(status == 400 && why.contains("write config first"), "{status} {why}");
}

struct At(i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0).unwrap()
    }
}

/// A mount with a token of an hour, at a moment of its life.
async fn with_a_token_that_ends(at: i64) -> (ApiServer, Alone) {
    let (server, mut k) = configured().await;
    k.cx.clock = Arc::new(At(api_server::ISSUED + at));
    let own = token("system:serviceaccount:shop:reader", 3600);
    k.write("config", json!({ "service_account_jwt": own })).await;
    (server, k)
}

/// As far as core goes before it commits.
async fn renewed(k: &Alone) -> Result<Rotation> {
    let rotating = k.backend.rotating.as_ref().unwrap();
    let planned = rotating.plan(&k.cx, "token").await?;
    let rotation = Rotation { data: rotating.apply(&k.cx, &planned).await?, ..planned };
    rotating.verify(&k.cx, &rotation).await?;
    Ok(rotation)
}

#[tokio::test]
async fn protocol_only_a_stored_token_is_replaced_by_another_of_its_account_before_it_ends() {
    let (server, k) = with_a_token_that_ends(0).await;
    let rotating = k.backend.rotating.clone().unwrap();
    let due = rotating.next(&k.cx, "token").await.unwrap().unwrap();
    assert_eq!(due.as_second(), api_server::ISSUED + 2400);
    let rotation = renewed(&k).await.unwrap();
    assert_eq!(server.asked()[0], "POST /api/v1/namespaces/shop/serviceaccounts/reader/token");
    assert_eq!(
        server.state.lock().unwrap().bodies[0]["spec"],
        json!({ "audiences": ["cluster"], "expirationSeconds": 3600 })
    );
    k.cx.view.commit(rotating.commit(&k.cx, &rotation).await.unwrap()).await.unwrap();
    k.ok(Read, "check", json!({ "live": true })).await;
    let bearers = server.state.lock().unwrap().bearers.clone();
    assert!(bearers[0] != bearers[2] && bearers[1] == bearers[2], "the new token is verified, then used: {bearers:?}");
}

#[tokio::test]
async fn protocol_only_a_renewal_that_fails_or_comes_too_late_leaves_the_token_that_is_there() {
    let (server, k) = with_a_token_that_ends(2400).await;
    let rotating = k.backend.rotating.clone().unwrap();
    server.state.lock().unwrap().refuse = Some(("POST", "/token", 403));
    assert!(renewed(&k).await.err().unwrap().to_string().contains("403"));
    let planned = rotating.plan(&k.cx, "token").await.unwrap();
    assert_eq!(rotating.settle(&k.cx, &planned).await.unwrap(), lessor_engine::Works::Old);
    server.state.lock().unwrap().refuse = None;
    let rotation = renewed(&k).await.unwrap();
    assert_eq!(rotating.settle(&k.cx, &rotation).await.unwrap(), lessor_engine::Works::New);
    // What somebody writes meanwhile stays.
    k.write("config", json!({ "service_account_jwt": "theirs" })).await;
    k.cx.view.commit(rotating.commit(&k.cx, &rotation).await.unwrap()).await.unwrap();
    server.state.lock().unwrap().bearers.clear();
    k.ok(Read, "check", json!({ "live": true })).await;
    assert_eq!(server.state.lock().unwrap().bearers, ["theirs"]);
    assert_eq!(rotating.next(&k.cx, "token").await.unwrap(), None);
}

#[tokio::test]
async fn tokens_that_ended_or_are_to_end_are_not_renewed() {
    let (_server, k) = with_a_token_that_ends(3600).await;
    let rotating = k.backend.rotating.clone().unwrap();
    assert!(matches!(rotating.plan(&k.cx, "token").await, Err(lessor_engine::Error::NotFound(_))));
    let (_server, k) = with_a_token_that_ends(0).await;
    k.write("config", json!({ "disable_jwt_renewal": true })).await;
    assert_eq!(rotating.next(&k.cx, "token").await.unwrap(), None);
    assert!(matches!(rotating.plan(&k.cx, "token").await, Err(lessor_engine::Error::NotFound(_))));
    assert_eq!(k.read("config").await.data()["disable_jwt_renewal"], true);
}
