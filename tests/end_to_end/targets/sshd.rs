//! OpenSSH's server with users and PAM services of its own; nothing of the system is touched but /run/sshd, which the
//! server insists on.
use crate::lessor::free_port;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Stopped when dropped.
pub struct Sshd {
    child: Child,
    pub port: u16,
    directory: TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
    assert!(made.unwrap().success());
}

impl Sshd {
    /// `prepare` gets the folder with the host's key pair `host` and `host.pub` before the server starts, and returns
    /// more lines of its configuration. A PAM login runs `verify` in that folder, with the password at its input.
    pub fn start(prepare: impl FnOnce(&Path) -> String, verify: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir_all("/run/sshd").unwrap();
        std::fs::create_dir(at("pam")).unwrap();
        keygen(&at("host"));
        let more = prepare(directory.path());
        std::fs::write(
            at("passwd"),
            "root:x:0:0:root:/root:/bin/sh\nsshd:x:101:65534::/run/sshd:/bin/false\ndeploy:x:0:0::/tmp:/bin/sh\nother:x:0:0::/tmp:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(at("group"), "root:x:0:\nnogroup:x:65534:\n").unwrap();
        std::fs::write(at("verify"), format!("#!/bin/sh\n{verify}\n")).unwrap();
        Command::new("chmod").arg("755").arg(at("verify")).status().unwrap();
        let verify = at("verify");
        let pam = format!(
            "auth requisite pam_exec.so quiet expose_authtok {}\nauth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
            verify.display()
        );
        std::fs::write(at("pam/sshd"), pam).unwrap();
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nPermitRootLogin yes\nStrictModes no\nMaxStartups 100\nPasswordAuthentication no\n{more}\n",
            at("host").display()
        );
        std::fs::write(at("sshd_config"), config).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(at("sshd_config"))
            .env("LD_PRELOAD", "libnss_wrapper.so libpam_wrapper.so")
            .env("NSS_WRAPPER_PASSWD", at("passwd"))
            .env("NSS_WRAPPER_GROUP", at("group"))
            .env("PAM_WRAPPER", "1")
            .env("PAM_WRAPPER_SERVICE_DIR", at("pam"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let sshd = Self { child, port, directory };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "sshd does not start: {}", sshd.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        sshd
    }
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.at("log")).unwrap_or_default()
    }
    /// `ssh` (perhaps behind another program) with these options, running `echo in`.
    fn ssh(&self, mut command: Command, options: &[String], user: &str) -> Output {
        command.args(["-F", "/dev/null", "-o", "ConnectTimeout=10", "-p", &self.port.to_string()]).args(options);
        command.arg(format!("{user}@127.0.0.1")).arg("echo in").output().unwrap()
    }
    /// Whether a key with its certificate gets in.
    pub fn enters(&self, user: &str, key: &Path, certificate: &Path) -> bool {
        let options = [
            "-o".to_owned(),
            "BatchMode=yes".to_owned(),
            "-o".to_owned(),
            "IdentitiesOnly=yes".to_owned(),
            "-o".to_owned(),
            "StrictHostKeyChecking=no".to_owned(),
            "-o".to_owned(),
            "UserKnownHostsFile=/dev/null".to_owned(),
            "-o".to_owned(),
            format!("CertificateFile={}", certificate.display()),
            "-i".to_owned(),
            key.display().to_string(),
        ];
        self.ssh(Command::new("ssh"), &options, user).stdout == b"in\n"
    }
    /// Whether the client trusts the host by this file of known hosts, with that name for it.
    pub fn trusted(&self, known_hosts: &Path, name: &str, key: &Path, certificate: &Path) -> bool {
        let options = [
            "-o".to_owned(),
            "BatchMode=yes".to_owned(),
            "-o".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            "-o".to_owned(),
            format!("HostKeyAlias={name}"),
            "-o".to_owned(),
            format!("UserKnownHostsFile={}", known_hosts.display()),
            "-o".to_owned(),
            format!("CertificateFile={}", certificate.display()),
            "-i".to_owned(),
            key.display().to_string(),
        ];
        self.ssh(Command::new("ssh"), &options, "deploy").stdout == b"in\n"
    }
    /// Whether a password gets in.
    pub fn enters_by_password(&self, user: &str, password: &str) -> bool {
        let mut command = Command::new("sshpass");
        command.args(["-p", password, "ssh"]);
        let options = [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "PubkeyAuthentication=no",
            "NumberOfPasswordPrompts=1",
            "PreferredAuthentications=keyboard-interactive",
        ];
        let options: Vec<String> = options.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]).collect();
        self.ssh(command, &options, user).stdout == b"in\n"
    }
}
