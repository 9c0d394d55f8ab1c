//! A server in the test's own process, reached over real sockets.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use lessor_server::{Options, Running};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

pub const ROOT: &str = "root";

/// A server, and the folder of its files.
pub struct Server {
    pub running: Running,
    pub folder: TempDir,
}

/// Dev mode, with `config` (HCL) on top.
pub async fn dev(config: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    start(folder, config, |options| Options { dev: true, ..options }).await
}

/// Dev mode whose first listener has the given keys: dev mode's own comes first, this one second.
pub async fn listener(keys: &str) -> Server {
    dev(&format!("listener \"tcp\" {{\n address = \"127.0.0.1:0\"\n {keys} }}")).await
}

pub async fn start(folder: TempDir, config: &str, change: impl FnOnce(Options) -> Options) -> Server {
    let path = folder.path().join("config.hcl");
    std::fs::write(&path, config.replace("$DIR", &folder.path().display().to_string())).unwrap();
    let options = change(Options {
        config_paths: vec![path],
        dev_root_token: Some(ROOT.to_owned()),
        dev_address: Some("127.0.0.1:0".to_owned()),
        ..Options::default()
    });
    let factories = lessor_server::Factories {
        engines: vec![std::sync::Arc::new(lessor_engine_kv::KvFactory)],
        methods: Vec::new(),
    };
    let running = lessor_server::start(options, factories).await.unwrap();
    Server { running, folder }
}

impl Server {
    /// Where the last listener listens.
    pub fn address(&self) -> String {
        self.running.addresses().last().unwrap().clone()
    }
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/v1/{path}", self.address())
    }
    /// A request with the root token: status, headers and body.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut request = client.request(method.parse().unwrap(), self.url(path)).header("X-Vault-Token", ROOT);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    }
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
    pub fn rewrite(&self, config: &str) {
        let text = config.replace("$DIR", &self.folder.path().display().to_string());
        std::fs::write(self.path("config.hcl"), text).unwrap();
    }
    /// Whether the server still answers.
    pub async fn is_well(&self) -> bool {
        self.ask("GET", "sys/health", &[], "").await.status == 200
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
    /// The first error text.
    pub fn error(&self) -> String {
        self.json()["errors"][0].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends bytes and reads until the server closes the connection; fails after 20 seconds.
pub async fn raw(address: &str, bytes: impl Into<Vec<u8>>) -> String {
    let (address, bytes) = (address.to_owned(), bytes.into());
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A server that has heard enough may close while this still writes.
        let _ = stream.write_all(&bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection stays open"),
            _ => String::from_utf8_lossy(&answer).into_owned(),
        }
    })
    .await
    .unwrap()
}

/// An authority with a certificate for 127.0.0.1 and one for a client, as PEM files `ca`, `server`, `client` and keys.
pub fn certificates(folder: &Path, names: &[&str]) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, key);
    for name in names {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
