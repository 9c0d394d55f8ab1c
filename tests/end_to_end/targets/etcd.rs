//! etcd from the distribution's package, one member or several, each in a directory and on ports of its own.
use crate::lessor::free_port;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How clients and members find a member.
struct Member {
    child: Option<Child>,
    client_port: u16,
    peer_port: u16,
}

/// A running cluster, stopped when dropped.
pub struct Etcd {
    members: Vec<Member>,
    directory: tempfile::TempDir,
    host: String,
    scheme: &'static str,
    /// Takes effect at the next start of a member.
    pub options: Vec<String>,
    /// What `etcdctl` is called with besides the endpoints.
    pub login: Vec<String>,
}

impl Etcd {
    pub fn start() -> Self {
        Self::start_with(1, &[])
    }

    /// With members and options of one's choice; `--cert-file` makes it listen with TLS.
    pub fn start_with(members: usize, options: &[&str]) -> Self {
        Self::start_at("127.0.0.1", members, options)
    }

    /// The same on an address that other hosts reach.
    pub fn start_at(host: &str, members: usize, options: &[&str]) -> Self {
        let tls = options.iter().any(|option| option.starts_with("--cert-file"));
        let member = |_| Member { child: None, client_port: free_port(), peer_port: free_port() };
        let mut etcd = Self {
            members: (0..members).map(member).collect(),
            directory: tempfile::tempdir_in("/tmp").unwrap(),
            host: host.to_owned(),
            scheme: if tls { "https" } else { "http" },
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            login: Vec::new(),
        };
        for number in 0..members {
            etcd.spawn(number);
        }
        if !tls {
            etcd.wait();
        }
        etcd
    }

    fn spawn(&mut self, number: usize) {
        let name = |number: usize| format!("m{number}");
        let peer = |member: &Member| format!("http://127.0.0.1:{}", member.peer_port);
        let cluster: Vec<String> =
            self.members.iter().enumerate().map(|(n, m)| format!("{}={}", name(n), peer(m))).collect();
        let (own, client) = (peer(&self.members[number]), self.address(number));
        let child = Command::new("etcd")
            .args(["--name", &name(number), "--initial-cluster", &cluster.join(",")])
            .args(["--listen-peer-urls", &own, "--initial-advertise-peer-urls", &own])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .arg("--data-dir")
            .arg(self.directory.path().join(name(number)))
            .args(&self.options)
            .env("ETCD_UNSUPPORTED_ARCH", "arm64")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd is installed by `make test`");
        self.members[number].child = Some(child);
    }

    /// Until a quorum answers.
    pub fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while !self.ctl(&["get", "/"]).status.success() {
            assert!(Instant::now() < end, "etcd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn address(&self, number: usize) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.members[number].client_port)
    }

    /// All members, separated by commas.
    pub fn addresses(&self) -> String {
        let all: Vec<String> = (0..self.members.len()).map(|number| self.address(number)).collect();
        all.join(",")
    }

    /// SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut child) = self.members[number].child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The member that leads.
    pub fn leader(&self) -> usize {
        // Endpoint, id, version, size, whether it leads.
        let status = self.run(&["endpoint", "status", "-w", "simple"]);
        let columns = |line: &str| line.split(", ").map(str::to_owned).collect::<Vec<_>>();
        let leader = status.lines().map(columns).find(|line| line[4] == "true").unwrap();
        (0..self.members.len()).find(|number| self.address(*number) == leader[0]).unwrap()
    }

    /// Starts a member on its data again.
    pub fn resume(&mut self, number: usize) {
        self.spawn(number);
        self.wait();
    }

    /// etcd's own client.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let running: Vec<String> =
            (0..self.members.len()).filter(|n| self.members[*n].child.is_some()).map(|n| self.address(n)).collect();
        Command::new("etcdctl")
            .args(["--dial-timeout=2s", "--command-timeout=3s", "--endpoints", &running.join(",")])
            .args(&self.login)
            .args(arguments)
            .env("ETCDCTL_API", "3")
            .stdin(Stdio::null())
            .output()
            .expect("etcdctl is installed by `make test`")
    }

    /// The same where it has to succeed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for number in 0..self.members.len() {
            self.kill(number);
        }
    }
}
