//! The servers, each in a directory of its own, initialised and unsealed.
use crate::http::Connection;
use crate::quota::Quota;
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server. Killed when dropped.
pub struct Server {
    /// What the tables call it.
    pub name: &'static str,
    /// Where it listens.
    pub port: u16,
    /// The root token.
    pub token: String,
    /// The root token, while `token` is another one.
    pub root: String,
    child: Child,
    program: PathBuf,
    config: PathBuf,
    share: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn spawn(program: &Path, config: &Path) -> Result<Child> {
    let flag = format!("-config={}", config.display());
    Command::new(program).args(["server", &flag]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

impl Server {
    /// Starts `program` on durable storage of its own below `directory`.
    pub fn start(name: &'static str, program: &Path, directory: &Path) -> Result<Self> {
        let directory = directory.join(name);
        let data = directory.join("data");
        std::fs::create_dir_all(&data)?;
        let storage = if name == "lessor" {
            format!("storage \"embedded\" {{ path = {data:?} }}")
        } else {
            format!("storage \"raft\" {{\n path = {data:?}\n node_id = \"a\"\n}}")
        };
        let mut server = Self::start_on(name, program, &directory, &storage)?;
        server.initialise()?;
        Ok(server)
    }
    /// Starts `program` on `storage` (the stanza), with its configuration below `directory`.
    pub fn start_on(name: &'static str, program: &Path, directory: &Path, storage: &str) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let (port, cluster) = (free_port()?, free_port()?);
        let config = directory.join("config.hcl");
        let text = format!(
            "{storage}\nlistener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n cluster_address = \"127.0.0.1:{cluster}\"\n tls_disable = true\n}}\n\
             api_addr = \"http://127.0.0.1:{port}\"\ncluster_addr = \"https://127.0.0.1:{cluster}\"\nlog_level = \"warn\"\n"
        );
        std::fs::write(&config, text)?;
        let child = spawn(program, &config)?;
        let program = program.to_owned();
        let (token, root, share) = (String::new(), String::new(), String::new());
        let server = Self { name, port, token, root, child, program, config, share };
        server.wait_for(|status| status != 0)?;
        Ok(server)
    }
    /// Initialises the storage, and unseals.
    pub fn initialise(&mut self) -> Result<()> {
        let made = self.ask("PUT", "sys/init", &json!({ "secret_shares": 1, "secret_threshold": 1 }))?;
        self.token = made["root_token"].as_str().unwrap_or_default().to_owned();
        self.share = made["keys_base64"][0].as_str().unwrap_or_default().to_owned();
        self.unseal()?;
        self.wait_for(|status| status == 200)
    }
    /// Becomes another node of the cluster that `first` initialised.
    pub fn join(&mut self, first: &Self) -> Result<()> {
        (self.token, self.share) = (first.token.clone(), first.share.clone());
        self.unseal()
    }
    /// Bounds its processor time.
    pub fn bound(&self, quota: &Quota) -> Result<()> {
        quota.hold(self.child.id())
    }
    fn unseal(&self) -> Result<()> {
        self.ask("PUT", "sys/unseal", &json!({ "key": self.share }))?;
        // 429 is a standby, which forwards.
        self.wait_for(|status| matches!(status, 200 | 429))
    }
    /// Waits for a status of `sys/health`; 0 is no answer.
    fn wait_for(&self, fits: impl Fn(u16) -> bool) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let asked = Connection::open(self.port, "").and_then(|mut c| c.ask("GET", "sys/health", ""));
            if fits(asked.map_or(0, |(status, _)| status)) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Error::other(format!("{} does not come up", self.name)));
            }
            #[allow(clippy::disallowed_methods, reason = "there is no async runtime here")]
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    /// Kills it, starts it on the same data, and tells how long it took until it answered a read.
    pub fn restart(&mut self) -> Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let begun = Instant::now();
        self.child = spawn(&self.program, &self.config)?;
        self.wait_for(|status| status != 0)?;
        self.unseal()?;
        self.ask("GET", "sys/mounts", &Value::Null)?;
        Ok(begun.elapsed())
    }
    /// One request that has to succeed.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = Connection::open(self.port, &self.token)?.ask(method, path, &text)?;
        if status >= 300 {
            return Err(Error::other(format!("{}: {method} {path}: {status} {answer}", self.name)));
        }
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }
    /// Processor time it has taken so far, in seconds.
    pub fn cpu(&self) -> f64 {
        // Linux counts in hundredths; the name before the fields may hold spaces.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
    }
    /// Anonymous memory in MiB: what the process holds itself.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib: f64 = line.and_then(|text| text.trim().split(' ').next()?.parse().ok()).unwrap_or_default();
        kib / 1024.0
    }
    /// MiB of the program file.
    pub fn size(&self) -> f64 {
        // The peer's program may be started by a script.
        let bytes = std::fs::metadata(format!("/proc/{}/exe", self.child.id())).map_or(0, |meta| meta.len());
        crate::load::as_f64(usize::try_from(bytes).unwrap_or_default()) / 1_048_576.0
    }
}
