//! What `gcp` promises. Google is a stand-in (`google/`): what its real services refuse beyond that is not proven here.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod google;
#[path = "../../support.rs"]
mod support;
use google::{Google, Pair};
use lessor_auth_gcp::GcpFactory;
use serde_json::{Value, json};
use support::Method;

const APP: &str = "app@p.iam.gserviceaccount.com";

struct Set {
    google: Google,
    method: Method,
    /// The account's own key.
    own: Pair,
    /// Google's.
    theirs: Pair,
}

impl Set {
    async fn new() -> Self {
        let google = Google::start().await;
        let (own, theirs, asker) = (Pair::new("own"), Pair::new("theirs"), Pair::new("asker"));
        google.change(|known| (known.google, known.asker) = (Some(theirs.clone()), Some(asker.clone())));
        google.account(APP, "100", false);
        google.key(APP, &own);
        let instance = json!({
            "id": "77", "status": "RUNNING", "labels": { "env": "prod" }, "serviceAccounts": [{ "email": APP }],
        });
        google.put("/compute/v1/projects/p/zones/europe-west1-b/instances/vm", instance);
        let members = json!({ "items": [{ "instance": "https://x/projects/12/zones/europe-west1-b/instances/vm" }] });
        google.put("/compute/v1/projects/p/regions/europe-west1/instanceGroups/web/listInstances", members);
        let folder = json!({ "ancestor": [
            { "resourceId": { "type": "project", "id": "p" } }, { "resourceId": { "type": "organization", "id": "9" } },
        ] });
        google.put("/v1/projects/p:getAncestry", folder);
        let method = Method::new(&GcpFactory);
        let credentials = json!({
            "type": "service_account", "client_email": "lessor@p.iam.gserviceaccount.com", "private_key_id": "asker",
            "private_key": asker.private, "token_uri": format!("{}/token", google.address), "project_id": "p",
        });
        let a = &google.address;
        let endpoints = json!({ "api": a, "iam": a, "crm": a, "compute": a });
        let config = json!({ "credentials": credentials.to_string(), "custom_endpoint": endpoints });
        method.write("config", config).await;
        method.write("role/app", json!({ "type": "iam", "bound_service_accounts": APP, "token_policies": "p" })).await;
        let vm = json!({
            "type": "gce", "bound_projects": "p", "bound_regions": "europe-west1", "bound_labels": "env:prod",
            "bound_instance_groups": "web", "add_group_aliases": true,
        });
        method.write("role/vm", vm).await;
        Self { google, method, own, theirs }
    }
    fn now(&self) -> i64 {
        self.method.context().now().as_second()
    }
    fn own_claims(&self) -> Value {
        json!({ "sub": APP, "iss": APP, "aud": "vault/app", "exp": self.now() + 600 })
    }
    fn vm_claims(&self) -> Value {
        json!({
            "sub": "100", "iss": "https://accounts.google.com", "aud": "http://lessor/vault/vm",
            "iat": self.now(), "exp": self.now() + 3600, "google": { "compute_engine": {
                "project_id": "p", "project_number": 12, "zone": "europe-west1-b", "instance_id": "77",
                "instance_name": "vm", "instance_creation_timestamp": 5,
            } },
        })
    }
    async fn refused(&self, role: &str, jwt: &str, text: &str) {
        let (status, error) = self.method.refused("login", json!({ "role": role, "jwt": jwt })).await;
        assert!((400..=502).contains(&status) && error.contains(text), "{text}: {status} {error}");
    }
}

#[tokio::test]
async fn protocol_only_an_account_logs_in_with_what_it_signed_until_it_is_disabled() {
    let set = Set::new().await;
    let jwt = set.own.sign(&set.own_claims());
    let login = set.method.log_in("login", json!({ "role": "App", "jwt": jwt })).await;
    // The audience names the role as the caller does.
    assert!(login.is_err());
    let login = set.method.log_in("login", json!({ "role": "app", "jwt": jwt })).await.unwrap();
    assert_eq!((login.display_name.as_str(), login.metadata["service_account_id"].as_str()), (APP, "100"));
    assert_eq!(login.alias.as_ref().unwrap().name, set.method.read("role/app").await["role_id"]);
    assert_eq!(set.google.known.lock().unwrap().granted, 1, "the access token is kept");
    assert!(set.method.renew(&login).await.is_ok());
    set.google.account(APP, "100", true);
    assert!(set.method.renew(&login).await.is_err());
    set.refused("app", &jwt, "does not exist or is disabled").await;
}

#[tokio::test]
async fn protocol_only_a_token_that_does_not_fit_is_refused_and_the_reason_named() {
    let set = Set::new().await;
    let with = |name: &str, value: Value| {
        let mut claims = set.own_claims();
        claims[name] = value;
        set.own.sign(&claims)
    };
    set.refused("app", &with("aud", json!("vault/other")), "audience").await;
    set.refused("app", &with("exp", json!(set.now() + 901)), "within 900 seconds").await;
    set.refused("app", &with("exp", json!(set.now() - 900)), "expired").await;
    set.refused("app", &with("sub", json!("")), "no subject").await;
    set.refused("app", &with("google", set.vm_claims()["google"].clone()), "only Google itself").await;
    set.refused("app", "x.y.z", "error validating token").await;
    set.refused("zz", &set.own.sign(&set.own_claims()), "role \"zz\" not found").await;
    // Another's key under the account's key id, and one that Google does not know.
    let forged = Pair::new("own");
    set.refused("app", &forged.sign(&set.own_claims()), "no known key").await;
    let unknown = Pair::new("unknown");
    set.refused("app", &unknown.sign(&set.own_claims()), "none of the account's").await;
    // A name that would lead elsewhere is escaped.
    let mut claims = set.own_claims();
    claims["sub"] = json!("../../x?y#z");
    set.refused("app", &set.own.sign(&claims), "none of the account's").await;
    // Google's signature under somebody else's issuer.
    let mut claims = set.vm_claims();
    claims["iss"] = json!("https://other");
    set.refused("vm", &set.theirs.sign(&claims), "that Google signed").await;
}

#[tokio::test]
async fn protocol_only_an_instance_logs_in_with_what_google_signed_while_it_runs_within_the_bounds() {
    let set = Set::new().await;
    let jwt = set.theirs.sign(&set.vm_claims());
    let login = set.method.log_in("login", json!({ "role": "vm", "jwt": jwt })).await.unwrap();
    assert_eq!(login.display_name, "vm");
    assert_eq!(login.groups, ["project-p", "organization-9"]);
    assert_eq!((login.metadata["zone"].as_str(), login.metadata["project_number"].as_str()), ("europe-west1-b", "12"));
    assert!(set.method.renew(&login).await.is_ok());
    set.refused("vm", &set.own.sign(&set.own_claims()), "a token that Google signed").await;
    for (change, text) in [
        (json!({ "bound_zones": "europe-west1-c" }), "zone"),
        (json!({ "bound_zones": "", "bound_regions": "us-east1" }), "regions"),
        (json!({ "bound_regions": "europe-west1", "bound_labels": "env:test" }), "label"),
        (json!({ "bound_labels": "env:prod", "bound_instance_groups": "other" }), "instance groups"),
        (json!({ "bound_instance_groups": "web", "bound_projects": "q" }), "project"),
        (json!({ "bound_projects": "p", "bound_service_accounts": "z@p" }), "not authorized"),
    ] {
        set.method.write("role/vm", change).await;
        set.refused("vm", &jwt, text).await;
        assert!(set.method.renew(&login).await.is_err(), "{text}");
    }
    set.method.write("role/vm", json!({ "bound_service_accounts": APP })).await;
    assert!(set.method.renew(&login).await.is_ok());
    // Another instance under the old one's name.
    let instance = json!({ "id": "78", "status": "RUNNING", "serviceAccounts": [{ "email": APP }] });
    set.google.put("/compute/v1/projects/p/zones/europe-west1-b/instances/vm", instance);
    set.refused("vm", &jwt, "does not exist").await;
    set.google.remove("/compute/v1/projects/p/zones/europe-west1-b/instances/vm");
    assert!(set.method.renew(&login).await.is_err());
}

async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn protocol_only_googles_keys_are_kept_and_a_new_one_is_believed_once_it_is_published() {
    let set = Set::new().await;
    let login = |pair: &Pair| json!({ "role": "vm", "jwt": pair.sign(&set.vm_claims()) });
    let fetched = || set.google.known.lock().unwrap().fetched;
    for _ in 0..3 {
        assert!(set.method.log_in("login", login(&set.theirs)).await.is_ok());
    }
    assert_eq!(fetched(), 1);
    let next = Pair::new("next");
    for _ in 0..3 {
        set.refused("vm", &next.sign(&set.vm_claims()), "no known key").await;
    }
    assert_eq!(fetched(), 1, "strangers' tokens do not make it ask at once");
    set.google.change(|known| known.google = Some(next.clone()));
    later(11).await;
    assert!(set.method.log_in("login", login(&next)).await.is_ok());
    later(11).await;
    set.refused("vm", &set.theirs.sign(&set.vm_claims()), "no known key").await;
    assert_eq!(fetched(), 3);
}

#[tokio::test]
async fn protocol_only_an_instance_logs_in_as_its_account_where_the_role_lets_it() {
    let set = Set::new().await;
    let mut claims = set.vm_claims();
    claims["aud"] = json!("vault/app");
    let jwt = set.theirs.sign(&claims);
    assert!(set.method.log_in("login", json!({ "role": "app", "jwt": jwt })).await.is_ok());
    set.method.write("role/app", json!({ "allow_gce_inference": false })).await;
    set.refused("app", &jwt, "does not let instances").await;
}

#[tokio::test]
async fn protocol_only_aliases_are_named_and_kept_as_configured() {
    let set = Set::new().await;
    set.method.write("config", json!({ "iam_alias": "unique_id", "iam_metadata": "role" })).await;
    let jwt = set.own.sign(&set.own_claims());
    let alias = set.method.log_in("login", json!({ "role": "app", "jwt": jwt })).await.unwrap().alias.unwrap();
    assert_eq!(alias.name, "100");
    assert_eq!(alias.metadata.into_iter().collect::<Vec<_>>(), [("role".to_owned(), "app".to_owned())]);
}

#[tokio::test]
async fn protocol_only_trouble_at_google_is_no_fault_of_the_callers() {
    let set = Set::new().await;
    let login = json!({ "role": "app", "jwt": set.own.sign(&set.own_claims()) });
    set.google.change(|known| known.asker = None);
    let (status, error) = set.method.refused("login", login.clone()).await;
    assert!(status == 500 && error.contains("invalid_grant"), "{status} {error}");
    set.google.change(|known| known.asker = Some(Pair::new("asker")));
    assert_eq!(set.method.refused("login", login.clone()).await.0, 500);
    let set = Set::new().await;
    let login = json!({ "role": "app", "jwt": set.own.sign(&set.own_claims()) });
    for (status, told) in [(503, 500), (403, 500), (429, 502)] {
        set.google.change(|known| known.status = status);
        assert_eq!(set.method.refused("login", login.clone()).await.0, told);
    }
    let nobody = json!({ "api": "http://127.0.0.1:1", "iam": "http://127.0.0.1:1" });
    set.method.write("config", json!({ "custom_endpoint": nobody })).await;
    assert_eq!(set.method.refused("login", login).await.0, 500);
}

#[tokio::test]
async fn a_configuration_hides_its_key_and_names_what_is_wrong() {
    let set = Set::new().await;
    let read = set.method.read("config").await;
    assert_eq!(
        (&read["client_email"], &read["iam_alias"]),
        (&json!("lessor@p.iam.gserviceaccount.com"), &json!("role_id"))
    );
    assert!(!read.to_string().contains("PRIVATE KEY"));
    for (body, text) in [
        (json!({ "credentials": "x" }), "JSON file"),
        (json!({ "credentials": "{\"client_email\":\"a\",\"private_key\":\"secret\"}" }), "private_key in PEM"),
        (json!({ "iam_alias": "instance_id" }), "must be one of role_id, unique_id"),
        (json!({ "gce_alias": "unique_id" }), "must be one of role_id, instance_id"),
        (json!({ "iam_metadata": "zone" }), "not available"),
        (json!({ "custom_endpoint": { "dns": "x" } }), "use api, iam, crm, compute, sts, iamcredentials"),
        (json!({ "custom_endpoint": { "iam": "file:///x" } }), "is no address"),
        (json!({ "identity_token_audience": "x" }), "only one of credentials and identity_token_audience"),
        (json!({ "identity_token_audience": "x", "credentials": "" }), "needs service_account_email"),
    ] {
        let (status, error) = set.method.refused("config", body).await;
        assert!(status == 400 && error.contains(text), "{status} {error}");
    }
    assert_eq!(set.method.read("config").await, read);
}

#[tokio::test]
async fn a_role_keeps_its_type_and_is_bound_by_something() {
    let method = Method::new(&GcpFactory);
    for (body, text) in [
        (json!({}), "role type cannot be empty"),
        (json!({ "type": "x" }), "is invalid"),
        (json!({ "type": "iam" }), "at least one service account"),
        (json!({ "type": "gce" }), "at least one bound"),
        (json!({ "type": "iam", "bound_service_accounts": "a", "bound_zones": "z" }), "roles of type gce"),
        (json!({ "type": "iam", "bound_service_accounts": "a,*" }), "stands alone"),
        (json!({ "type": "iam", "bound_service_accounts": "a", "max_jwt_exp": "2h" }), "at most one hour"),
        (json!({ "type": "gce", "bound_projects": "p", "max_jwt_exp": 5 }), "roles of type iam"),
        (json!({ "type": "gce", "bound_projects": "p", "bound_labels": "x" }), "key:value"),
        (json!({ "type": "gce", "bound_projects": "p", "bound_instance_groups": "x" }), "need bound_zones"),
    ] {
        let (status, error) = method.refused("role/a", body).await;
        assert!(status == 400 && error.contains(text), "{status} {error}");
    }
    method.write("role/A", json!({ "type": "iam", "bound_service_accounts": "a", "policies": "p" })).await;
    method.write("role/a", json!({ "token_ttl": "1h" })).await;
    let read = method.read("role/a").await;
    assert_eq!(
        (&read["token_ttl"], &read["policies"], &read["max_jwt_exp"]),
        (&json!(3600), &json!(["p"]), &json!(900))
    );
    assert!(method.refused("role/a", json!({ "type": "gce" })).await.1.contains("cannot be changed"));
    assert_eq!(method.list("roles").await, ["a"]);
    method.delete("role/a").await;
    assert!(!method.exists("role/a").await);
}

#[tokio::test]
async fn single_bounds_are_added_and_removed() {
    let method = Method::new(&GcpFactory);
    method.write("role/a", json!({ "type": "iam", "bound_service_accounts": "a" })).await;
    method.write("role/a/service-accounts", json!({ "add": "b,c", "remove": "a" })).await;
    assert_eq!(method.read("role/a").await["bound_service_accounts"], json!(["b", "c"]));
    assert!(method.refused("role/a/service-accounts", json!({ "remove": "b,c" })).await.1.contains("at least one"));
    assert!(method.refused("role/a/service-accounts", json!({})).await.1.contains("add or remove"));
    assert!(method.refused("role/a/labels", json!({ "add": "x:y" })).await.1.contains("is of type iam"));
    assert!(method.refused("role/z/labels", json!({ "add": "x:y" })).await.1.contains("not found"));
    method.write("role/v", json!({ "type": "gce", "bound_labels": "a:1,b:2" })).await;
    method.write("role/v/labels", json!({ "add": "c:3", "remove": "a" })).await;
    assert_eq!(method.read("role/v").await["bound_labels"], json!({ "b": "2", "c": "3" }));
}
