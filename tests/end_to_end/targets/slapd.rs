//! OpenLDAP's server with TLS, an account that may search, two people and two groups.
use crate::lessor::free_port;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ENTRIES: &str = "
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=searcher,dc=example,dc=com
objectClass: person
cn: searcher
sn: searcher
userPassword: searching

dn: uid=alice,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: alice
cn: Alice A
sn: A
userPassword: sesame

dn: uid=bob,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: bob
cn: Bob B
sn: B
userPassword: open

dn: cn=Dev,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: Dev
member: uid=alice,ou=people,dc=example,dc=com

dn: cn=ops,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: ops
member: uid=bob,ou=people,dc=example,dc=com
";

/// A running directory, stopped when dropped.
pub struct Slapd {
    child: Child,
    port: u16,
    directory: TempDir,
}

/// A certificate authority in PEM, in a directory of its own.
pub fn authority(directory: &Path) -> String {
    openssl(
        directory,
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca \
         -addext basicConstraints=critical,CA:TRUE",
    );
    std::fs::read_to_string(directory.join("ca.pem")).unwrap()
}

fn openssl(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let output = command.args(arguments.split_whitespace()).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn configuration(home: &str, more: &str) -> String {
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {home}/pid\nTLSCACertificateFile {home}/ca.pem\nTLSCertificateFile {home}/server.pem\n\
         TLSCertificateKeyFile {home}/server.key\nsecurity simple_bind=128\ndatabase mdb\nsuffix dc=example,dc=com\n\
         rootdn cn=root,dc=example,dc=com\nrootpw root\ndirectory {home}/data\n{more}\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=cn=searcher,dc=example,dc=com read by self read by anonymous auth by * none\n"
    )
}

impl Slapd {
    /// It takes passwords over TLS only.
    pub fn start() -> Self {
        Self::start_with("")
    }
    /// With more lines in its database's configuration.
    pub fn start_with(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        authority(path);
        openssl(path, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
        std::fs::write(path.join("san"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
        openssl(
            path,
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem",
        );
        std::fs::create_dir(path.join("data")).unwrap();
        std::fs::write(path.join("slapd.conf"), configuration(&path.display().to_string(), more)).unwrap();
        std::fs::write(path.join("entries"), ENTRIES.trim_start()).unwrap();
        let filled =
            Command::new("/usr/sbin/slapadd").args(["-f", "slapd.conf", "-l", "entries"]).current_dir(path).output();
        let filled = filled.expect("slapd is installed by `make test`");
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
        let port = free_port();
        let child = Command::new("/usr/sbin/slapd")
            .args(["-f", "slapd.conf", "-d", "0", "-h", &format!("ldap://127.0.0.1:{port}")])
            .current_dir(path)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "slapd does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { child, port, directory }
    }
    pub fn url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }
    /// Who vouches for it, in PEM.
    pub fn authority(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("ca.pem")).unwrap()
    }
    /// Changes entries, as the directory's administrator.
    pub fn change(&self, ldif: &str) {
        let file = self.directory.path().join("change");
        std::fs::write(&file, ldif).unwrap();
        let output = Command::new("ldapmodify")
            .args(["-x", "-ZZ", "-H", &self.url(), "-D", "cn=root,dc=example,dc=com", "-w", "root", "-f"])
            .arg(file)
            .env("LDAPTLS_REQCERT", "never")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
