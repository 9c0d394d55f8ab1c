//! A broker with its management plugin, and programs that use it by AMQP.
use super::tool;
use crate::lessor::free_port;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CLIENT: &str = include_str!("amqp.py");
/// An administrator that the tests look with.
pub const ADMIN: (&str, &str) = ("tester", "tester-password");

/// A running broker with an epmd of its own, both stopped when dropped.
pub struct Rabbitmq {
    child: Option<Child>,
    home: TempDir,
    amqp: u16,
    management: u16,
    epmd: u16,
    distribution: u16,
}

impl Rabbitmq {
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let [amqp, management, epmd, distribution] = [(); 4].map(|()| free_port());
        let (user, password) = ADMIN;
        let config = format!(
            "listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n\
             default_user = {user}\ndefault_pass = {password}\nlog.console.level = warning\n"
        );
        std::fs::write(home.path().join("rabbitmq.conf"), config).unwrap();
        std::fs::write(home.path().join("enabled_plugins"), "[rabbitmq_management].").unwrap();
        let mut broker = Self { child: None, home, amqp, management, epmd, distribution };
        broker.resume();
        broker
    }

    /// Starts it (again) on what it knows.
    pub fn resume(&mut self) {
        let at = |name: &str| self.home.path().join(name);
        let child = Command::new(SERVER)
            .env("HOME", self.home.path())
            .env("RABBITMQ_NODENAME", format!("test{}@localhost", self.amqp))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq"))
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("rabbitmq-server is installed by `make test`");
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(120);
        while !self.accepts(ADMIN.0, ADMIN.1) {
            assert!(Instant::now() < end, "the broker does not come up");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Stops it at once.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
            let _ = child.wait();
        }
    }

    /// The address of its management API.
    pub fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.management)
    }

    /// Asks the management API as the tests' administrator: the status and the text.
    pub fn api(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-w", "\n%{http_code}", "-u", &format!("{}:{}", ADMIN.0, ADMIN.1), "-X", method]);
        if !body.is_empty() {
            curl.args(["-H", "content-type: application/json", "-d", body]);
        }
        let output = curl.arg(format!("{}/api/{path}", self.uri())).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), text.to_owned())
    }

    /// Whether the management API lets a user in.
    pub fn accepts(&self, user: &str, password: &str) -> bool {
        let address = format!("{}/api/whoami", self.uri());
        let mut curl = Command::new("curl");
        curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", &format!("{user}:{password}"), &address]);
        curl.output().unwrap().stdout == b"200"
    }

    /// Names of all users but the tests' own and Lessor's.
    pub fn made(&self) -> Vec<String> {
        let (_, text) = self.api("GET", "users/", "");
        let users: serde_json::Value = serde_json::from_str(&text).unwrap();
        let names = users.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned());
        names.filter(|name| name != ADMIN.0 && name != "root").collect()
    }

    fn client(&self, login: &(String, String), more: &[&str]) -> Command {
        let mut command = Command::new(tool("pika-1", "python"));
        command.args(["-c", CLIENT, &self.amqp.to_string(), &login.0, &login.1]).args(more);
        command
    }

    /// Declares a queue of that name, sends a message through it and takes it out.
    pub fn publish(&self, login: &(String, String), vhost: &str, queue: &str) -> Output {
        self.client(login, &["publish", vhost, queue]).output().unwrap()
    }

    /// A program that keeps its connection until it is cut; returns when it is open.
    pub fn stay(&self, login: &(String, String), vhost: &str) -> Child {
        let mut child =
            self.client(login, &["stay", vhost]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "open\n");
        child
    }
}

impl Drop for Rabbitmq {
    fn drop(&mut self) {
        self.stop();
        let port = self.epmd.to_string();
        let _ =
            Command::new("epmd").args(["-port", &port, "-kill"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
