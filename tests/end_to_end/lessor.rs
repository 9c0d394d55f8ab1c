//! A server of its own for a test, and a client to it.
use lessor_client::{Client, Config, Error, Request, Token};
use serde_json::{Value, json};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lessor");

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server. Killed when dropped.
pub struct Lessor {
    child: Child,
    pub address: String,
    pub token: String,
    directory: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl Drop for Lessor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String]) -> Child {
    server(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn server(arguments: &[String]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("server").args(arguments).env("HOME", "/nonexistent");
    command
}

/// What it says goes to `output.log` beside its configuration.
fn spawn_stored(directory: &Path, environment: &[(String, String)]) -> Child {
    let output = File::options().create(true).append(true).open(directory.join("output.log")).unwrap();
    let mut command = server(&[format!("-config={}", directory.join("lessor.hcl").display())]);
    command.envs(environment.iter().cloned());
    command.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap()
}

fn write_config(directory: &Path, listen: &str, more: &str) {
    let data = directory.join("data");
    // Embedded storage, unless the rest of the configuration brings another.
    let storage =
        if more.contains("storage \"") { String::new() } else { format!("storage \"embedded\" {{ path = {data:?} }}") };
    let config = format!("{storage}\nlistener \"tcp\" {{ address = {listen:?}\n tls_disable = true }}\n{more}\n");
    std::fs::write(directory.join("lessor.hcl"), config).unwrap();
}

impl Lessor {
    /// In memory, with the root token `root`.
    pub async fn dev() -> Self {
        Self::dev_with(&[]).await
    }

    async fn dev_with(more: &[String]) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let arguments = ["-dev", "-dev-root-token-id=root", "-dev-no-store-token"].map(str::to_owned);
        let arguments = [arguments.as_slice(), &[format!("-dev-listen-address={listen}")], more].concat();
        let child = spawn(&arguments);
        let address = format!("http://{listen}");
        let lessor = Self { child, address, token: "root".into(), directory: None, environment: Vec::new() };
        lessor.wait_until_up().await;
        lessor
    }

    /// As [`Lessor::dev`], with a second listener whose keys are those of the configuration.
    pub async fn dev_and(directory: &Path, listener: &str) -> Self {
        let file = directory.join("lessor.hcl");
        std::fs::write(&file, format!("listener \"tcp\" {{ {listener} }}")).unwrap();
        Self::dev_with(&[format!("-config={}", file.display())]).await
    }

    /// On embedded storage in `directory`, with a seal that opens by itself or with key shares.
    pub async fn stored(directory: &Path, seal: &str) -> Self {
        Self::stored_in(directory, seal, Vec::new()).await
    }

    /// The same with variables in the server's environment.
    pub async fn stored_in(directory: &Path, seal: &str, environment: Vec<(String, String)>) -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        write_config(directory, &listen, seal);
        let child = spawn_stored(directory, &environment);
        let address = format!("http://{listen}");
        let lessor = Self { child, address, token: String::new(), directory: Some(directory.to_owned()), environment };
        lessor.wait_until_up().await;
        lessor
    }

    /// Killed, and started again with another seal.
    pub async fn restart_with(self, seal: &str) -> Self {
        let listen = self.address.trim_start_matches("http://").to_owned();
        write_config(self.directory.as_ref().unwrap(), &listen, seal);
        self.kill_and_restart().await
    }

    /// A static seal whose key stands in the configuration.
    pub const STATIC: &str =
        "seal \"static\" { current_key = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\" }";

    /// As [`Lessor::stored`] with the static seal, initialised.
    pub async fn initialised(directory: &Path) -> Self {
        let mut lessor = Self::stored(directory, Self::STATIC).await;
        let body = json!({ "recovery_shares": 1, "recovery_threshold": 1 });
        lessor.token = lessor.write("sys/init", body).await["root_token"].as_str().unwrap().to_owned();
        lessor
    }

    /// Ended in an orderly way, with everything written.
    pub fn stop(mut self) {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap();
    }

    /// Killed without a word, and started again on the same data.
    pub async fn kill_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let directory = self.directory.clone().unwrap();
        let listen = self.address.clone();
        let environment = std::mem::take(&mut self.environment);
        let child = spawn_stored(&directory, &environment);
        let next = Self { child, address: listen, token: self.token.clone(), directory: Some(directory), environment };
        next.wait_until_up().await;
        next
    }

    async fn wait_until_up(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while self.client().send(Request::get("sys/seal-status")).await.is_err() {
            assert!(Instant::now() < end, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn client(&self) -> Client {
        let token = (!self.token.is_empty()).then(|| Token::new(self.token.as_str()));
        Client::new(Config { address: self.address.clone(), token, max_retries: 0, ..Config::default() }).unwrap()
    }

    pub async fn send(&self, request: Request) -> Result<Value, Error> {
        self.client().send(request).await.map(|response| response.json.unwrap_or_default())
    }

    pub async fn write(&self, path: &str, body: Value) -> Value {
        self.send(Request::put(path, body)).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub async fn read(&self, path: &str) -> Value {
        self.send(Request::get(path)).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Status and text of a request that has to fail.
    pub async fn refused(&self, request: Request) -> (u16, String) {
        match self.send(request).await {
            Err(Error::Api(api)) => (api.status, api.errors.join("; ")),
            Err(other) => panic!("{other}"),
            Ok(answer) => panic!("succeeded: {answer}"),
        }
    }

    /// The command line against this server: exit code and what it printed.
    pub fn cli(&self, arguments: &[&str]) -> (i32, String) {
        self.typed(Path::new(PROGRAM), arguments)
    }

    /// The same with a command line of somebody's choice.
    pub fn typed(&self, program: &Path, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(program)
            .args(arguments)
            .env("VAULT_ADDR", &self.address)
            .env("VAULT_TOKEN", &self.token)
            .env("HOME", "/nonexistent")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }
}
