//! A stand-in for AWS as the signer of identity documents: keys and certificates of OpenSSL's.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is a failed test")]
use serde_json::{Value, json};
use std::process::Command;
use tempfile::TempDir;

/// A key with its certificate.
pub struct Signer {
    folder: TempDir,
}

impl Signer {
    pub fn rsa() -> Self {
        Self::new("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=rsa")
    }
    /// As short as AWS's own.
    pub fn dsa() -> Self {
        let signer = Self { folder: TempDir::new().unwrap() };
        let sizes = "-pkeyopt dsa_paramgen_bits:1024 -pkeyopt dsa_paramgen_q_bits:160";
        signer.openssl(&format!("genpkey -genparam -algorithm DSA {sizes} -out params.pem"));
        signer.openssl("genpkey -paramfile params.pem -out key.pem");
        signer.openssl("req -x509 -new -key key.pem -sha1 -out cert.pem -days 30 -subj /CN=dsa");
        signer
    }
    pub fn elliptic() -> Self {
        Self::new(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -subj /CN=ec",
        )
    }
    fn new(arguments: &str) -> Self {
        let signer = Self { folder: TempDir::new().unwrap() };
        signer.openssl(arguments);
        signer
    }
    fn openssl(&self, arguments: &str) -> Vec<u8> {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&self.folder).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }
    fn put(&self, document: &str) {
        std::fs::write(self.folder.path().join("document"), document).unwrap();
    }
    pub fn certificate(&self) -> String {
        self.read("cert.pem")
    }
    /// What the metadata service hands out: base64 in lines.
    pub fn pkcs7(&self, document: &str, options: &str) -> String {
        self.put(document);
        let more = if options.is_empty() { String::new() } else { format!(" {options}") };
        self.openssl(&format!(
            "smime -sign -binary -in document -signer cert.pem -inkey key.pem -outform PEM -out message{more}"
        ));
        let lines = self.read("message");
        lines.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n")
    }
    /// The document and its signature, in base64.
    pub fn signature(&self, document: &str) -> (String, String) {
        self.put(document);
        self.openssl("dgst -sha256 -sign key.pem -out signature document");
        let base64 = |file: &str| String::from_utf8(self.openssl(&format!("base64 -in {file}"))).unwrap();
        (base64("document"), base64("signature"))
    }
}

/// What AWS says of an instance.
pub fn document(instance: &str, image: &str, account: &str, region: &str, started: &str) -> String {
    let document: Value = json!({
        "instanceId": instance, "imageId": image, "accountId": account, "region": region, "pendingTime": started,
        "availabilityZone": format!("{region}a"), "architecture": "x86_64", "billingProducts": null, "version": "2017-09-30",
    });
    serde_json::to_string_pretty(&document).unwrap()
}
