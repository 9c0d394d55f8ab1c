//! An authority of OpenSSL's in a folder.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is a failed test")]
use std::path::Path;
use std::process::Command;

const CA_CONFIG: &str = r#"
[ca]
default_ca = own
[own]
dir = .
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
unique_subject = no
policy = any
copy_extensions = copy
[any]
commonName = supplied
[client]
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[server]
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
[responder]
extendedKeyUsage = OCSPSigning
authorityKeyIdentifier = keyid
"#;

/// A folder with an authority in it.
pub struct Authority<'a> {
    pub folder: &'a Path,
}

impl<'a> Authority<'a> {
    pub fn new(folder: &'a Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        for (name, text) in [("openssl.cnf", CA_CONFIG), ("index.txt", ""), ("serial", "1000\n")] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let authority = Self { folder };
        authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=ca",
        );
        authority
    }
    pub fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.folder).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
    /// `<name>.pem` and `<name>.key`.
    pub fn issue(&self, name: &str, extensions: &str, more: &str) {
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config openssl.cnf -extensions {extensions} -in {name}.csr -out {name}.pem{more}"
        ));
    }
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap()
    }
}
