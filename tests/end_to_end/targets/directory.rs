//! OpenLDAP's server as a keeper of accounts: TLS with a client certificate where one is asked for, plain LDAP refused
//! for passwords, and a port that it keeps when it is started again.
use super::slapd::authority;
use crate::lessor::free_port;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const BASE: &str = "dc=example,dc=com";

fn entries() -> String {
    let mut text = "dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n\
                    dn: cn=lessor,dc=example,dc=com\nobjectClass: person\ncn: lessor\nsn: l\nuserPassword: first\n\n\
                    dn: cn=devs,dc=example,dc=com\nobjectClass: groupOfNames\ncn: devs\nmember: cn=lessor,dc=example,dc=com\n\n"
        .to_owned();
    for unit in ["temp", "services"] {
        text += &format!("dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n\n");
    }
    for name in ["legacy", "lib1", "lib2", "legacy*"] {
        text += &format!(
            "dn: uid={name},ou=services,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: s\nuserPassword: old\n\n"
        );
    }
    text
}

fn openssl(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let output = command.args(arguments.split_whitespace()).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn configuration(home: &str, verify: &str) -> String {
    format!(
        "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {home}/pid\nTLSCACertificateFile {home}/ca.pem\nTLSCertificateFile {home}/server.pem\n\
         TLSCertificateKeyFile {home}/server.key\nTLSVerifyClient {verify}\nsecurity simple_bind=128\n\
         password-hash {{SSHA}}\ndatabase mdb\nsuffix {BASE}\nrootdn cn=root,{BASE}\nrootpw root\ndirectory {home}/data\n\
         access to attrs=userPassword by dn.exact=cn=lessor,{BASE} manage by self write by anonymous auth by * none\n\
         access to * by dn.exact=cn=lessor,{BASE} manage by self read by anonymous auth by * none\n"
    )
}

/// A running directory, stopped when dropped.
pub struct Accounts {
    child: Option<Child>,
    port: u16,
    secure: u16,
    directory: TempDir,
}

impl Accounts {
    pub fn start() -> Self {
        Self::verifying("never")
    }
    /// It asks its clients for a certificate: `never` or `demand`.
    pub fn verifying(verify: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        authority(path);
        std::fs::write(path.join("san"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
        for name in ["server", "client"] {
            openssl(path, &format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
            openssl(
                path,
                &format!(
                    "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out {name}.pem"
                ),
            );
        }
        std::fs::create_dir(path.join("data")).unwrap();
        std::fs::write(path.join("slapd.conf"), configuration(&path.display().to_string(), verify)).unwrap();
        std::fs::write(path.join("entries"), entries()).unwrap();
        let filled =
            Command::new("/usr/sbin/slapadd").args(["-f", "slapd.conf", "-l", "entries"]).current_dir(path).output();
        let filled = filled.expect("slapd is installed by `make test`");
        assert!(filled.status.success(), "{}", String::from_utf8_lossy(&filled.stderr));
        let mut accounts = Self { child: None, port: free_port(), secure: free_port(), directory };
        accounts.resume();
        accounts
    }
    /// Starts it again on what it has.
    pub fn resume(&mut self) {
        let listen = format!("ldap://127.0.0.1:{} ldaps://127.0.0.1:{}", self.port, self.secure);
        let child = Command::new("/usr/sbin/slapd")
            .args(["-f", "slapd.conf", "-d", "0", "-h", &listen])
            .current_dir(self.directory.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", self.secure)).is_err() {
            assert!(Instant::now() < end, "slapd does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// Killed without a word.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    pub fn url(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }
    pub fn secure_url(&self) -> String {
        format!("ldaps://localhost:{}", self.secure)
    }
    /// A file beside its configuration.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join(name)).unwrap()
    }
    fn client(&self, program: &str, name: &str, password: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-ZZ", "-H", &self.url(), "-D", name, "-w", password]);
        command.env("LDAPTLS_REQCERT", "never");
        command
    }
    /// Whether it takes the password, as its own client asks.
    pub fn accepts(&self, name: &str, password: &str) -> bool {
        let output = self.client("ldapwhoami", name, password).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || text.contains("(49)"), "{text}");
        output.status.success()
    }
    /// The names of the entries directly below, as its own client finds them.
    pub fn below(&self, base: &str) -> Vec<String> {
        let mut command = self.client("ldapsearch", &format!("cn=root,{BASE}"), "root");
        let output = command.args(["-LLL", "-o", "ldif-wrap=no", "-s", "one", "-b", base, "1.1"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|line| line.strip_prefix("dn: ")).map(str::to_owned).collect()
    }
    /// Whether the entry has the attribute's value.
    pub fn has(&self, base: &str, filter: &str) -> bool {
        let mut command = self.client("ldapsearch", &format!("cn=root,{BASE}"), "root");
        let output = command.args(["-LLL", "-s", "base", "-b", base, filter, "1.1"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains("dn:")
    }
    /// Changes entries, as the directory's administrator.
    pub fn change(&self, ldif: &str) {
        let file = self.directory.path().join("change");
        std::fs::write(&file, ldif).unwrap();
        let output =
            self.client("ldapmodify", &format!("cn=root,{BASE}"), "root").arg("-f").arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        self.stop();
    }
}
