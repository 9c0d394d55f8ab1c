//! The peer: OpenBao in dev mode, a reference to compare answers with.
use super::tool;
use crate::lessor::free_port;
use lessor_client::{Client, Config, Error, Method, Request, Token};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server with the root token `root`, stopped when dropped.
pub struct Bao {
    child: Child,
    pub address: String,
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bao {
    pub async fn dev() -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let child = Command::new(tool("bao-2.7.2", "bao"))
            .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address={listen}"))
            .env("HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let bao = Self { child, address: format!("http://{listen}") };
        let end = Instant::now() + Duration::from_secs(60);
        // The last thing a dev server does before it is ready is mounting secret/.
        while bao.side().ask(Method::Get, "sys/mounts/secret", None).await.0 != 200 {
            assert!(Instant::now() < end, "bao does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bao
    }

    pub fn side(&self) -> Side {
        Side::new(&self.address)
    }
}

/// One of two servers that are asked the same.
#[derive(Clone)]
pub struct Side {
    config: Config,
}

impl Side {
    pub fn new(address: &str) -> Self {
        let token = Some(Token::new("root"));
        Self { config: Config { address: address.to_owned(), token, max_retries: 0, ..Config::default() } }
    }

    /// As somebody else, and with the answer wrapped for so long.
    pub fn with(&self, token: &str, wrap_ttl: Option<&str>) -> Self {
        let (token, wrap_ttl) = (Some(Token::new(token)), wrap_ttl.map(str::to_owned));
        Self { config: Config { token, wrap_ttl, ..self.config.clone() } }
    }

    /// Status and body; 0 where nobody answers.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut request = Request::new(method, path);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            request = request.query(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        match Client::new(self.config.clone()).unwrap().send(request).await {
            Ok(response) => (response.status, response.json.unwrap_or_default()),
            Err(Error::Api(api)) => (api.status, api.body.unwrap_or_default()),
            Err(_) => (0, Value::Null),
        }
    }

    /// What has to succeed.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(Method::Put, path, Some(body.clone())).await;
        assert!((200..300).contains(&status), "{path} {body}: {status} {answer}");
        answer
    }

    /// A policy of that text.
    pub async fn policy(&self, name: &str, text: &str) {
        self.put(&format!("sys/policies/acl/{name}"), json!({ "policy": text })).await;
    }

    /// A token with these policies and no others.
    pub async fn token(&self, policies: &[String]) -> String {
        let body = json!({ "policies": policies, "no_default_policy": true });
        self.put("auth/token/create", body).await["auth"]["client_token"].as_str().unwrap().to_owned()
    }
}
