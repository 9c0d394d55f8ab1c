//! Tokens of a real Kubernetes API server, used with kubectl; and logins with its accounts' tokens. In `make test-heavy`: the
//! server is built from source.
use crate::lessor::Lessor;
use crate::targets::kubernetes::Kubernetes;
use crate::targets::peer::Peer;
use lessor_client::{Client, Config, Request, Token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RULES: &str = r#"rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]"#;

/// An account for Lessor with the rights that the documentation names.
fn account(cluster: &Kubernetes, name: &str, rights: &Value) -> String {
    cluster.apply(
        &json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": "lessor" } })
            .to_string(),
    );
    let rbac = "rbac.authorization.k8s.io";
    cluster.apply(
        &json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": { "name": name }, "rules": rights,
        })
        .to_string(),
    );
    cluster.apply(
        &json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": "lessor" }],
        })
        .to_string(),
    );
    cluster.token_of("lessor", name)
}

fn rights() -> Value {
    let rbac = "rbac.authorization.k8s.io";
    json!([
        { "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"] },
        { "apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "create", "delete"] },
        { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] },
        { "apiGroups": [rbac], "resources": ["rolebindings", "clusterrolebindings"],
          "verbs": ["get", "list", "create", "delete"] },
        { "apiGroups": [rbac], "resources": ["roles", "clusterroles"],
          "verbs": ["get", "list", "create", "delete", "bind", "escalate"] },
    ])
}

async fn configure(lessor: &Lessor, cluster: &Kubernetes, jwt: &str) {
    lessor.write("sys/mounts/kubernetes", json!({ "type": "kubernetes" })).await;
    let config = json!({
        "kubernetes_host": cluster.host(), "kubernetes_ca_cert": cluster.ca_cert(), "service_account_jwt": jwt,
        "disable_local_ca_jwt": true,
    });
    lessor.write("kubernetes/config", config).await;
    for (name, fields) in roles() {
        lessor.write(&format!("kubernetes/roles/{name}"), fields).await;
    }
}

fn roles() -> [(&'static str, Value); 4] {
    let common = json!({ "token_default_ttl": "20m", "token_max_ttl": "2h" });
    let with = |more: Value| {
        let mut all = common.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    [
        ("existing", with(json!({ "allowed_kubernetes_namespaces": "shop", "service_account_name": "reader" }))),
        (
            "view",
            with(json!({
                "allowed_kubernetes_namespace_selector": r#"{"matchLabels":{"team":"shop"}}"#,
                "kubernetes_role_name": "pod-reader", "kubernetes_role_type": "ClusterRole",
            })),
        ),
        (
            "pods",
            with(json!({
                "allowed_kubernetes_namespaces": "*", "generated_role_rules": RULES, "extra_labels": "cost=42",
                "extra_annotations": { "team": "shop" },
            })),
        ),
        (
            "everywhere",
            with(json!({
                "allowed_kubernetes_namespaces": "shop,pay", "generated_role_rules": RULES,
                "kubernetes_role_type": "clusterrole",
            })),
        ),
    ]
}

fn token(answer: &Value) -> String {
    answer["data"]["service_account_token"].as_str().unwrap().to_owned()
}

/// `yes`, `no`, or the refusal of the token itself.
fn may(cluster: &Kubernetes, token: &str, namespace: &str, verb: &str) -> String {
    let arguments: &[&str] = if verb == "get" { &["get", "pods"] } else { &["delete", "pod", "some"] };
    let output = cluster.kubectl(token, &[arguments, &["-n", namespace]].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => "yes".to_owned(),
        false if text.contains("Forbidden") => "no".to_owned(),
        false if text.contains("Unauthorized") || text.contains("must be logged in") => "401".to_owned(),
        false => text,
    }
}

async fn until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn revoke(lessor: &Lessor, answer: &Value) {
    lessor.write("sys/leases/revoke", json!({ "lease_id": answer["lease_id"], "sync": true })).await;
}

#[ignore = "make test-heavy: needs a Kubernetes API server built from source"]
#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_role_allows_and_no_more_until_its_lease_ends() {
    let (cluster, lessor) = (Kubernetes::start(), Lessor::dev().await);
    let jwt = account(&cluster, "engine", &rights());
    configure(&lessor, &cluster, &jwt).await;

    // An account that is there: nothing is made, and its token is Kubernetes' own.
    let answer = lessor.write("kubernetes/creds/existing", json!({})).await;
    assert_eq!(answer["data"]["service_account_name"], "reader");
    assert_eq!((&answer["lease_duration"], &answer["renewable"]), (&json!(1200), &json!(false)));
    assert_eq!(may(&cluster, &token(&answer), "shop", "get"), "no");
    assert!(cluster.made().is_empty());

    for (role, namespace, elsewhere) in [("view", "shop", "no"), ("pods", "pay", "no"), ("everywhere", "pay", "no")] {
        let fields = json!({ "kubernetes_namespace": namespace, "ttl": "15m" });
        let answer = lessor.write(&format!("kubernetes/creds/{role}"), fields).await;
        let token = token(&answer);
        assert_eq!(answer["lease_duration"], 900, "{role}");
        assert_eq!(may(&cluster, &token, namespace, "get"), "yes", "{role}");
        assert_eq!(may(&cluster, &token, namespace, "delete"), "no", "{role}");
        let other = if namespace == "shop" { "pay" } else { "shop" };
        assert_eq!(may(&cluster, &token, other, "get"), elsewhere, "{role}");
        assert!(cluster.made().len() >= 2, "{role}: {:?}", cluster.made());
        revoke(&lessor, &answer).await;
        assert!(cluster.made().is_empty(), "{role}: {:?}", cluster.made());
        until("the token is refused", Duration::from_secs(20), || may(&cluster, &token, namespace, "get") == "401")
            .await;
    }
    let fields = json!({ "kubernetes_namespace": "pay", "cluster_role_binding": true });
    let answer = lessor.write("kubernetes/creds/everywhere", fields).await;
    assert_eq!(may(&cluster, &token(&answer), "shop", "get"), "yes", "bound in the whole cluster");
    revoke(&lessor, &answer).await;
    assert!(cluster.made().is_empty());

    for (role, fields, text) in [
        ("view", json!({ "kubernetes_namespace": "pay" }), "is not present in role's allowed_kubernetes_namespaces"),
        ("view", json!({ "kubernetes_namespace": "none" }), "is not present in role's allowed_kubernetes_namespaces"),
        ("view", json!({ "kubernetes_namespace": "../pay" }), "is no name of a namespace"),
        ("pods", json!({ "kubernetes_namespace": "none" }), "not found"),
        ("pods", json!({ "kubernetes_namespace": "pay", "ttl": "10s" }), "expirationSeconds"),
        (
            "pods",
            json!({ "kubernetes_namespace": "pay", "cluster_role_binding": true }),
            "ClusterRoleBinding cannot ref",
        ),
    ] {
        let (status, said) = lessor.refused(Request::put(&format!("kubernetes/creds/{role}"), fields)).await;
        assert!(status == 400 && said.contains(text), "{role}: {status} {said}");
    }
    assert!(cluster.made().is_empty(), "a creation that failed left {:?}", cluster.made());
}

#[ignore = "make test-heavy: needs a Kubernetes API server built from source"]
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_delays_the_end_and_its_return_brings_it() {
    let (mut cluster, lessor) = (Kubernetes::start(), Lessor::dev().await);
    let jwt = account(&cluster, "engine", &rights());
    configure(&lessor, &cluster, &jwt).await;
    let mut leases = Vec::new();
    for _ in 0..5 {
        leases.push(lessor.write("kubernetes/creds/pods", json!({ "kubernetes_namespace": "pay" })).await);
    }
    cluster.stop();
    let (status, text) =
        lessor.refused(Request::put("kubernetes/creds/pods", json!({ "kubernetes_namespace": "pay" }))).await;
    assert!(status >= 500 && text.contains(&cluster.host()), "{status} {text}");
    for lease in &leases {
        lessor.write("sys/leases/revoke", json!({ "lease_id": lease["lease_id"], "sync": false })).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    cluster.resume();
    until("everything is gone", Duration::from_secs(20), || cluster.made().is_empty()).await;
    for lease in &leases {
        until("the token is refused", Duration::from_secs(20), || may(&cluster, &token(lease), "pay", "get") == "401")
            .await;
    }
}

#[ignore = "make test-heavy: needs a Kubernetes API server built from source"]
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_clients_at_once_hostile_names_and_what_reconcile_finds() {
    let (cluster, lessor) = (Kubernetes::start(), Lessor::dev().await);
    let jwt = account(&cluster, "engine", &rights());
    configure(&lessor, &cluster, &jwt).await;
    let asked = (0..16).map(|_| lessor.write("kubernetes/creds/pods", json!({ "kubernetes_namespace": "pay" })));
    let answers = futures::future::join_all(asked).await;
    assert_eq!(cluster.made().len(), 48, "an account, a binding and a role for each");
    lessor.write("sys/leases/revoke-prefix/kubernetes", json!({ "sync": true })).await;
    assert!(cluster.made().is_empty());
    drop(answers);

    // Whoever is called like that is given an account with a name that Kubernetes takes.
    let made = lessor
        .write("auth/token/create", json!({ "policies": "root", "display_name": "O'Brien\"@corp/$(id) Ünï" }))
        .await;
    let config = Config {
        address: lessor.address.clone(),
        token: Some(Token::new(made["auth"]["client_token"].as_str().unwrap())),
        ..Config::default()
    };
    let asked = Request::put("kubernetes/creds/pods", json!({ "kubernetes_namespace": "pay" }));
    let answer = Client::new(config).unwrap().send(asked).await.unwrap().json.unwrap();
    assert_eq!(may(&cluster, &token(&answer), "pay", "get"), "yes", "{answer}");
    revoke(&lessor, &answer).await;

    // What is deleted by hand, and what is left of a lost backup.
    let answer = lessor.write("kubernetes/creds/pods", json!({ "kubernetes_namespace": "pay" })).await;
    let name = answer["data"]["service_account_name"].as_str().unwrap();
    let report = lessor.write("sys/reconcile/kubernetes", json!({})).await;
    assert_eq!((&report["data"]["orphans"], &report["data"]["missing"]), (&json!([]), &json!([])));
    for kind in ["serviceaccount", "rolebinding", "role"] {
        cluster.admin(&["delete", kind, name, "-n", "pay"]);
    }
    let report = lessor.write("sys/reconcile/kubernetes", json!({})).await;
    assert_eq!(report["data"]["missing"].as_array().unwrap().len(), 1, "{report}");
    revoke(&lessor, &answer).await;
}

#[ignore = "make test-heavy: needs a Kubernetes API server built from source"]
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_authority_and_missing_rights_are_said_and_leave_nothing() {
    let (cluster, lessor) = (Kubernetes::start(), Lessor::dev().await);
    let few = json!([
        { "apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "create", "delete"] },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"],
          "verbs": ["get", "create", "delete", "bind", "escalate"] },
    ]);
    let jwt = account(&cluster, "poor", &few);
    configure(&lessor, &cluster, &jwt).await;
    let check = || Request::get("kubernetes/check").query("live", "true");
    lessor.send(check()).await.unwrap();
    let ask = || Request::put("kubernetes/creds/pods", json!({ "kubernetes_namespace": "pay" }));
    let (status, text) = lessor.refused(ask()).await;
    assert!(status == 500 && text.contains("rolebindings") && text.contains("forbidden"), "{status} {text}");
    assert!(cluster.made().is_empty(), "{:?}", cluster.made());
    let other = crate::targets::slapd::authority(tempfile::tempdir().unwrap().path());
    lessor.write("kubernetes/config", json!({ "kubernetes_ca_cert": other })).await;
    let (status, text) = lessor.refused(ask()).await;
    assert!(status >= 500 && text.to_lowercase().contains("certificate"), "{status} {text}");
    lessor
        .write("kubernetes/config", json!({ "kubernetes_ca_cert": cluster.ca_cert(), "service_account_jwt": "wrong" }))
        .await;
    let (status, text) = lessor.refused(ask()).await;
    assert!(status == 500 && text.contains("401"), "{status} {text}");
    let (status, text) = lessor.refused(check()).await;
    assert!(status == 400 && text.contains("401"), "{status} {text}");
}

/// An object without what chance and time decide; what Lessor adds is taken away and counted on.
fn shape(mut object: Value, name: &str) -> Value {
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink"] {
        metadata.remove(field);
    }
    if let Some(Value::Object(labels)) = metadata.get_mut("labels") {
        labels.retain(|label, _| !label.starts_with("lessor.io/"));
    }
    for owner in metadata.get_mut("ownerReferences").and_then(Value::as_array_mut).into_iter().flatten() {
        owner.as_object_mut().unwrap().remove("uid");
    }
    serde_json::from_str(&object.to_string().replace(name, "NAME")).unwrap()
}

#[ignore = "make test-heavy: needs a Kubernetes API server built from source"]
#[tokio::test(flavor = "multi_thread")]
async fn the_peers_engine_makes_the_same_objects_on_the_same_cluster() {
    let (cluster, lessor, peer) = (Kubernetes::start(), Lessor::dev().await, Peer::start());
    let jwt = account(&cluster, "engine", &rights());
    configure(&lessor, &cluster, &jwt).await;
    let config = Config { address: peer.address.clone(), token: Some(Token::new("root")), ..Config::default() };
    let theirs = Client::new(config).unwrap();
    let put =
        async |path: &str, body: Value| theirs.send(Request::put(path, body)).await.unwrap().json.unwrap_or_default();
    put("sys/mounts/kubernetes", json!({ "type": "kubernetes" })).await;
    let config = json!({
        "kubernetes_host": cluster.host(), "kubernetes_ca_cert": cluster.ca_cert(), "service_account_jwt": jwt,
        "disable_local_ca_jwt": true,
    });
    put("kubernetes/config", config).await;
    for (name, fields) in roles() {
        put(&format!("kubernetes/roles/{name}"), fields).await;
    }
    let objects = |answer: &Value| {
        let name = answer["data"]["service_account_name"].as_str().unwrap();
        let kinds = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings";
        let listed = cluster.get(&[kinds, "--all-namespaces", "-l", "app.kubernetes.io/created-by"]);
        let own = listed["items"].as_array().unwrap().iter().filter(|item| item["metadata"]["name"] == name);
        let mut shapes: Vec<String> = own.map(|item| shape(item.clone(), name).to_string()).collect();
        shapes.sort_unstable();
        shapes
    };
    for (role, fields) in [
        ("view", json!({ "kubernetes_namespace": "shop" })),
        ("pods", json!({ "kubernetes_namespace": "pay" })),
        ("everywhere", json!({ "kubernetes_namespace": "pay" })),
        ("everywhere", json!({ "kubernetes_namespace": "shop", "cluster_role_binding": true })),
    ] {
        let path = format!("kubernetes/creds/{role}");
        let (ours, others) = (lessor.write(&path, fields.clone()).await, put(&path, fields).await);
        assert_eq!(objects(&ours), objects(&others), "{role}");
        let keys = |answer: &Value| answer["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&others));
        assert_eq!((&ours["lease_duration"], &ours["renewable"]), (&others["lease_duration"], &others["renewable"]));
    }
}

#[ignore = "make test-heavy: needs a Kubernetes API server built from source"]
#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_a_cluster_log_in_with_their_tokens_as_long_as_they_are_there() {
    let (cluster, lessor) = (Kubernetes::start(), Lessor::dev().await);
    let review =
        json!([{ "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"] }]);
    let reviewer = account(&cluster, "reviewer", &review);
    lessor.write("sys/auth/kubernetes", json!({ "type": "kubernetes" })).await;
    let config = json!({
        "kubernetes_host": cluster.host(), "kubernetes_ca_cert": cluster.ca_cert(), "token_reviewer_jwt": reviewer,
    });
    lessor.write("auth/kubernetes/config", config).await;
    let bound = json!({ "bound_service_account_names": "reader", "bound_service_account_namespaces": "shop", "token_policies": "default" });
    lessor.write("auth/kubernetes/role/shop", bound).await;
    let own = json!({
        "bound_service_account_names": "reader", "bound_service_account_namespaces": "shop", "audience": "lessor",
    });
    lessor.write("auth/kubernetes/role/own", own).await;
    let log_in = |role: &str, jwt: &str| Request::put("auth/kubernetes/login", json!({ "role": role, "jwt": jwt }));

    let jwt = cluster.token_of("shop", "reader");
    let answer = lessor.send(log_in("shop", &jwt)).await.unwrap();
    let metadata = &answer["auth"]["metadata"];
    assert_eq!(
        (&metadata["service_account_name"], &metadata["service_account_namespace"]),
        (&json!("reader"), &json!("shop"))
    );
    let for_lessor = cluster.token_for("shop", "reader", "lessor");
    lessor.send(log_in("own", &for_lessor)).await.unwrap();
    assert_eq!(lessor.refused(log_in("own", &jwt)).await.0, 403, "another audience");
    let reviewers = cluster.token_of("lessor", "reviewer");
    assert_eq!(lessor.refused(log_in("shop", &reviewers)).await.0, 403, "another account");
    // Not the last letter: some of its bits are no part of the signature.
    let (before, after) = jwt.split_at(jwt.len() - 20);
    let changed = format!("{before}{}{}", if after.starts_with('x') { 'y' } else { 'x' }, &after[1..]);
    assert!(matches!(lessor.refused(log_in("shop", &changed)).await.0, 400 | 403), "a changed signature");
    cluster.admin(&["delete", "serviceaccount", "reader", "-n", "shop"]);
    let end = Instant::now() + Duration::from_secs(20);
    while lessor.send(log_in("shop", &jwt)).await.is_ok() {
        assert!(Instant::now() < end, "the token of an account that is gone lets in");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
