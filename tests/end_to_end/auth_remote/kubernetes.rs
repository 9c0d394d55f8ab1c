//! Protocol only: a stand-in for the API server that checks what it is asked; a real one is not among the targets yet.
use super::cluster::{Cluster, Mood};
use super::signer::{Signer, now};
use super::{enabled, lives_and_ends, refused, renewal};
use crate::lessor::Lessor;
use crate::targets::slapd::authority;
use lessor_client::Request;
use serde_json::{Value, json};

fn token(signer: &Signer, namespace: &str, name: &str) -> String {
    signer.sign(&json!({
        "iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc"], "iat": now(), "exp": now() + 600,
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": name, "uid": "u-1" } },
    }))
}

async fn configured(cluster: &Cluster, more: Value) -> Lessor {
    let lessor = enabled("kubernetes").await;
    let directory = tempfile::tempdir().unwrap();
    let mut config =
        json!({ "kubernetes_host": cluster.stand_in.address, "kubernetes_ca_cert": authority(directory.path()) });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    lessor.write("auth/kubernetes/config", config).await;
    let role = json!({
        "bound_service_account_names": "app-*", "bound_service_account_namespaces": "web", "token_policies": "p",
        "token_ttl": "20m",
    });
    lessor.write("auth/kubernetes/role/web", role).await;
    lessor
}

fn login(token: &str) -> Value {
    json!({ "role": "web", "jwt": token })
}

const LOGIN: &str = "auth/kubernetes/login";

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_workload_logs_in_with_its_token_while_the_cluster_knows_it() {
    let (cluster, signer) = (Cluster::start(), Signer::rsa("k"));
    let lessor = configured(&cluster, json!({ "token_reviewer_jwt": "reviewer" })).await;
    let good = token(&signer, "web", "app-1");
    let answer = lessor.write(LOGIN, login(&good)).await;
    let metadata = json!({
        "role": "web", "service_account_name": "app-1", "service_account_namespace": "web",
        "service_account_secret_name": "", "service_account_uid": "u-1",
    });
    assert_eq!((&answer["auth"]["metadata"], &answer["auth"]["policies"]), (&metadata, &json!(["default", "p"])));
    let asked = cluster.stand_in.asked().pop().unwrap();
    assert_eq!((asked.method.as_str(), asked.header("authorization")), ("POST", "Bearer reviewer"));
    assert_eq!(asked.json()["spec"], json!({ "token": good, "audiences": ["https://kubernetes.default.svc"] }));
    lives_and_ends(&lessor, &answer).await;
    for mood in [Mood::Unknown, Mood::AnotherName, Mood::AnotherUid, Mood::NoAudiences, Mood::Forbidden] {
        cluster.mood(mood);
        assert_eq!(refused(&lessor, LOGIN, login(&good), 403).await, "permission denied");
    }
    cluster.mood(Mood::Broken);
    let error = refused(&lessor, LOGIN, login(&good), 500).await;
    assert!(error.contains("the cluster's API server does not answer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_other_accounts_namespaces_and_keys_are_refused_before_the_cluster_is_asked() {
    let (cluster, signer, stranger) = (Cluster::start(), Signer::rsa("k"), Signer::rsa("k"));
    let lessor = configured(&cluster, json!({ "pem_keys": signer.public })).await;
    for (token, text) in [
        (token(&signer, "web", "other"), "service account name not authorized"),
        (token(&signer, "db", "app-1"), "namespace not authorized"),
        (token(&stranger, "web", "app-1"), "permission denied"),
        (signer.sign(&json!({ "exp": now() - 600 })), "token is expired"),
        (signer.unsigned(&json!({ "sub": "x" })), "permission denied"),
        ("nonsense".to_owned(), "permission denied"),
    ] {
        let error = refused(&lessor, LOGIN, login(&token), 403).await;
        assert!(error.contains(text), "{error}");
    }
    assert!(cluster.stand_in.asked().is_empty());
    // Without an account of its own it asks with the token that logs in.
    let good = token(&signer, "web", "app-1");
    lessor.write(LOGIN, login(&good)).await;
    assert_eq!(cluster.stand_in.asked()[0].header("authorization"), format!("Bearer {good}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_namespaces_can_be_bound_by_their_labels() {
    let (cluster, signer) = (Cluster::start(), Signer::rsa("k"));
    let lessor = configured(&cluster, json!({})).await;
    let role = |value: &str| {
        json!({
            "bound_service_account_names": "*", "bound_service_account_namespaces": [], "token_policies": "p",
            "bound_service_account_namespace_selector": json!({ "matchLabels": { "team": value } }).to_string(),
        })
    };
    lessor.write("auth/kubernetes/role/web", role("web")).await;
    lessor.write(LOGIN, login(&token(&signer, "web", "x"))).await;
    let error = refused(&lessor, LOGIN, login(&token(&signer, "db", "x")), 403).await;
    assert_eq!(error, "namespace not authorized");
    refused(&lessor, LOGIN, login(&token(&signer, "../../web", "x")), 403).await;
    let mut yaml = role("db");
    yaml["bound_service_account_namespace_selector"] = json!("matchExpressions:\n- key: team\n  operator: Exists\n");
    lessor.write("auth/kubernetes/role/web", yaml).await;
    lessor.write(LOGIN, login(&token(&signer, "web", "x"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_renewal_reads_the_role_again_and_fails_without_it() {
    let (cluster, signer) = (Cluster::start(), Signer::rsa("k"));
    let lessor = configured(&cluster, json!({})).await;
    let answer = lessor.write(LOGIN, login(&token(&signer, "web", "app-1"))).await;
    lessor.write("auth/kubernetes/role/web", json!({ "token_ttl": "5m" })).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(300));
    lessor.send(Request::delete("auth/kubernetes/role/web")).await.unwrap();
    let error = renewal(&lessor, &answer).await.unwrap_err();
    assert!(error.contains("does not exist during renewal"), "{error}");
}
