//! A private PostgreSQL with its own durability, and pgbench on the same statements.
use crate::server::free_port;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server. Stopped when dropped.
pub struct Postgres {
    /// Where it listens.
    pub port: u16,
    child: Child,
    bin: PathBuf,
    directory: PathBuf,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The directory goes with the run; whether it stopped cleanly does not matter.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
    command
}

fn start(bin: &Path, directory: &Path, port: u16) -> Result<Child> {
    unprivileged(&bin.join("postgres"))
        .arg("-D")
        .arg(directory.join("data"))
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

impl Postgres {
    /// Starts one below `directory`.
    pub fn start(directory: &Path) -> Result<Self> {
        let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")?
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        versions.sort();
        let bin = versions.pop().ok_or_else(|| Error::other("PostgreSQL is installed by `make test`"))?;
        let directory = directory.join("postgres");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("password"), "pw")?;
        Command::new("chown").args(["-R", "nobody:nogroup"]).arg(&directory).status()?;
        let made = unprivileged(&bin.join("initdb"))
            .args(["-A", "scram-sha-256", "-U", "admin", "--no-sync"])
            .arg(format!("--pwfile={}", directory.join("password").display()))
            .arg(directory.join("data"))
            .stdout(Stdio::null())
            .status()?;
        if !made.success() {
            return Err(Error::other("initdb failed"));
        }
        let port = free_port()?;
        let child = start(&bin, &directory, port)?;
        let postgres = Self { port, child, bin, directory };
        postgres.wait()?;
        Ok(postgres)
    }
    fn wait(&self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.psql("SELECT 1")?.success() {
            if Instant::now() > end {
                return Err(Error::other("PostgreSQL does not come up"));
            }
        }
        Ok(())
    }
    /// Stops it at once; what it holds stays on disk.
    pub fn stop(&mut self) -> Result<()> {
        Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
        self.child.wait().map(drop)
    }
    /// Starts it on the same data, and returns with its first answer.
    pub fn start_again(&mut self) -> Result<()> {
        self.child = start(&self.bin, &self.directory, self.port)?;
        self.wait()
    }
    /// How many accounts Lessor or its peer made there.
    pub fn roles(&self) -> Result<usize> {
        let sql = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-%'";
        let output = Command::new("psql").args(["-XAtqc", sql, &self.url()]).output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().map_err(Error::other)
    }
    /// Where and as whom to connect.
    pub fn url(&self) -> String {
        format!("postgresql://admin:pw@127.0.0.1:{}/postgres", self.port)
    }
    fn psql(&self, sql: &str) -> Result<std::process::ExitStatus> {
        Command::new("psql").args(["-XAtqc", sql, &self.url()]).stdout(Stdio::null()).stderr(Stdio::null()).status()
    }
    /// Creations per second by pgbench, with the statement that the roles have.
    pub fn pgbench(&self, clients: usize, seconds: f64, password: &str) -> Result<f64> {
        let script = self.directory.join(format!("create-{clients}.sql"));
        let statement = format!(
            "\\set a random(1, 2000000000)\n\\set b random(1, 2000000000)\n\
             CREATE ROLE \"b-:a-:b\" WITH LOGIN PASSWORD '{password}' VALID UNTIL '2099-01-01 00:00:00+0000';\n"
        );
        std::fs::write(&script, statement)?;
        let output = Command::new(self.bin.join("pgbench"))
            .args(["-n", "-M", "simple", "-c", &clients.to_string(), "-T", &format!("{seconds:.0}"), "-f"])
            .arg(&script)
            .arg(self.url())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        rate.ok_or_else(|| Error::other(format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr))))
    }
}
