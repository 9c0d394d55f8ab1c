//! The `kubernetes` auth method, with one cluster for both.
use super::Both;
use crate::auth_remote::cluster::{Cluster, Mood};
use crate::auth_remote::signer::{Signer, now};
use crate::targets::slapd::authority;
use serde_json::{Value, json};

const BEFORE: &str = r#"
POST sys/auth/kubernetes {"type":"kubernetes"}
GET auth/kubernetes/config
LIST auth/kubernetes/role
GET auth/kubernetes/role/a
POST auth/kubernetes/login {}
POST auth/kubernetes/login {"role":"a"}
POST auth/kubernetes/login {"jwt":"x"}
POST auth/kubernetes/login {"role":"a","jwt":"x"}
POST auth/kubernetes/config {}
POST auth/kubernetes/config {"kubernetes_host":""}
POST auth/kubernetes/config {"kubernetes_host":"https://127.0.0.1:1"} ~~ texts of refusals ~~ 400 ~~ kubernetes_ca_cert is empty
POST auth/kubernetes/config {"kubernetes_host":"https://127.0.0.1:1","disable_local_ca_jwt":true}
POST auth/kubernetes/config {"kubernetes_host":"nonsense","kubernetes_ca_cert":"x"} ~~ values that cannot work ~~ 400 ~~ kubernetes_host \"nonsense\" is no address
POST auth/kubernetes/config {"kubernetes_host":"https://127.0.0.1:1","kubernetes_ca_cert":"x"} ~~ values that cannot work ~~ 400 ~~ kubernetes_ca_cert: could not parse CA PEM value
DELETE auth/kubernetes/config
"#;

const ROLES: &str = r#"
POST auth/kubernetes/role/a {}
POST auth/kubernetes/role/a {"bound_service_account_names":"sa"}
POST auth/kubernetes/role/a {"bound_service_account_namespaces":"ns"}
POST auth/kubernetes/role/a {"bound_service_account_names":"sa,*","bound_service_account_namespaces":"ns"}
POST auth/kubernetes/role/a {"bound_service_account_names":"sa","bound_service_account_namespaces":["ns","*"]}
POST auth/kubernetes/role/a {"bound_service_account_names":"sa","bound_service_account_namespaces":"ns","alias_name_source":"zz"}
POST auth/kubernetes/role/a {"bound_service_account_names":"sa","bound_service_account_namespace_selector":"zz"}
POST auth/kubernetes/role/a {"bound_service_account_names":"sa","bound_service_account_namespaces":"ns","token_type":"zz"}
POST auth/kubernetes/role/a {"bound_service_account_names":"sa","bound_service_account_namespaces":"ns","token_ttl":"2h","token_max_ttl":"1h"}
GET auth/kubernetes/role/a
POST auth/kubernetes/role/a {"bound_service_account_names":"*","bound_service_account_namespaces":"*"}
GET auth/kubernetes/role/a
POST auth/kubernetes/role/a {"bound_service_account_namespace_selector":"{\"matchLabels\":{\"a\":\"b\"}}","token_policies":"p,q","alias_name_source":"serviceaccount_name","audience":"aud"}
GET auth/kubernetes/role/A
POST auth/kubernetes/role/a {"bound_service_account_namespace_selector":"matchExpressions:\n- key: a\n  operator: Exists\n"} ~~ selectors in YAML ~~ 204 ~~ null
GET auth/kubernetes/role/a ~~ selectors in YAML ~~ 200 ~~ matchExpressions
POST auth/kubernetes/role/a {"token_ttl":"1h"}
GET auth/kubernetes/role/a
POST auth/kubernetes/role/a {"audience":""}
GET auth/kubernetes/role/a
POST auth/kubernetes/role/b {"bound_service_account_names":["sa","sb"],"bound_service_account_namespaces":"ns","policies":"p","num_uses":3,"ttl":"1h","max_ttl":"2h","period":"3h","bound_cidrs":"127.0.0.1/32"}
GET auth/kubernetes/role/b
POST auth/kubernetes/role/b {"token_num_uses":0,"token_period":0}
GET auth/kubernetes/role/b
LIST auth/kubernetes/role
DELETE auth/kubernetes/role/none
DELETE auth/kubernetes/role/b
GET auth/kubernetes/role/b
POST auth/kubernetes/login {"role":"none","jwt":"x"}
POST auth/kubernetes/login {"role":"a","jwt":"x"}
POST auth/kubernetes/login {"role":"a","jwt":"x.y.z"}
"#;

fn config(both: &mut Both, cluster: &Cluster, ca: &str, more: &Value) {
    let mut body = json!({ "kubernetes_host": cluster.stand_in.address, "kubernetes_ca_cert": ca });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    both.same("POST", "auth/kubernetes/config", &body.to_string());
    both.same("GET", "auth/kubernetes/config", "");
}

fn login(both: &mut Both, role: &str, token: &str) {
    both.same("POST", "auth/kubernetes/login", &json!({ "role": role, "jwt": token }).to_string());
}

fn today(change: &Value) -> Value {
    let mut claims = json!({
        "iss": "k", "aud": ["aud"], "sub": "system:serviceaccount:ns:sa", "exp": now() + 600, "iat": now(),
        "kubernetes.io": { "namespace": "ns", "serviceaccount": { "name": "sa", "uid": "u-1" } },
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    if let Value::Object(claims) = &mut claims {
        claims.retain(|_, value| !value.is_null());
    }
    claims
}

fn before() -> Value {
    json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:ns:sa",
        "kubernetes.io/serviceaccount/namespace": "ns", "kubernetes.io/serviceaccount/secret.name": "sa-token-x",
        "kubernetes.io/serviceaccount/service-account.name": "sa",
        "kubernetes.io/serviceaccount/service-account.uid": "u-1",
    })
}

fn roles(both: &mut Both) {
    for (name, more) in [
        ("plain", json!({})),
        ("aud", json!({ "audience": "aud", "alias_name_source": "serviceaccount_name" })),
        ("glob", json!({ "bound_service_account_names": "s*", "bound_service_account_namespaces": "n*,x" })),
        ("one", json!({ "bound_service_account_names": "s?", "bound_service_account_namespaces": "*" })),
        ("far", json!({ "token_bound_cidrs": "10.0.0.0/8" })),
        ("root", json!({ "token_policies": "root" })),
        ("batch", json!({ "token_type": "batch", "token_policies": "p" })),
    ] {
        let mut body = json!({ "bound_service_account_names": "sa", "bound_service_account_namespaces": "ns" });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        both.same("POST", &format!("auth/kubernetes/role/{name}"), &body.to_string());
    }
}

fn logins(both: &mut Both, cluster: &Cluster, signer: &Signer) {
    for role in ["plain", "aud", "glob", "one", "far", "root", "batch", "none"] {
        login(both, role, &signer.sign(&today(&json!({}))));
        login(both, role, &signer.sign(&before()));
    }
    let account = |namespace: &str, name: &str| {
        json!({
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": name, "uid": "u-1" } },
        })
    };
    for change in [
        account("ns", "sb"),
        account("xx", "sa"),
        account("x", "s1"),
        json!({ "exp": now() - 600 }),
        json!({ "iat": now() + 600 }),
        json!({ "nbf": now() + 600 }),
        json!({ "aud": ["zz"] }),
        json!({ "aud": null }),
        json!({ "kubernetes.io": null }),
    ] {
        for role in ["plain", "aud", "glob"] {
            login(both, role, &signer.sign(&today(&change)));
        }
    }
    for mood in [Mood::Unknown, Mood::AnotherName, Mood::AnotherUid, Mood::NoAudiences, Mood::Forbidden] {
        cluster.mood(mood);
        login(both, "plain", &signer.sign(&today(&json!({}))));
        login(both, "aud", &signer.sign(&today(&json!({}))));
    }
    cluster.mood(Mood::Broken);
    let body = json!({ "role": "plain", "jwt": signer.sign(&today(&json!({}))) }).to_string();
    let request = ("POST", "auth/kubernetes/login", body.as_str());
    both.differs("clusters that do not answer", request, 500, "the cluster's API server does not answer");
    cluster.mood(Mood::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubernetes_answers_as_the_peer_does() {
    let (mut both, cluster, signer) = (Both::start().await, Cluster::start(), Signer::rsa("k"));
    let directory = tempfile::tempdir().unwrap();
    let ca = authority(directory.path());
    both.all(BEFORE);
    config(&mut both, &cluster, &ca, &json!({}));
    both.all(ROLES);
    roles(&mut both);
    logins(&mut both, &cluster, &signer);
    config(&mut both, &cluster, &ca, &json!({ "pem_keys": "x" }));
    config(&mut both, &cluster, &ca, &json!({ "pem_keys": signer.public, "token_reviewer_jwt": "reviewer" }));
    login(&mut both, "plain", &signer.sign(&today(&json!({}))));
    login(&mut both, "plain", &Signer::rsa("k").sign(&today(&json!({}))));
    config(&mut both, &cluster, &ca, &json!({ "issuer": "zz", "disable_iss_validation": false }));
    login(&mut both, "plain", &signer.sign(&today(&json!({}))));
    config(&mut both, &cluster, &ca, &json!({ "disable_iss_validation": false, "disable_local_ca_jwt": true }));
    login(&mut both, "plain", &signer.sign(&before()));
    login(&mut both, "plain", &signer.sign(&today(&json!({}))));
    both.finish(100);
}
