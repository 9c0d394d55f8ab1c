//! Keepers of unseal keys: moto's KMS, SoftHSM, a peer's transit engine.
use crate::lessor::free_port;
use crate::targets::aws::Aws;
use crate::targets::tool;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A key in moto's KMS: its id, and the stanza that names it.
pub fn aws_key(aws: &Aws) -> String {
    let (id, secret) = &aws.root;
    let made = aws
        .as_key(id, secret, "", "print(client('kms').create_key()['KeyMetadata']['KeyId'])")
        .unwrap_or_else(|text| panic!("{text}"));
    format!(
        "seal \"awskms\" {{\n kms_key_id = \"{}\"\n region = \"us-east-1\"\n endpoint = \"{}\"\n access_key = \"{id}\"\n \
         secret_key = \"{secret}\"\n DISABLED }}",
        made.trim(),
        aws.endpoint
    )
}

const PIN: &str = "123456";
const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A token of SoftHSM below `directory`, with an AES key and an RSA key pair.
pub struct SoftHsm {
    pub conf: String,
}

impl SoftHsm {
    pub fn new(directory: &Path) -> Self {
        let tokens = directory.join("tokens");
        std::fs::create_dir_all(&tokens).unwrap();
        let conf = directory.join("softhsm2.conf");
        std::fs::write(&conf, format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display()))
            .unwrap();
        let hsm = Self { conf: conf.to_str().unwrap().to_owned() };
        hsm.run(
            "softhsm2-util",
            &["--init-token", "--free", "--label", "lessor", "--so-pin", "12345678", "--pin", PIN],
        );
        let tool = |kind: &str, label: &str| {
            let arguments = ["--module", LIBRARY, "--token-label", "lessor", "--login", "--pin", PIN, "--label", label];
            let make: &[&str] = if kind == "AES:32" {
                &["--keygen", "--key-type", kind]
            } else {
                &["--keypairgen", "--key-type", kind]
            };
            hsm.run("pkcs11-tool", &[arguments.as_slice(), make].concat());
        };
        tool("AES:32", "aes");
        tool("rsa:2048", "rsa");
        hsm
    }
    fn run(&self, program: &str, arguments: &[&str]) {
        let output = Command::new(program).args(arguments).env("SOFTHSM2_CONF", &self.conf).output();
        let output = output.unwrap_or_else(|error| panic!("{program} is installed by `make test`: {error}"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
    /// The stanza of one of the keys.
    pub fn stanza(key: &str, more: &str) -> String {
        format!(
            "seal \"pkcs11\" {{\n lib = {LIBRARY:?}\n token_label = \"lessor\"\n pin = \"{PIN}\"\n key_label = \"{key}\"\n \
             {more}\n DISABLED }}"
        )
    }
}

/// A peer in dev mode with a transit key.
pub struct Peer {
    child: Child,
    port: u16,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Started, with the key `autounseal`.
    pub fn start() -> Self {
        let port = free_port();
        let child = Command::new(tool("bao-2.7.2", "bao"))
            .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .env("HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let peer = Self { child, port };
        let end = Instant::now() + Duration::from_secs(60);
        while !peer.put("sys/mounts/transit", "{\"type\":\"transit\"}") {
            assert!(Instant::now() < end, "the peer does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(peer.put("transit/keys/autounseal", "{}"));
        peer
    }
    fn put(&self, path: &str, body: &str) -> bool {
        let url = format!("http://127.0.0.1:{}/v1/{path}", self.port);
        let output = Command::new("curl")
            .args(["-sf", "-X", "PUT", "-H", "X-Vault-Token: root", "-d", body, &url])
            .output()
            .unwrap();
        output.status.success()
    }
    /// Stops answering, or answers again.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
    }
    /// Gives the key a new version, as its owner does from time to time.
    pub fn rotate_key(&self) {
        assert!(self.put("transit/keys/autounseal/rotate", "{}"));
    }
    pub fn stanza(&self) -> String {
        format!(
            "seal \"transit\" {{\n address = \"http://127.0.0.1:{}\"\n token = \"root\"\n key_name = \"autounseal\"\n \
             mount_path = \"transit/\"\n DISABLED }}",
            self.port
        )
    }
}
