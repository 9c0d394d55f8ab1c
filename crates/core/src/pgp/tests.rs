//! Against GnuPG itself.
use super::*;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn gpg(home: &Path, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new("gpg")
        .args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "", "--homedir"])
        .arg(home)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("gpg is installed by `make test`");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then_some(output.stdout)
}

/// A home with one key; ends its agent when dropped.
struct Gpg(tempfile::TempDir);

impl Gpg {
    fn new(algorithm: &str, usage: &str, expires: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let made = gpg(home.path(), &["--quick-generate-key", "holder@example.org", algorithm, usage, expires], b"");
        assert!(made.is_some(), "gpg makes a key: {algorithm} {usage} {expires}");
        Self(home)
    }
    fn run(&self, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
        gpg(self.0.path(), arguments, input)
    }
    fn public(&self) -> String {
        STANDARD.encode(self.run(&["--export", "holder@example.org"], b"").unwrap())
    }
    fn fingerprint(&self) -> String {
        let listed = self.run(&["--with-colons", "--fingerprint", "holder@example.org"], b"").unwrap();
        let listed = String::from_utf8(listed).unwrap();
        listed.lines().find(|line| line.starts_with("fpr:")).unwrap().split(':').nth(9).unwrap().to_lowercase()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.0.path()).args(["--kill", "gpg-agent"]).output();
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[test]
fn gnupg_decrypts_with_every_kind_of_key_what_was_encrypted_for_its_holder() {
    for (algorithm, usage) in [("default", "default"), ("future-default", "default"), ("rsa2048", "cert,encr")] {
        let holder = Gpg::new(algorithm, usage, "1d");
        let key = PgpKey::parse(&holder.public(), now()).unwrap();
        assert_eq!(key.fingerprint(), holder.fingerprint());
        let message = key.encrypt(b"share").unwrap();
        assert_eq!(holder.run(&["--decrypt"], &message).unwrap(), b"share", "{algorithm} {usage}");
    }
}

#[test]
fn keys_that_cannot_or_must_not_encrypt_are_refused() {
    let signer = Gpg::new("ed25519", "sign", "1d");
    let error = PgpKey::parse(&signer.public(), now()).unwrap_err().to_string();
    assert!(error.contains("no valid key that is meant for encryption"), "{error}");
    let holder = Gpg::new("default", "default", "1d");
    let later = now() + 2 * 86_400;
    assert!(PgpKey::parse(&holder.public(), later).is_err(), "an expired key");
    assert!(PgpKey::parse("?", 0).unwrap_err().to_string().contains("error decoding given PGP key"));
    assert!(PgpKey::parse("aGVsbG8=", 0).unwrap_err().to_string().contains("error parsing given PGP key"));
}
