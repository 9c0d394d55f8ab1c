//! Three servers on one storage, each on a host of its own.
use super::net::Net;
use crate::lessor::PROGRAM;
use lessor_client::{Client, Config, Request, Token};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SEAL: &str =
    "seal \"static\" { current_key = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\" }";
pub const NODES: usize = 3;

pub struct Nodes {
    pub net: Net,
    directory: PathBuf,
    children: Vec<Option<Child>>,
    pub token: String,
}

impl Nodes {
    /// Starts all of them on `storage` (the stanza), the first one initialised.
    pub async fn start(net: Net, directory: &Path, storage: &str) -> Self {
        let mut nodes = Self {
            net,
            directory: directory.to_owned(),
            children: (0..NODES).map(|_| None).collect(),
            token: String::new(),
        };
        for node in 0..NODES {
            let address = nodes.address(node);
            let config = format!(
                "{storage}\nlistener \"tcp\" {{ address = \"0.0.0.0:8200\"\n tls_disable = true }}\napi_addr = \"{address}\"\n{SEAL}\n"
            );
            std::fs::write(nodes.file(node), config).unwrap();
            nodes.run(node);
            if node == 0 {
                nodes.until_up(0).await;
                let body = json!({ "recovery_shares": 1, "recovery_threshold": 1 });
                let made = nodes.client(0).send(Request::put("sys/init", body)).await.unwrap();
                nodes.token = made.json.unwrap()["root_token"].as_str().unwrap().to_owned();
            }
        }
        for node in 0..NODES {
            nodes.until_serving(node).await;
        }
        nodes
    }
    fn file(&self, node: usize) -> PathBuf {
        self.directory.join(format!("node{node}.hcl"))
    }
    pub fn address(&self, node: usize) -> String {
        format!("http://{}:8200", self.net.node(node))
    }
    pub fn run(&mut self, node: usize) {
        let log = self.directory.join(format!("node{node}.log"));
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.net.on(node, Path::new(PROGRAM));
        command.args(["server", &format!("-config={}", self.file(node).display())]).env("HOME", "/nonexistent");
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.children[node] = Some(child);
    }
    pub fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.children[node].take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    /// Ends it in an orderly way.
    pub fn end(&mut self, node: usize) {
        self.signal(node, "TERM");
        let status = self.children[node].take().unwrap().wait().unwrap();
        assert!(status.success(), "{}", self.log(node));
    }
    /// `STOP`, `CONT` or `TERM`.
    pub fn signal(&self, node: usize, signal: &str) {
        let id = self.children[node].as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }
    /// Gives up on a node after a few seconds.
    pub fn client(&self, node: usize) -> Client {
        let token = (!self.token.is_empty()).then(|| Token::new(self.token.as_str()));
        let config = Config {
            address: self.address(node),
            token,
            max_retries: 0,
            timeout: Duration::from_secs(5),
            ..Config::default()
        };
        Client::new(config).unwrap()
    }
    async fn until_up(&self, node: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.client(node).send(Request::get("sys/seal-status")).await.is_err() {
            assert!(Instant::now() < end, "node {node} does not answer; {}", self.log(node));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    pub async fn serves(&self, node: usize) -> bool {
        self.client(node).send(Request::get("sys/mounts")).await.is_ok()
    }
    pub async fn until_serving(&self, node: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.serves(node).await {
            assert!(Instant::now() < end, "node {node} does not serve; {}", self.log(node));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    pub fn log(&self, node: usize) -> String {
        let text = std::fs::read_to_string(self.directory.join(format!("node{node}.log"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
    pub async fn write(&self, path: &str, body: Value) -> Value {
        let answer = self.client(0).send(Request::put(path, body)).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error}; {}", self.log(0))).json.unwrap_or_default()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in 0..NODES {
            self.kill(node);
        }
    }
}
