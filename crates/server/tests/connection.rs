//! What an engine learns of the connection, and bytes that are no JSON.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod support;

use lessor_engine::{Backend, Context, Factory, Paths, Reply, Result};
use lessor_server::{Factories, Options};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{Answer, certificates};

/// An auth method that tells what it sees.
struct Echo;

impl Factory for Echo {
    fn kind(&self) -> &'static str {
        "echo"
    }
    fn description(&self) -> &'static str {
        "Tells what it sees."
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let paths = Paths::new(Arc::new(Self))
            .path("connection", "Shows the connection.", |path| path.open().read(connection))
            .path("list", "Shows bytes.", |path| path.open().read(bytes));
        Ok(Backend::new(paths.build()))
    }
}

async fn connection(_: Arc<Echo>, cx: Context, (): ()) -> Result<Reply> {
    let connection = &cx.connection;
    let chain: Vec<String> = connection.certificates.iter().map(hex::encode).collect();
    Ok(Reply::data(json!({ "chain": chain, "headers": connection.headers, "address": connection.address })))
}

async fn bytes(_: Arc<Echo>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::raw("application/pkix-crl", vec![0, 159, 146, 150]))
}

async fn server() -> (lessor_server::Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path(), &["server", "client"]);
    let config = format!(
        "listener \"tcp\" {{ address = \"127.0.0.1:0\"\n tls_cert_file = \"{0}/server.pem\"\n \
         tls_key_file = \"{0}/server.key\" }}",
        folder.path().display()
    );
    let path = folder.path().join("config.hcl");
    std::fs::write(&path, config).unwrap();
    let options = Options {
        dev: true,
        config_paths: vec![path],
        dev_root_token: Some("root".to_owned()),
        dev_address: Some("127.0.0.1:0".to_owned()),
        ..Options::default()
    };
    let factories = Factories { engines: vec![Arc::new(lessor_engine_kv::KvFactory)], methods: vec![Arc::new(Echo)] };
    let running = lessor_server::start(options, factories).await.unwrap();
    let mount = format!("http://{}/v1/sys/auth/echo", running.addresses()[0]);
    let mounted = reqwest::Client::new().post(mount).header("X-Vault-Token", "root").body(r#"{"type":"echo"}"#);
    assert_eq!(mounted.send().await.unwrap().status(), 204);
    (running, folder)
}

#[tokio::test]
async fn certificates_and_foreign_authorization_reach_auth_methods_and_tokens_do_not() {
    let (running, folder) = server().await;
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let pem = [read("client.pem"), read("client.key")].concat();
    let client = reqwest::Client::builder()
        .use_rustls_tls()
        .add_root_certificate(reqwest::Certificate::from_pem(&read("ca.pem")).unwrap())
        .identity(reqwest::Identity::from_pem(&pem).unwrap())
        .build()
        .unwrap();
    let url = format!("https://{}/v1/auth/echo/connection", running.addresses()[1]);
    let foreign = client.get(&url).header("Authorization", "Negotiate abc").header("X-Vault-Token", "s.secret");
    let seen = Answer::of(foreign.send().await.unwrap()).await;
    let data = &seen.json()["data"];
    use rustls::pki_types::pem::PemObject;
    let own = rustls::pki_types::CertificateDer::from_pem_slice(&read("client.pem")).unwrap();
    assert_eq!(data["chain"][0], hex::encode(&own));
    assert_eq!(data["address"], "127.0.0.1");
    assert_eq!(data["headers"], json!([["authorization", "Negotiate abc"]]));
    let ours = client.get(&url).header("Authorization", "Bearer s.secret").send().await.unwrap();
    assert_eq!(Answer::of(ours).await.json()["data"]["headers"], json!([]));
}

#[tokio::test]
async fn bytes_keep_their_content_type() {
    let (running, _folder) = server().await;
    let url = format!("http://{}/v1/auth/echo/list", running.addresses()[0]);
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/pkix-crl");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.bytes().await.unwrap().as_ref(), [0, 159, 146, 150]);
}
