//! What `azure` promises. Azure is a stand-in (`cloud/`): what its real services refuse beyond that is not proven here.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod cloud;
#[path = "../../support.rs"]
mod support;
use cloud::Cloud;
use lessor_auth_azure::AzureFactory;
use serde_json::{Value, json};
use support::Method;

const OID: &str = "0a1b";
const VM: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm";

struct Set {
    cloud: Cloud,
    method: Method,
}

impl Set {
    async fn new() -> Self {
        let cloud = Cloud::start().await;
        let method = Method::new(&AzureFactory);
        let config = json!({
            "tenant_id": "t", "resource": "https://lessor", "client_id": "c", "client_secret": "good",
            "active_directory_endpoint": cloud.address, "resource_manager_endpoint": cloud.address,
            "retry_delay": 0, "max_retry_delay": 0, "max_retries": 2,
        });
        method.write("config", config).await;
        let role = json!({
            "bound_service_principal_ids": OID, "bound_subscription_ids": "S", "bound_resource_groups": "g",
            "bound_locations": "westeurope", "token_policies": "p",
        });
        method.write("role/App", role).await;
        cloud.put(
            &format!("{VM}?api-version=2024-07-01"),
            json!({
                "location": "westeurope", "identity": { "principalId": OID },
            }),
        );
        Self { cloud, method }
    }
    fn claims(&self) -> Value {
        let now = self.method.context().now().as_second();
        json!({
            "iss": self.cloud.issuer(), "aud": "https://lessor", "sub": "subject", "oid": OID, "groups": ["g1"],
            "iat": now, "nbf": now, "exp": now + 3600, "xms_mirid": VM.to_lowercase(),
        })
    }
    fn with(&self, changes: &Value) -> String {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.cloud.sign(&claims)
    }
    fn login(&self, jwt: &str) -> Value {
        json!({ "role": "app", "jwt": jwt, "subscription_id": "s", "resource_group_name": "g", "vm_name": "vm" })
    }
    async fn refused(&self, body: Value, text: &str) {
        let (status, error) = self.method.refused("login", body).await;
        assert!((400..=502).contains(&status) && error.contains(text), "{text}: {status} {error}");
    }
}

#[tokio::test]
async fn protocol_only_a_machine_logs_in_with_its_identity() {
    let set = Set::new().await;
    let jwt = set.with(&json!({}));
    let login = set.method.log_in("login", set.login(&jwt)).await.unwrap();
    assert_eq!((login.display_name.as_str(), login.groups.as_slice()), ("subject", &["g1".to_owned()][..]));
    assert_eq!((login.metadata["vm_name"].as_str(), login.metadata["role"].as_str()), ("vm", "app"));
    assert!(set.method.renew(&login).await.is_ok());
    set.method.log_in("login", set.login(&jwt)).await.unwrap();
    assert_eq!((set.cloud.granted(), set.cloud.fetched()), (1, 1), "access token and keys are kept");
    set.method.write("role/app", json!({ "bound_service_principal_ids": "other" })).await;
    assert!(set.method.renew(&login).await.is_err());
    set.method.delete("role/app").await;
    assert!(set.method.renew(&login).await.err().unwrap().to_string().contains("does not exist during renewal"));
}

#[tokio::test]
async fn protocol_only_a_token_that_does_not_fit_is_refused_and_the_reason_named() {
    let set = Set::new().await;
    let now = set.method.context().now().as_second();
    for (changes, text) in [
        (json!({ "aud": "https://other" }), "audience"),
        (json!({ "iss": "https://other" }), "issuer"),
        (json!({ "exp": now - 900 }), "expired"),
        (json!({ "nbf": now + 900 }), "not yet valid"),
        (json!({ "oid": "" }), "names no object"),
        (json!({ "oid": "other" }), "service principal not authorized"),
        (json!({ "xms_mirid": VM.replace("/vm", "/other") }), "does not match the token's claims"),
        (json!({ "xms_az_rid": VM.replace("/g/", "/h/") }), "resource_group_name does not match"),
    ] {
        set.refused(set.login(&set.with(&changes)), text).await;
    }
    set.refused(set.login("x.y.z"), "error validating token").await;
    let forged = cloud::Cloud::start().await.sign(&set.claims());
    set.refused(set.login(&forged), "no known key").await;
    set.refused(json!({ "role": "zz", "jwt": "x" }), "invalid role name \"zz\"").await;
}

#[tokio::test]
async fn protocol_only_a_machine_outside_a_bound_is_refused() {
    let set = Set::new().await;
    let jwt = set.with(&json!({}));
    for (change, text) in [
        (json!({ "bound_locations": "eastus" }), "location not authorized"),
        (json!({ "bound_locations": "", "bound_subscription_ids": "z" }), "subscription not authorized"),
        (json!({ "bound_subscription_ids": "s", "bound_resource_groups": "z" }), "resource group not authorized"),
        (json!({ "bound_resource_groups": "g", "bound_scale_sets": "z" }), "scale set not authorized"),
        (json!({ "bound_scale_sets": "", "bound_group_ids": "z" }), "groups not authorized"),
    ] {
        set.method.write("role/app", change).await;
        set.refused(set.login(&jwt), text).await;
    }
    set.method.write("role/app", json!({ "bound_group_ids": "g1" })).await;
    assert!(set.method.log_in("login", set.login(&jwt)).await.is_ok());
    set.refused(json!({ "role": "app", "jwt": jwt }), "is required by the role").await;
    set.cloud.put(&format!("{VM}?api-version=2024-07-01"), json!({ "identity": { "principalId": "other" } }));
    set.refused(set.login(&jwt), "none of the machine's").await;
    set.cloud.remove(&format!("{VM}?api-version=2024-07-01"));
    set.refused(set.login(&jwt), "does not exist").await;
}

#[tokio::test]
async fn protocol_only_scale_sets_and_other_resources_log_in_too() {
    let set = Set::new().await;
    let scale_set = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/many";
    let identity = json!({ "userAssignedIdentities": { "/x": { "principalId": OID } } });
    let found = json!({ "location": "westeurope", "identity": identity });
    set.cloud.put(&format!("{scale_set}?api-version=2024-07-01"), found.clone());
    // An identity that was assigned says nothing of the machine: Azure is asked.
    let shared = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let jwt = set.with(&json!({ "xms_mirid": shared }));
    let mut login = set.login(&jwt);
    (login["vm_name"], login["vmss_name"]) = (json!(""), json!("many"));
    set.method.write("role/app", json!({ "bound_scale_sets": "MANY" })).await;
    assert!(set.method.log_in("login", login).await.is_ok());
    set.method.write("role/app", json!({ "bound_scale_sets": "" })).await;
    let site = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/shop";
    let kinds = json!({ "resourceTypes": [
        { "resourceType": "sites", "apiVersions": ["2025-01-01-preview", "2024-04-01", "2020-06-01"] },
    ] });
    set.cloud.put("/subscriptions/s/providers/Microsoft.Web?api-version=2021-04-01", kinds);
    set.cloud.put(&format!("{site}?api-version=2024-04-01"), found);
    let login = |id: &str| json!({ "role": "app", "jwt": jwt, "resource_id": id });
    assert!(set.method.log_in("login", login(site)).await.is_ok());
    set.refused(login("/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/.."), "no id of a resource")
        .await;
    set.refused(login("/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/slots/x"), "does not exist").await;
}

#[tokio::test]
async fn protocol_only_names_that_nothing_vouches_for_are_not_repeated() {
    let set = Set::new().await;
    set.method.write("role/any", json!({ "bound_service_principal_ids": OID })).await;
    let mut claims = set.claims();
    claims.as_object_mut().unwrap().remove("xms_mirid");
    let mut login = set.login(&set.cloud.sign(&claims));
    login["role"] = json!("any");
    let made = set.method.log_in("login", login).await.unwrap();
    assert_eq!(made.metadata.keys().collect::<Vec<_>>(), ["role"]);
}

#[tokio::test]
async fn protocol_only_trouble_at_azure_is_tried_again_and_is_no_fault_of_the_callers() {
    let set = Set::new().await;
    let login = set.login(&set.with(&json!({})));
    set.cloud.fail(2, 503);
    assert!(set.method.log_in("login", login.clone()).await.is_ok(), "third time");
    for (status, told) in [(503, 500), (429, 502), (403, 500)] {
        set.cloud.fail(3, status);
        assert_eq!(set.method.refused("login", login.clone()).await.0, told);
        set.cloud.fail(0, 0);
    }
    set.method.write("config", json!({ "client_secret": "bad" })).await;
    let (status, error) = set.method.refused("login", login.clone()).await;
    assert!(status == 500 && error.contains("invalid_client"), "{status} {error}");
    set.method.write("config", json!({ "active_directory_endpoint": "http://127.0.0.1:1" })).await;
    assert_eq!(set.method.refused("login", login).await.0, 500);
}

#[tokio::test]
async fn a_configuration_hides_its_secret_and_names_what_is_wrong() {
    let method = Method::new(&AzureFactory);
    assert_eq!(method.refused("login", json!({ "role": "a", "jwt": "x" })).await.1, "azure backend not configured");
    for (body, text) in [
        (json!({ "tenant_id": "t" }), "tenant_id and resource are required"),
        (json!({ "tenant_id": "t/../x", "resource": "r" }), "neither an id nor a domain"),
        (json!({ "tenant_id": "t", "resource": "r", "environment": "x" }), "environment \"x\" is unknown"),
        (json!({ "tenant_id": "t", "resource": "r", "retry_delay": 61 }), "max_retry_delay"),
        (json!({ "tenant_id": "t", "resource": "r", "max_retries": -1 }), "max_retries"),
        (json!({ "tenant_id": "t", "resource": "r", "identity_token_audience": "x" }), "needs client_id"),
        (json!({ "tenant_id": "t", "resource": "r", "resource_manager_endpoint": "x" }), "no http:// or https://"),
    ] {
        let (status, error) = method.refused("config", body).await;
        assert!(status == 400 && error.contains(text), "{status} {error}");
    }
    method.write("config", json!({ "tenant_id": "t", "resource": "r", "client_id": "c", "client_secret": "s3" })).await;
    let read = method.read("config").await;
    assert!(read.get("client_secret").is_none());
    assert_eq!(
        (&read["max_retries"], &read["retry_delay"], &read["max_retry_delay"]),
        (&json!(3), &json!(4), &json!(60))
    );
    method.delete("config").await;
}

#[tokio::test]
async fn a_role_is_bound_to_principals_or_groups_and_keeps_what_a_write_does_not_name() {
    let method = Method::new(&AzureFactory);
    let (status, error) = method.refused("role/a", json!({ "bound_locations": "x" })).await;
    assert!(status == 400 && error.contains("is required"), "{error}");
    method.write("role/A", json!({ "bound_group_ids": "g", "ttl": "1h" })).await;
    method.write("role/a", json!({ "bound_locations": "x" })).await;
    let read = method.read("role/a").await;
    assert_eq!(
        (&read["bound_group_ids"], &read["bound_locations"], &read["token_ttl"]),
        (&json!(["g"]), &json!(["x"]), &json!(3600))
    );
    assert_eq!(method.list("role").await, ["a"]);
    method.delete("role/a").await;
    assert!(!method.exists("role/a").await);
}
