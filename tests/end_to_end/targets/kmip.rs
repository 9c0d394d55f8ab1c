//! PyKMIP's server, with an AES key, and the certificates of both sides.
use super::tool;
use crate::lessor::free_port;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server, stopped when dropped.
pub struct Kmip {
    child: Option<Child>,
    port: u16,
    directory: PathBuf,
    key: String,
}

impl Drop for Kmip {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An authority, and certificates by it for the server and for a client named `lessor`.
const CERTIFICATES: &str = "set -e\n\
    key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }\n\
    key ca; openssl req -x509 -new -key ca.key -subj /CN=ca -days 2 -out ca.pem\n\
    issue() { key $1; openssl req -new -key $1.key -subj /CN=$2 -out $1.csr; printf \"$3\" > $1.ext;\n\
    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $1.ext -out $1.pem; }\n\
    issue server localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1\\nextendedKeyUsage=serverAuth'\n\
    issue client lessor extendedKeyUsage=clientAuth\n\
    openssl req -x509 -new -key client.key -subj /CN=stranger -days 2 -out stranger.pem\n";

impl Kmip {
    /// Keeps everything below `directory`.
    pub fn start(directory: &Path) -> Self {
        let made = Command::new("sh").args(["-c", CERTIFICATES]).current_dir(directory).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::create_dir_all(directory.join("policies")).unwrap();
        let mut kmip = Self { child: None, port: free_port(), directory: directory.to_owned(), key: String::new() };
        kmip.resume();
        kmip.key = kmip.python(
            "key = client.create(enums.CryptographicAlgorithm.AES, 256, cryptographic_usage_mask=[\n\
             \x20   enums.CryptographicUsageMask.ENCRYPT, enums.CryptographicUsageMask.DECRYPT])\n\
             client.activate(key)\nprint(key)",
        );
        kmip
    }
    /// Runs Python with PyKMIP's client, connected.
    fn python(&self, code: &str) -> String {
        let at = self.directory.display();
        let program = format!(
            "from kmip import enums\nfrom kmip.pie.client import ProxyKmipClient\n\
             client = ProxyKmipClient('127.0.0.1', {}, '{at}/client.pem', '{at}/client.key', '{at}/ca.pem',\n\
             \x20   ssl_version='PROTOCOL_TLSv1_2', kmip_version=enums.KMIPVersion.KMIP_1_4)\n\
             client.open()\n{code}",
            self.port
        );
        let output = Command::new(tool("pykmip-0.11", "python")).args(["-c", &program]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().lines().last().unwrap_or_default().to_owned()
    }
    /// Ends the server.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    /// Starts it again with the same keys.
    pub fn resume(&mut self) {
        let at = self.directory.display();
        let config = format!(
            "[server]\nhostname=127.0.0.1\nport={}\ncertificate_path={at}/server.pem\nkey_path={at}/server.key\n\
             ca_path={at}/ca.pem\nauth_suite=TLS1.2\npolicy_path={at}/policies\nenable_tls_client_auth=True\n\
             logging_level=WARNING\ndatabase_path={at}/kmip.db\n",
            self.port
        );
        std::fs::write(self.directory.join("server.conf"), config).unwrap();
        let child = Command::new(tool("pykmip-0.11", "pykmip-server"))
            .arg("-f")
            .arg(self.directory.join("server.conf"))
            .arg("-l")
            .arg(self.directory.join("server.log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.directory.join("server.log")).unwrap_or_default();
            assert!(Instant::now() < end, "PyKMIP does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    /// Takes the key out of use, as after it became known to somebody.
    pub fn revoke_key(&self) {
        self.python(&format!("client.revoke(enums.RevocationReasonCode.KEY_COMPROMISE, '{}')", self.key));
    }
    /// Shows this certificate, `client` or `stranger`.
    pub fn stanza(&self, certificate: &str) -> String {
        let at = self.directory.display();
        format!(
            "seal \"kmip\" {{\n endpoint = \"127.0.0.1:{}\"\n kms_key_id = \"{}\"\n client_cert = \"{at}/{certificate}.pem\"\n \
             client_key = \"{at}/client.key\"\n ca_cert = \"{at}/ca.pem\"\n server_name = \"localhost\"\n timeout = 5\n DISABLED }}",
            self.port, self.key
        )
    }
}
