//! The peer, OpenBao, started privately, and both servers asked the same way.
use crate::lessor::{Lessor, free_port};
use lessor_client::{Client, Config, Error, Request, Token};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = "lessor-targets/bao-2.7.2/bin/bao";

/// A server with its root token.
pub struct Server {
    client: Client,
}

/// Both servers, each with `transit/` and `totp/`; the peer is stopped when dropped.
pub struct Both {
    pub lessor: Server,
    pub peer: Server,
    _lessor: Lessor,
    child: Child,
}

/// Status and body of an answer.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

fn program() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    let path = cache.join(PROGRAM);
    assert!(path.exists(), "{} is installed by `make test`", path.display());
    path
}

impl Server {
    fn at(address: String) -> Self {
        let config = Config { address, token: Some(Token::new("root")), max_retries: 0, ..Config::default() };
        Self { client: Client::new(config).unwrap() }
    }

    pub async fn ask(&self, request: Request) -> Answer {
        match self.client.send(request).await {
            Ok(response) => Answer { status: response.status, body: response.json.unwrap_or_default() },
            Err(Error::Api(api)) => Answer { status: api.status, body: api.body.unwrap_or_default() },
            Err(other) => panic!("{other}"),
        }
    }

    /// The `data` of a request that has to succeed.
    pub async fn data(&self, request: Request) -> Value {
        let path = request.path().to_owned();
        let answer = self.ask(request).await;
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
        answer.body["data"].clone()
    }

    pub async fn write(&self, path: &str, body: Value) -> Value {
        self.data(Request::put(path, body)).await
    }

    pub async fn read(&self, path: &str) -> Value {
        self.data(Request::get(path)).await
    }
}

impl Both {
    pub async fn start() -> Self {
        let lessor = Lessor::dev().await;
        let listen = format!("127.0.0.1:{}", free_port());
        let child = Command::new(program())
            .args(["server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root"])
            .arg(format!("-dev-listen-address={listen}"))
            .env("HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let servers = (Server::at(lessor.address.clone()), Server::at(format!("http://{listen}")));
        let both = Self { lessor: servers.0, peer: servers.1, _lessor: lessor, child };
        let end = Instant::now() + Duration::from_secs(30);
        while both.peer.client.send(Request::get("sys/mounts")).await.is_err() {
            assert!(Instant::now() < end, "the peer does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for kind in ["transit", "totp"] {
            for server in [&both.lessor, &both.peer] {
                server.write(&format!("sys/mounts/{kind}"), json!({ "type": kind })).await;
            }
        }
        both
    }
}

impl Drop for Both {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
