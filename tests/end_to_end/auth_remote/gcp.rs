//! Protocol only: a stand-in for Google that holds every request against Google's published description (google.rs);
//! Google's own Python libraries sign the logins.
use super::google::{APP, Google, LESSOR, PROVIDER, python};
use super::signer::{Signer, now};
use super::{enabled, lives_and_ends, refused, renewal};
use crate::lessor::Lessor;
use lessor_client::Request;
use serde_json::{Value, json};

const LOGIN: &str = "auth/gcp/login";

async fn roles(lessor: &Lessor) {
    for (name, role) in Google::roles() {
        lessor.write(&format!("auth/gcp/role/{name}"), role).await;
    }
}

async fn configured(google: &Google, more: Value) -> Lessor {
    let lessor = enabled("gcp").await;
    let mut config = google.endpoints();
    config["credentials"] = json!(google.key_file());
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    lessor.write("auth/gcp/config", config).await;
    roles(&lessor).await;
    lessor
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_googles_own_client_is_content_with_the_stand_in() {
    let google = Google::start();
    let code = "from google.oauth2 import service_account\n\
                from googleapiclient import discovery\n\
                info, base = json.load(sys.stdin)\n\
                scopes = ['https://www.googleapis.com/auth/cloud-platform']\n\
                credentials = service_account.Credentials.from_service_account_info(info, scopes=scopes)\n\
                def client(name, version):\n\
                \x20   return discovery.build(name, version, credentials=credentials, static_discovery=True,\n\
                \x20                          client_options={'api_endpoint': base + ('/compute/v1/' if name == 'compute' else '')})\n\
                accounts = client('iam', 'v1').projects().serviceAccounts()\n\
                print(accounts.get(name='projects/-/serviceAccounts/1001').execute()['email'])\n\
                ancestry = client('cloudresourcemanager', 'v1').projects().getAncestry(projectId='p-one', body={})\n\
                print(len(ancestry.execute()['ancestor']))\n\
                instance = client('compute', 'v1').instances().get(project='p-one', zone='a-b1-c', instance='vm')\n\
                print(instance.execute()['status'])";
    let file = google.account(LESSOR).file(&format!("{}/token", google.stand_in.address));
    let said = python(code, &json!([file, google.stand_in.address]));
    assert_eq!(said, format!("{APP}\n3\nRUNNING"));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_an_account_logs_in_with_a_jwt_of_google_auth_until_its_key_or_the_role_is_gone() {
    let google = Google::start();
    let lessor = configured(&google, json!({ "iam_alias": "unique_id", "iam_metadata": "project_id" })).await;
    lessor.write("identity/group", json!({ "name": "folk", "type": "external", "policies": "of-the-folder" })).await;
    let group = lessor.read("identity/group/name/folk").await["data"]["id"].clone();
    let mount = lessor.read("sys/auth").await["data"]["gcp/"]["accessor"].clone();
    let alias = json!({ "name": "folder-7", "mount_accessor": mount, "canonical_id": group });
    lessor.write("identity/group-alias", alias).await;
    let answer = lessor.write(LOGIN, google.own(600)).await;
    let metadata = json!({
        "project_id": "p-one", "role": "web", "service_account_email": APP, "service_account_id": "1001",
    });
    assert_eq!(answer["auth"]["metadata"], metadata);
    assert_eq!(answer["auth"]["policies"], json!(["default", "of-the-folder", "p"]), "add_group_aliases");
    let entity = answer["auth"]["entity_id"].as_str().unwrap();
    let entity = lessor.read(&format!("identity/entity/id/{entity}")).await;
    let alias = &entity["data"]["aliases"][0];
    assert_eq!((&alias["name"], &alias["metadata"]), (&json!("1001"), &json!({ "project_id": "p-one" })));
    lives_and_ends(&lessor, &answer).await;
    let answer = lessor.write(LOGIN, google.own(600)).await;
    assert_eq!(renewal(&lessor, &answer).await, Ok(1200));
    let count = |path: &str| google.stand_in.asked().iter().filter(|asked| asked.path == path).count();
    assert_eq!(
        (count("/token"), count("/oauth2/v3/certs")),
        (1, 0),
        "tokens are kept, keys of no concern not asked for"
    );

    google.on_account(APP, |account| account.key_known = false);
    assert!(refused(&lessor, LOGIN, google.own(600), 400).await.contains("none of the account's"));
    google.on_account(APP, |account| (account.key_known, account.disabled) = (true, true));
    assert!(refused(&lessor, LOGIN, google.own(600), 400).await.contains("does not exist or is disabled"));
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("does not exist any more"));
    google.on_account(APP, |account| account.disabled = false);
    assert_eq!(renewal(&lessor, &answer).await, Ok(1200));
    lessor.send(Request::delete("auth/gcp/role/web")).await.unwrap();
    assert!(refused(&lessor, LOGIN, google.own(600), 400).await.contains("role \"web\" not found"));
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("does not exist during renewal"));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_tokens_of_others_for_others_or_for_too_long_are_refused() {
    let (google, stranger) = (Google::start(), Signer::rsa("k1"));
    let lessor = configured(&google, json!({})).await;
    let claims = |sub: &str, aud: &str| json!({ "iss": sub, "sub": sub, "aud": aud, "exp": now() + 60 });
    let app = google.account(APP);
    let own = |claims: Value| json!({ "role": "web", "jwt": app.sign(&claims) });
    let strange = |jwt: String| json!({ "role": "web", "jwt": jwt });
    let mut false_issuer = claims(APP, "vault/web");
    false_issuer["iss"] = json!("https://accounts.google.com");
    for (body, text) in [
        (google.own(3000), "expire within 900 seconds"),
        (google.own(-600), "token is expired"),
        (own(claims(APP, "vault/other")), "audience"),
        (own(claims(APP, "vault/web/x")), "audience"),
        (own(claims(LESSOR, "vault/web")), "none of the account's"),
        (own(claims("../../x", "vault/web")), "none of the account's"),
        (own(json!({ "sub": APP, "aud": "vault/web" })), "token"),
        (own(json!({ "aud": "vault/web", "exp": now() + 60 })), "no subject"),
        (own(false_issuer), "no known key"),
        (strange(stranger.sign(&claims(APP, "vault/web"))), "none of the account's"),
        (strange(stranger.unsigned(&claims(APP, "vault/web"))), "token"),
        (strange(stranger.confused(&claims(APP, "vault/web"))), "token"),
        (json!({ "role": "none", "jwt": "x" }), "role \"none\" not found"),
        (json!({ "role": "web" }), "jwt is required"),
        (json!({ "jwt": "x" }), "role is required"),
        (json!({ "role": "vm", "jwt": app.sign(&claims(APP, "vault/vm")) }), "that Google signed"),
    ] {
        let error = refused(&lessor, LOGIN, body, 400).await;
        assert!(error.contains(text), "{text}: {error}");
    }
    lessor.write("auth/gcp/role/web", json!({ "bound_service_accounts": LESSOR })).await;
    assert!(refused(&lessor, LOGIN, google.own(60), 400).await.contains("is not authorized"));
    lessor.write("auth/gcp/role/web/service-accounts", json!({ "add": APP, "remove": LESSOR })).await;
    lessor.write(LOGIN, google.own(60)).await;
    lessor.write("auth/gcp/role/web", json!({ "bound_projects": "p-two" })).await;
    assert!(refused(&lessor, LOGIN, google.own(60), 400).await.contains("one of the role's projects"));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_machine_logs_in_while_it_is_bound_by_place_label_and_group() {
    let google = Google::start();
    let lessor = configured(&google, json!({ "gce_alias": "instance_id" })).await;
    let (vm, none) = (|| google.machine("vm", &json!({})), json!({}));
    let answer = lessor.write(LOGIN, vm()).await;
    let metadata = &answer["auth"]["metadata"];
    assert_eq!((&metadata["instance_id"], &metadata["project_number"]), (&json!("5"), &json!("11")));
    assert_eq!(renewal(&lessor, &answer).await, Ok(1200));
    for (place, text) in [
        (json!({ "zone": "z-z1-a" }), "none of the role's regions"),
        (json!({ "project_id": "p-two" }), "not one of the role's projects"),
        (json!({ "instance_id": "6" }), "does not exist"),
        (json!({ "instance_name": "vn" }), "does not exist"),
    ] {
        let error = refused(&lessor, LOGIN, google.machine("vm", &place), 400).await;
        assert!(error.contains(text), "{text}: {error}");
    }
    google.change(|world| world.machine["labels"]["env"] = json!("test"));
    assert!(refused(&lessor, LOGIN, vm(), 400).await.contains("no label"));
    assert!(renewal(&lessor, &answer).await.unwrap_err().contains("no label"));
    lessor.write("auth/gcp/role/vm/labels", json!({ "remove": "env" })).await;
    lessor.write(LOGIN, vm()).await;
    let mut members = Vec::new();
    google.change(|world| std::mem::swap(&mut members, &mut world.members));
    assert!(refused(&lessor, LOGIN, vm(), 400).await.contains("none of the role's instance groups"));
    google.change(|world| (world.members, world.machine["status"]) = (members, json!("TERMINATED")));
    assert!(refused(&lessor, LOGIN, vm(), 400).await.contains("is not running"));
    google.change(|world| world.machine["status"] = json!("RUNNING"));
    // A machine's token also speaks for its account, where the role says so.
    lessor.write(LOGIN, google.machine("web", &none)).await;
    lessor.write("auth/gcp/role/web", json!({ "allow_gce_inference": false })).await;
    assert!(refused(&lessor, LOGIN, google.machine("web", &none), 400).await.contains("does not let instances"));
    let forged = Signer::rsa("g1").sign(&Signer::claims(vm()["jwt"].as_str().unwrap()));
    assert!(refused(&lessor, LOGIN, json!({ "role": "vm", "jwt": forged }), 400).await.contains("no known key"));
    assert_eq!(google.stand_in.count("/oauth2/v3/certs"), 1, "Google's keys are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_a_deleted_key_of_lessors_own_lets_nobody_in_and_a_new_one_does() {
    let google = Google::start();
    google.on_account(LESSOR, |account| account.key_known = false);
    let lessor = configured(&google, json!({})).await;
    let error = refused(&lessor, LOGIN, google.own(60), 500).await;
    assert!(error.contains("Google refuses the credentials in config: invalid_grant"), "{error}");
    let shown = lessor.read("auth/gcp/config").await["data"].to_string();
    assert!(shown.contains(LESSOR) && !shown.contains("PRIVATE KEY"));
    google.on_account(LESSOR, |account| account.key_known = true);
    lessor.write(LOGIN, google.own(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_without_credentials_in_the_configuration_the_servers_surroundings_are_asked() {
    let google = Google::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key.json");
    std::fs::write(&file, google.key_file()).unwrap();
    let host = google.stand_in.address.trim_start_matches("http://").to_owned();
    let by_file = ("GOOGLE_APPLICATION_CREDENTIALS".to_owned(), file.to_str().unwrap().to_owned());
    for (at, variable) in [by_file, ("GCE_METADATA_HOST".to_owned(), host)].into_iter().enumerate() {
        let place = directory.path().join(at.to_string());
        std::fs::create_dir(&place).unwrap();
        let mut lessor = Lessor::stored_in(&place, Lessor::STATIC, vec![variable]).await;
        let made = lessor.write("sys/init", json!({ "recovery_shares": 1, "recovery_threshold": 1 })).await;
        lessor.token = made["root_token"].as_str().unwrap().to_owned();
        lessor.write("sys/auth/gcp", json!({ "type": "gcp" })).await;
        lessor.write("auth/gcp/config", google.endpoints()).await;
        roles(&lessor).await;
        lessor.write(LOGIN, google.own(60)).await;
    }
    let asked = google.stand_in.asked();
    let count = |path: &str| asked.iter().filter(|asked| asked.path.starts_with(path)).count();
    assert_eq!((count("/token"), count("/computeMetadata/")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_without_any_key_this_servers_own_statement_is_exchanged_for_the_accounts_token() {
    let (google, stranger) = (Google::start(), Lessor::dev().await);
    let lessor = enabled("gcp").await;
    let issuer = |lessor: &Lessor| format!("{}/v1/identity/oidc/plugins", lessor.address);
    google.change(|world| world.trusted = issuer(&stranger));
    let mut config = google.endpoints();
    config["identity_token_audience"] = json!(format!("https:{PROVIDER}"));
    config["service_account_email"] = json!(LESSOR);
    lessor.write("auth/gcp/config", config).await;
    roles(&lessor).await;
    let error = refused(&lessor, LOGIN, google.own(60), 500).await;
    assert!(error.contains("Google refuses the credentials in config: invalid_grant"), "{error}");
    google.change(|world| world.trusted = issuer(&lessor));
    lessor.write(LOGIN, google.own(60)).await;
    lessor.write(LOGIN, google.own(60)).await;
    assert_eq!(google.stand_in.count("/v1/token"), 2, "the account's token is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn protocol_only_sixteen_log_in_at_once_and_nobody_while_google_is_down() {
    let google = Google::start();
    let lessor = configured(&google, json!({})).await;
    let body = google.own(600);
    let logins = (0..16).map(|_| lessor.write(LOGIN, body.clone()));
    for answer in futures::future::join_all(logins).await {
        assert_eq!(answer["auth"]["metadata"]["role"], "web");
    }
    assert_eq!(google.stand_in.count("/token"), 1);
    google.change(|world| world.down = true);
    assert!(refused(&lessor, LOGIN, body.clone(), 500).await.contains("does not answer"));
    google.change(|world| world.down = false);
    lessor.write(LOGIN, body).await;
}
