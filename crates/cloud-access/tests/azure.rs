//! Protocol only: how Azure is asked for access tokens, in the order of its own libraries.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod stand_in;
use lessor_cloud_access::azure::{Access, Application, Cloud, Proof};
use lessor_cloud_access::{Error, Surroundings};
use lessor_engine::Secret;
use serde_json::json;
use stand_in::{StandIn, at, http};

const RESOURCE: &str = "https://management.azure.com/";

fn app(directory: &str, proof: Proof) -> Application {
    let (tenant, client) = ("t".to_owned(), "c".to_owned());
    Application { directory: directory.to_owned(), tenant, client, proof, resource: RESOURCE.to_owned() }
}

fn unnamed(directory: &str) -> Application {
    Application { tenant: String::new(), client: String::new(), ..app(directory, Proof::Surroundings) }
}

#[tokio::test]
async fn protocol_only_a_token_is_kept_until_two_minutes_before_its_end() {
    let azure = StandIn::start().await;
    let access = Access::within(Surroundings::of(&[]));
    let secret = app(&azure.address, Proof::Secret(Secret::new("s")));
    azure.answer("/t/oauth2/v2.0/token", 200, json!({ "access_token": "one", "expires_in": 1000 }));
    assert_eq!(access.token(&http(), &secret, at(0)).await.unwrap().expose(), "one");
    let (asked, _) = azure.last();
    let fields = ["grant_type", "client_id", "client_secret", "scope"].map(|name| asked.field(name));
    assert_eq!(fields, ["client_credentials", "c", "s", "https://management.azure.com/.default"]);
    azure.answer("/t/oauth2/v2.0/token", 200, json!({ "access_token": "two", "expires_in": 1000 }));
    assert_eq!(access.token(&http(), &secret, at(879)).await.unwrap().expose(), "one");
    assert_eq!(access.token(&http(), &secret, at(881)).await.unwrap().expose(), "two");
    azure.answer("/t/oauth2/v2.0/token", 200, json!({ "access_token": "three", "expires_in": 1000 }));
    let other = app(&azure.address, Proof::Secret(Secret::new("other")));
    assert_eq!(
        access.token(&http(), &other, at(882)).await.unwrap().expose(),
        "three",
        "another secret, another token"
    );
    let refused = json!({ "error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret s." });
    azure.answer("/t/oauth2/v2.0/token", 401, refused);
    access.forget().await;
    let error = access.token(&http(), &other, at(883)).await.err().unwrap();
    let text = "Azure refuses the application in config: invalid_client (AADSTS7000215)".to_owned();
    assert_eq!(error, Error::Refused(text), "the secret is not repeated");
}

#[tokio::test]
async fn protocol_only_statements_of_one_audience_share_a_token() {
    let azure = StandIn::start().await;
    azure.answer("/t/oauth2/v2.0/token", 200, json!({ "access_token": "one", "expires_in": 1000 }));
    let access = Access::within(Surroundings::of(&[]));
    for text in ["first", "second"] {
        let proof = Proof::Statement { by: "audience".to_owned(), text: Secret::new(text) };
        access.token(&http(), &app(&azure.address, proof), at(0)).await.unwrap();
    }
    let (asked, count) = azure.last();
    assert_eq!((asked.field("client_assertion"), count), ("first".to_owned(), 1));
    assert_eq!(asked.field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
}

#[tokio::test]
async fn protocol_only_the_surroundings_are_asked_in_the_order_of_azures_libraries() {
    let azure = StandIn::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, "statement").unwrap();
    azure.answer("/envt/oauth2/v2.0/token", 200, json!({ "access_token": "env", "expires_in": 1000 }));
    azure.answer("/msi", 200, json!({ "access_token": "service", "expires_on": "1800001000" }));
    azure.answer("/metadata/identity/oauth2/token", 200, json!({ "access_token": "machine", "expires_in": "1000" }));
    let (service, file) = (azure.url("/msi"), file.to_str().unwrap());
    let mut variables = vec![
        ("AZURE_TENANT_ID", "envt"),
        ("AZURE_CLIENT_ID", "envc"),
        ("AZURE_CLIENT_SECRET", "envs"),
        ("AZURE_FEDERATED_TOKEN_FILE", file),
        ("AZURE_AUTHORITY_HOST", azure.address.as_str()),
        ("IDENTITY_ENDPOINT", service.as_str()),
        ("IDENTITY_HEADER", "h"),
        ("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.address.as_str()),
    ];
    let token = async |variables: &[(&str, &str)], app: &Application| {
        Access::within(Surroundings::of(variables))
            .token(&http(), app, at(0))
            .await
            .map(|token| token.expose().to_owned())
    };
    let nobody = unnamed("http://127.0.0.1:1");
    assert_eq!(token(&variables, &nobody).await.unwrap(), "env");
    assert_eq!(azure.last().0.field("client_secret"), "envs");
    variables.retain(|(name, _)| *name != "AZURE_CLIENT_SECRET");
    assert_eq!(token(&variables, &nobody).await.unwrap(), "env");
    assert_eq!(azure.last().0.field("client_assertion"), "statement");
    variables.retain(|(name, _)| *name != "AZURE_FEDERATED_TOKEN_FILE");
    assert_eq!(token(&variables, &nobody).await.unwrap(), "service");
    let (asked, _) = azure.last();
    assert_eq!((asked.header("x-identity-header"), asked.field("api-version")), ("h", "2019-08-01".to_owned()));
    variables.retain(|(name, _)| *name != "IDENTITY_ENDPOINT");
    assert_eq!(token(&variables, &app("", Proof::Surroundings)).await.unwrap(), "machine");
    let (asked, _) = azure.last();
    assert_eq!(
        (asked.header("metadata"), asked.field("resource"), asked.field("client_id")),
        ("true", RESOURCE.to_owned(), "c".to_owned())
    );
    let gone = [("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent"), ("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
    assert!(matches!(token(&gone, &nobody).await, Err(Error::Refused(text)) if text.contains("/nonexistent")));
    let away = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")];
    assert!(matches!(token(&away, &nobody).await, Err(Error::Unavailable(_))));
}

/// Certificate and key in one file; the certificate's digest in base64url.
fn certificate(directory: &std::path::Path) -> String {
    let script = "openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=x 2>/dev/null\n\
                  cat c.pem k.pem > both.pem\n\
                  openssl x509 -in c.pem -outform DER | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' | tr -d '=\\n'";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(directory).output().unwrap();
    String::from_utf8(made.stdout).unwrap()
}

#[tokio::test]
async fn protocol_only_a_certificate_of_the_surroundings_signs_for_the_application() {
    let (azure, directory) = (StandIn::start().await, tempfile::tempdir().unwrap());
    azure.answer("/t/oauth2/v2.0/token", 200, json!({ "access_token": "one", "expires_in": 1000 }));
    let digest = certificate(directory.path());
    let token = async |file: &str| {
        let path = directory.path().join(file);
        let own = Surroundings::of(&[("AZURE_CLIENT_CERTIFICATE_PATH", path.to_str().unwrap())]);
        let app = app(&azure.address, Proof::Surroundings);
        Access::within(own).token(&http(), &app, at(0)).await.map(|token| token.expose().to_owned())
    };
    assert_eq!(token("both.pem").await.unwrap(), "one");
    let said = azure.last().0.field("client_assertion");
    let key = std::fs::read(directory.path().join("c.pem")).unwrap();
    let key = jsonwebtoken::DecodingKey::from_rsa_pem(&key).unwrap();
    let mut check = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::PS256);
    check.set_audience(&[azure.url("/t/oauth2/v2.0/token")]);
    check.validate_exp = false;
    let said = jsonwebtoken::decode::<serde_json::Value>(said, &key, &check).unwrap();
    assert_eq!(said.header.x5t_s256, Some(digest));
    assert_eq!((&said.claims["iss"], &said.claims["sub"]), (&json!("c"), &json!("c")));
    for (file, text) in [("c.pem", "no RSA key"), ("k.pem", "no certificate"), ("none.pem", "cannot be read")] {
        assert!(matches!(token(file).await, Err(Error::Refused(why)) if why.contains(text)), "{file}");
    }
}

#[test]
fn a_cloud_is_found_in_any_case_of_letters() {
    assert_eq!(Cloud::find("AZUREPUBLICCLOUD"), Some(Cloud::default()));
    assert_eq!(Cloud::find("AzureChinaCloud").unwrap().vaults, "vault.azure.cn");
    assert_eq!(Cloud::find("AzureGermanCloud"), None);
}
