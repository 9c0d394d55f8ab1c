//! A holder of key shares with an OpenPGP key of GnuPG.
use base64::{Engine, engine::general_purpose::STANDARD};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A private home with one key; its agent ends when this is dropped.
pub struct Holder(TempDir);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "gpg-agent"]).output();
    }
}

impl Holder {
    pub fn new() -> Self {
        let holder = Self(tempfile::tempdir().unwrap());
        holder.run(&["--quick-generate-key", "holder@example.org", "default", "default", "1d"], b"");
        holder
    }
    fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("gpg")
            .args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", "--homedir"])
            .arg(self.0.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("gpg is installed by `make test`: {error}"));
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "gpg {arguments:?}");
        output.stdout
    }
    /// The public key, base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.run(&["--export"], b""))
    }
    /// The public key in a file below `directory`, as command lines take it.
    pub fn file(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        std::fs::write(&path, self.run(&["--armor", "--export"], b"")).unwrap();
        path
    }
    /// What a message, base64, says.
    pub fn decrypt(&self, message: &str) -> String {
        let message = STANDARD.decode(message).unwrap();
        String::from_utf8(self.run(&["--decrypt"], &message)).unwrap()
    }
}
