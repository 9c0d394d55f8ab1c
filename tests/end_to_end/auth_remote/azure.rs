//! Protocol only: a stand-in for Azure (microsoft.rs); tokens come out of it by azure-identity, and Microsoft's own
//! libraries ask it the same questions as Lessor.
use super::microsoft::{APP, Azure, MACHINE, SUBSCRIPTION, vm};
use super::signer::{Signer, now};
use super::{enabled, lives_and_ends, refused, renewal};
use crate::lessor::Lessor;
use lessor_client::Request;
use serde_json::{Value, json};

const LOGIN: &str = "auth/azure/login";

async fn configured(azure: &Azure, more: Value) -> Lessor {
    let lessor = enabled("azure").await;
    let mut config = azure.config();
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    lessor.write("auth/azure/config", config).await;
    roles(&lessor).await;
    lessor
}

async fn roles(lessor: &Lessor) {
    let app = json!({ "bound_service_principal_ids": APP, "token_policies": "p", "token_ttl": "20m" });
    lessor.write("auth/azure/role/app", app).await;
    let machine = json!({
        "bound_service_principal_ids": MACHINE, "bound_resource_groups": "web", "bound_locations": "westeurope",
        "bound_subscription_ids": SUBSCRIPTION, "token_ttl": "20m",
    });
    lessor.write("auth/azure/role/machine", machine).await;
}

fn on_machine(jwt: &str, more: &Value) -> Value {
    let mut login = json!({
        "role": "machine", "jwt": jwt, "subscription_id": SUBSCRIPTION, "resource_group_name": "web", "vm_name": "vm",
    });
    login.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    login
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_an_application_logs_in_by_azure_identity_until_its_secret_or_the_role_is_gone() {
    let azure = Azure::start();
    let lessor = configured(&azure, json!({})).await;
    let jwt = azure.application_token("app-secret").unwrap();
    let login = json!({ "role": "app", "jwt": jwt });
    let answer = lessor.write(LOGIN, login.clone()).await;
    assert_eq!(answer["auth"]["policies"], json!(["default", "p"]));
    assert_eq!(answer["auth"]["metadata"], json!({ "role": "app" }));
    lives_and_ends(&lessor, &answer).await;
    let answer = lessor.write(LOGIN, login.clone()).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(1200));
    let keys = azure.stand_in.asked().iter().filter(|asked| asked.path.ends_with("/discovery/v2.0/keys")).count();
    assert_eq!(keys, 1, "the tenant's keys are kept");

    azure.change(|world| drop(world.secrets.remove("app-client")));
    assert!(azure.application_token("app-secret").unwrap_err().contains("AADSTS7000215"));
    lessor.write("auth/azure/role/app", json!({ "bound_service_principal_ids": "another" })).await;
    assert!(refused(&lessor, LOGIN, login.clone(), 400).await.contains("service principal not authorized"));
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("service principal not authorized"));
    lessor.send(Request::delete("auth/azure/role/app")).await.unwrap();
    assert!(refused(&lessor, LOGIN, login, 400).await.contains("invalid role name"));
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("does not exist during renewal"));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_tokens_of_others_for_others_or_from_elsewhere_are_refused() {
    let (azure, stranger) = (Azure::start(), Signer::rsa("e1"));
    let lessor = configured(&azure, json!({})).await;
    let said = Signer::claims(&azure.token(&json!({})));
    let other = "https://sts.windows.net/66666666-2222-3333-4444-555555555555/";
    for (jwt, text) in [
        (azure.token(&json!({ "aud": "api://other" })), "audience"),
        (azure.token(&json!({ "iss": other })), "issuer"),
        (azure.token(&json!({ "exp": now() - 900 })), "expired"),
        (azure.token(&json!({ "nbf": now() + 900 })), "not yet valid"),
        (azure.token(&json!({ "oid": APP })), "service principal not authorized"),
        (stranger.sign(&said), "no known key"),
        (azure.signer.unsigned(&said), "error validating token"),
        (azure.signer.confused(&said), "error validating token"),
        ("x".to_owned(), "error validating token"),
        (String::new(), "jwt is required"),
    ] {
        let error = refused(&lessor, LOGIN, on_machine(&jwt, &json!({})), 400).await;
        assert!(error.contains(text), "{text}: {error}");
    }
    let error = refused(&lessor, "auth/azure/role/open", json!({ "bound_locations": "westeurope" }), 400).await;
    assert!(error.contains("bound_service_principal_ids and bound_group_ids is required"), "{error}");
    lessor.write("auth/azure/role/folk", json!({ "bound_group_ids": "g-1", "token_policies": "folk" })).await;
    let jwt = azure.token(&json!({}));
    lessor.write(LOGIN, json!({ "role": "folk", "jwt": jwt })).await;
    lessor.write("auth/azure/role/folk", json!({ "bound_group_ids": "g-2" })).await;
    assert!(
        refused(&lessor, LOGIN, json!({ "role": "folk", "jwt": jwt }), 400).await.contains("groups not authorized")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_machine_logs_in_by_its_identity_from_where_it_is_and_from_nowhere_else() {
    let azure = Azure::start();
    let lessor = configured(&azure, json!({})).await;
    let jwt = azure.machine_token();
    let none = json!({});
    let answer = lessor.write(LOGIN, on_machine(&jwt, &none)).await;
    let metadata = &answer["auth"]["metadata"];
    assert_eq!((&metadata["vm_name"], &metadata["resource_group_name"]), (&json!("vm"), &json!("web")));
    assert_eq!(renewal(&lessor, &answer).await, Ok(1200));
    for (more, text) in [
        (json!({ "vm_name": "other" }), "does not match the token's claims"),
        (json!({ "resource_group_name": "db" }), "does not match the token's claims"),
        (json!({ "subscription_id": "88888888-2222-3333-4444-555555555555" }), "does not match the token's claims"),
        (json!({ "vm_name": "../x" }), "no plain names"),
    ] {
        let error = refused(&lessor, LOGIN, on_machine(&jwt, &more), 400).await;
        assert!(error.contains(text), "{text}: {error}");
    }
    // A machine of another group, whose identity the role would let in.
    azure.put(&vm("db", "vm"), &json!({ "type": "SystemAssigned", "principalId": MACHINE }));
    let elsewhere = azure.token(&json!({ "xms_mirid": vm("db", "vm") }));
    let login = on_machine(&elsewhere, &json!({ "resource_group_name": "db" }));
    assert!(refused(&lessor, LOGIN, login, 400).await.contains("resource group not authorized"));
    lessor.write("auth/azure/role/machine", json!({ "bound_locations": "eastus" })).await;
    assert!(refused(&lessor, LOGIN, on_machine(&jwt, &none), 400).await.contains("location not authorized"));
    lessor.write("auth/azure/role/machine", json!({ "bound_locations": "" })).await;
    lessor.write(LOGIN, on_machine(&jwt, &none)).await;
    azure.put(&vm("web", "vm"), &json!({ "type": "SystemAssigned", "principalId": APP }));
    assert!(refused(&lessor, LOGIN, on_machine(&jwt, &none), 400).await.contains("none of the machine's"));
    azure.remove(&vm("web", "vm"));
    assert!(refused(&lessor, LOGIN, on_machine(&jwt, &none), 400).await.contains("does not exist"));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_microsofts_own_libraries_ask_the_resource_manager_the_same() {
    let azure = Azure::start();
    let lessor = configured(&azure, json!({})).await;
    let within = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/web/providers");
    let (set, site) = (
        format!("{within}/Microsoft.Compute/virtualMachineScaleSets/many"),
        format!("{within}/Microsoft.Web/sites/shop"),
    );
    let assigned = format!("{within}/Microsoft.ManagedIdentity/userAssignedIdentities/i");
    let identity =
        json!({ "type": "UserAssigned", "userAssignedIdentities": { &assigned: { "principalId": MACHINE } } });
    azure.put(&set, &identity);
    azure.put(&site, &identity);
    lessor.write("auth/azure/role/machine", json!({ "bound_locations": "westeurope" })).await;
    lessor.write(LOGIN, on_machine(&azure.machine_token(), &json!({}))).await;
    // An identity that was assigned says nothing of the machine: Azure is asked.
    let jwt = azure.token(&json!({ "xms_mirid": assigned }));
    lessor.write(LOGIN, on_machine(&jwt, &json!({ "vm_name": "", "vmss_name": "many" }))).await;
    lessor.write(LOGIN, json!({ "role": "machine", "jwt": jwt, "resource_id": site })).await;
    let ours = azure.questions();
    let code = format!(
        "from azure.mgmt.compute import ComputeManagementClient\n\
         from azure.mgmt.resource.resources import ResourceManagementClient\n\
         credential = application('lessor-secret', 'lessor-client')\n\
         def client(kind, **more):\n\
         \x20   return kind(credential, '{SUBSCRIPTION}', base_url='{0}',\n\
         \x20               credential_scopes=['https://management.azure.com/.default'], **more)\n\
         compute, version = client(ComputeManagementClient), '2024-07-01'\n\
         print(compute.virtual_machines.get('web', 'vm', api_version=version).identity.principal_id)\n\
         found = compute.virtual_machine_scale_sets.get('web', 'many', api_version=version)\n\
         print([one.principal_id for one in found.identity.user_assigned_identities.values()][0], found.location)\n\
         resources = client(ResourceManagementClient, api_version='2021-04-01')\n\
         kinds = resources.providers.get('Microsoft.Web').resource_types\n\
         print(kinds[0].resource_type, kinds[0].api_versions[1])\n\
         print(resources.resources.get_by_id('{site}', api_version=kinds[0].api_versions[1]).location)",
        azure.stand_in.https
    );
    let said = azure.python(&code).unwrap();
    assert_eq!(said, format!("{MACHINE}\n{MACHINE} westeurope\nsites 2024-04-01\nwesteurope"));
    let theirs = azure.questions().split_off(ours.len());
    assert_eq!(ours, theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_trouble_at_azure_is_tried_again_as_often_as_configured() {
    let azure = Azure::start();
    let lessor = configured(&azure, json!({ "max_retries": 2 })).await;
    let login = on_machine(&azure.machine_token(), &json!({}));
    azure.change(|world| world.trouble = vec![503, 429]);
    lessor.write(LOGIN, login.clone()).await;
    assert_eq!(azure.questions().len(), 3);
    azure.change(|world| world.trouble = vec![503, 503, 503]);
    assert!(refused(&lessor, LOGIN, login.clone(), 500).await.contains("does not answer (status 503)"));
    assert_eq!(azure.questions().len(), 6);
    lessor.write("auth/azure/config", json!({ "client_secret": "wrong" })).await;
    let error = refused(&lessor, LOGIN, login.clone(), 500).await;
    assert!(error.contains("Azure refuses the application in config: invalid_client (AADSTS7000215)"), "{error}");
    lessor.write("auth/azure/config", json!({ "client_secret": "lessor-secret" })).await;
    azure.change(|world| world.down = true);
    assert_eq!(lessor.refused(Request::put(LOGIN, login.clone())).await.0, 500);
    azure.change(|world| world.down = false);
    let logins = (0..16).map(|_| lessor.write(LOGIN, login.clone()));
    for answer in futures::future::join_all(logins).await {
        assert_eq!(answer["auth"]["metadata"]["role"], "machine");
    }
    let shown = lessor.read("auth/azure/config").await["data"].to_string();
    assert!(shown.contains("lessor-client") && !shown.contains("lessor-secret"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_an_application_that_trusts_this_servers_own_statements_needs_no_secret() {
    let (azure, stranger) = (Azure::start(), Lessor::dev().await);
    let issuer = |lessor: &Lessor| format!("{}/v1/identity/oidc/plugins", lessor.address);
    azure.change(|world| world.trusted = issuer(&stranger));
    let by_statement = json!({ "client_secret": "", "identity_token_audience": "api://AzureADTokenExchange" });
    let lessor = configured(&azure, by_statement).await;
    let login = on_machine(&azure.machine_token(), &json!({}));
    assert!(refused(&lessor, LOGIN, login.clone(), 500).await.contains("invalid_client"));
    azure.change(|world| world.trusted = issuer(&lessor));
    lessor.write(LOGIN, login).await;
    let both = refused(&lessor, "auth/azure/config", json!({ "client_secret": "x" }), 400).await;
    assert!(both.contains("only one of client_secret and identity_token_audience"), "{both}");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_without_a_secret_in_the_configuration_the_servers_surroundings_are_asked() {
    let (azure, directory) = (Azure::start(), tempfile::tempdir().unwrap());
    let environment = [
        ("AZURE_TENANT_ID", super::microsoft::TENANT),
        ("AZURE_CLIENT_ID", "lessor-client"),
        ("AZURE_CLIENT_SECRET", "lessor-secret"),
        ("AZURE_AUTHORITY_HOST", azure.stand_in.address.as_str()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let mut lessor = Lessor::stored_in(directory.path(), Lessor::STATIC, environment).await;
    let made = lessor.write("sys/init", json!({ "recovery_shares": 1, "recovery_threshold": 1 })).await;
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    lessor.write("sys/auth/azure", json!({ "type": "azure" })).await;
    let mut config = azure.config();
    for name in ["tenant_id", "client_id", "client_secret"] {
        config.as_object_mut().unwrap().remove(name);
    }
    lessor.write("auth/azure/config", config).await;
    roles(&lessor).await;
    lessor.write(LOGIN, on_machine(&azure.machine_token(), &json!({}))).await;
    assert_eq!(azure.questions().len(), 1);
}
