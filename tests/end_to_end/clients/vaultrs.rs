//! vaultrs, the Rust client, through its public API.
use super::{PASSWORD, Place, USER};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use vaultrs::api::auth::approle::requests::SetAppRoleRequest;
use vaultrs::api::database::requests::{PostgreSQLConnectionRequest, SetRoleRequest};
use vaultrs::api::kv2::requests::ReadSecretMetadataRequest;
use vaultrs::api::sys::requests::ListMountsRequest;
use vaultrs::api::token::requests::CreateTokenRequest;
use vaultrs::auth::approle;
use vaultrs::client::{Client, VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use vaultrs::{api, cubbyhole, database, identity, kv1, kv2, sys, token, transit};

const POLICY: &str = r#"
path "secret/data/app" { capabilities = ["read"] }
path "db/creds/app" { capabilities = ["read"] }
"#;

fn client(place: &Place, token: &str) -> VaultClient {
    let settings = VaultClientSettingsBuilder::default().address(&place.lessor.address).token(token).build().unwrap();
    VaultClient::new(settings).unwrap()
}

fn status(error: &ClientError) -> u16 {
    if let ClientError::APIError { code, .. } = error { *code } else { panic!("{error:?}") }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flow_of_vaultrs_users_works() {
    let place = Place::new().await;
    let root = client(&place, &place.lessor.token);
    assert!(matches!(root.status().await.unwrap(), sys::ServerStatus::OK));
    assert!(!sys::health(&root).await.unwrap().sealed);
    secrets(&root).await;
    encryption(&root).await;
    tokens(&root, &place).await;
    wrapping(&root).await;
    people(&root).await;
    credentials(&root, &place).await;
    assert!(place.postgres.made().is_empty());
}

async fn secrets(root: &VaultClient) {
    let login = json!({ "user": "u", "password": "p" });
    assert_eq!(kv2::set(root, "secret", "app", &login).await.unwrap().version, 1);
    kv2::set(root, "secret", "folder/other", &login).await.unwrap();
    assert_eq!(kv2::read::<Value>(root, "secret", "app").await.unwrap(), login);
    assert_eq!(kv2::list(root, "secret", "").await.unwrap(), ["app", "folder/"]);
    kv2::delete_latest(root, "secret", "app").await.unwrap();
    assert!(kv2::read::<Value>(root, "secret", "app").await.is_err());
    kv2::undelete_versions(root, "secret", "app", vec![1]).await.unwrap();
    assert_eq!(kv2::read_version::<Value>(root, "secret", "app", 1).await.unwrap(), login);
    assert_eq!(kv2::read_metadata(root, "secret", "app").await.unwrap().current_version, 1);
    kv2::delete_metadata(root, "secret", "folder/other").await.unwrap();
    sys::mount::enable(root, "old", "kv", None).await.unwrap();
    kv1::set(root, "old", "app", &HashMap::from([("user", "u")])).await.unwrap();
    assert_eq!(kv1::get::<HashMap<String, String>>(root, "old", "app").await.unwrap()["user"], "u");
    assert_eq!(kv1::list(root, "old", "").await.unwrap().data.keys, ["app"]);
    kv1::delete(root, "old", "app").await.unwrap();
    sys::mount::disable(root, "old").await.unwrap();
    assert!(!sys::mount::list(root).await.unwrap().contains_key("old/"));
    cubbyhole::set(root, "cubbyhole", "mine", &HashMap::from([("a", "b")])).await.unwrap();
    assert_eq!(cubbyhole::get::<HashMap<String, String>>(root, "cubbyhole", "mine").await.unwrap()["a"], "b");
}

async fn encryption(root: &VaultClient) {
    sys::mount::enable(root, "transit", "transit", None).await.unwrap();
    transit::key::create(root, "transit", "app", None).await.unwrap();
    let sealed = transit::data::encrypt(root, "transit", "app", "aGVsbG8=", None).await.unwrap().ciphertext;
    transit::key::rotate(root, "transit", "app").await.unwrap();
    let again = transit::data::rewrap(root, "transit", "app", &sealed, None).await.unwrap().ciphertext;
    assert!(sealed.starts_with("vault:v1:") && again.starts_with("vault:v2:"));
    assert_eq!(transit::data::decrypt(root, "transit", "app", &again, None).await.unwrap().plaintext, "aGVsbG8=");
}

async fn tokens(root: &VaultClient, place: &Place) {
    sys::policy::set(root, "app", POLICY).await.unwrap();
    assert!(sys::policy::list(root).await.unwrap().policies.contains(&"app".to_owned()));
    let mut asked = CreateTokenRequest::builder();
    let made = token::new(root, Some(asked.policies(vec!["app".to_owned()]).ttl("1h"))).await.unwrap();
    assert_eq!(token::lookup(root, &made.client_token).await.unwrap().policies, ["app", "default"]);
    let app = client(place, &made.client_token);
    assert_eq!(status(&kv2::list(&app, "secret", "").await.unwrap_err()), 403);
    assert!(app.renew(Some("30m")).await.unwrap().lease_duration <= 1800);
    token::revoke_accessor(root, &made.accessor).await.unwrap();
    assert_eq!(status(&app.lookup().await.unwrap_err()), 403);

    sys::auth::enable(root, "approle", "approle", None).await.unwrap();
    let mut role = SetAppRoleRequest::builder();
    role.token_policies(vec!["app".to_owned()]).token_ttl("10m");
    approle::role::set(root, "approle", "app", Some(&mut role)).await.unwrap();
    let role_id = approle::role::read_id(root, "approle", "app").await.unwrap().role_id;
    let secret_id = approle::role::secret::generate(root, "approle", "app", None).await.unwrap().secret_id;
    let login = approle::login(root, "approle", &role_id, &secret_id).await.unwrap();
    assert_eq!(login.lease_duration, 600);
    let app = client(place, &login.client_token);
    assert_eq!(kv2::read::<Value>(&app, "secret", "app").await.unwrap()["user"], "u");
    app.revoke().await.unwrap();
    assert_eq!(status(&approle::login(root, "approle", &role_id, "wrong").await.unwrap_err()), 400);
}

async fn wrapping(root: &VaultClient) {
    let wrapped = api::wrap(root, ListMountsRequest::builder().build().unwrap()).await.unwrap();
    assert_eq!(wrapped.lookup(root).await.unwrap().creation_path, "sys/mounts");
    assert!(wrapped.unwrap(root).await.unwrap().contains_key("secret/"));
    assert!(wrapped.unwrap(root).await.is_err(), "an answer is unwrapped once");
    let endpoint = ReadSecretMetadataRequest::builder().mount("secret").path("app").build().unwrap();
    let wrapped = api::wrap(root, endpoint).await.unwrap();
    let opened: Value = sys::wrapping::unwrap(root, Some(&wrapped.info.token)).await.unwrap();
    assert_eq!(opened["current_version"], 1);
}

async fn people(root: &VaultClient) {
    identity::entity::create_or_update_by_name(root, "ada", None).await.unwrap();
    let entity = identity::entity::read_by_name(root, "ada").await.unwrap();
    assert!(identity::entity::list_by_name(root).await.unwrap().keys.contains(&"ada".to_owned()));
    identity::entity::delete_by_id(root, &entity.id).await.unwrap();
}

async fn credentials(root: &VaultClient, place: &Place) {
    sys::mount::enable(root, "db", "database", None).await.unwrap();
    let mut connection = PostgreSQLConnectionRequest::builder();
    connection
        .plugin_name("postgresql-database-plugin")
        .connection_url(place.postgres.template())
        .username(USER)
        .password(PASSWORD)
        .allowed_roles(vec!["app".to_owned()]);
    database::connection::postgres(root, "db", "main", Some(&mut connection)).await.unwrap();
    database::connection::rotate(root, "db", "main").await.unwrap();
    let create = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'";
    let mut role = SetRoleRequest::builder();
    role.db_name("main").creation_statements(vec![create.to_owned()]).default_ttl("1h");
    database::role::set(root, "db", "app", Some(&mut role)).await.unwrap();
    assert_eq!(database::role::list(root, "db").await.unwrap().keys, ["app"]);
    let mut asked = CreateTokenRequest::builder();
    let holder = token::new(root, Some(asked.policies(vec!["app".to_owned()]))).await.unwrap();
    let made = database::role::creds(&client(place, &holder.client_token), "db", "app").await.unwrap();
    assert!(place.postgres.accepts(&made.username, &made.password));
    token::revoke(root, &holder.client_token).await.unwrap();
    // It goes with the token it was made for, behind the answer.
    let end = Instant::now() + Duration::from_secs(10);
    while place.postgres.accepts(&made.username, &made.password) {
        assert!(Instant::now() < end, "the account outlived the token it was made for");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
