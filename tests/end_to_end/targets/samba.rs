//! A domain controller of Active Directory: Samba, on an address of its own (its ports are fixed). It needs root.
use super::slapd::authority;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const BASE: &str = "DC=test,DC=local";
pub const ADMIN: &str = "Adm1n-Passw0rd";

/// A running domain controller, stopped when dropped.
pub struct Samba {
    child: Option<Child>,
    address: String,
    directory: TempDir,
}

fn run(directory: &Path, program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("{program} is installed by `make test`: {error}"));
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&text));
}

fn certificates(directory: &Path, address: &str) {
    authority(directory);
    std::fs::write(directory.join("san"), format!("subjectAltName=IP:{address}")).unwrap();
    for line in [
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=dc1",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem",
    ] {
        run(directory, "openssl", &line.split_whitespace().collect::<Vec<_>>());
    }
    run(directory, "chmod", &["600", "server.key"]);
}

fn configuration(home: &str, address: &str) -> String {
    let mut text = format!(
        "[global]\nrealm = TEST.LOCAL\nworkgroup = TEST\nnetbios name = DC1\nserver role = active directory domain controller\n\
         server services = ldap\ndcerpc endpoint servers =\ninterfaces = {address}/8\nbind interfaces only = yes\n\
         old password allowed period = 0\ntls enabled = yes\ntls certfile = {home}/server.pem\n\
         tls keyfile = {home}/server.key\ntls cafile = {home}/ca.pem\n"
    );
    for (name, place) in [
        ("private dir", "private"),
        ("lock directory", "lock"),
        ("state directory", "state"),
        ("cache directory", "cache"),
        ("pid directory", "run"),
        ("ncalrpc dir", "run/ncalrpc"),
        ("ntp signd socket directory", "run/ntp"),
        ("winbindd socket directory", "run/winbindd"),
    ] {
        std::fs::create_dir_all(Path::new(home).join(place)).unwrap();
        text += &format!("{name} = {home}/{place}\n");
    }
    text + &format!("log file = {home}/log\n")
}

impl Samba {
    pub fn start() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let process = std::process::id();
        let (high, low) = (1 + process / 250 % 250, 1 + process % 250);
        // Processes and tests do not meet: an address each.
        let address = format!("127.{}.{high}.{low}", 70 + u32::from(NEXT.fetch_add(1, Ordering::Relaxed)));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let home = path.display().to_string();
        certificates(path, &address);
        let target = format!("--targetdir={home}");
        let password = format!("--adminpass={ADMIN}");
        let provision = [
            "domain",
            "provision",
            "--configfile=/dev/null",
            "--realm=TEST.LOCAL",
            "--domain=TEST",
            "--server-role=dc",
            "--dns-backend=NONE",
            &password,
            "--host-name=dc1",
            "--host-ip=127.0.0.1",
            &target,
            "--option=interfaces=lo",
            "--option=bind interfaces only=yes",
        ];
        run(path, "samba-tool", &provision);
        std::fs::write(path.join("my.conf"), configuration(&home, &address)).unwrap();
        let database = format!("{home}/private/sam.ldb");
        let settings = ["domain", "passwordsettings", "set", "--min-pwd-age=0", "--history-length=0"];
        run(path, "samba-tool", &[&settings[..], &["-H", &database, "-s", "my.conf"]].concat());
        for ou in ["Temp", "Svc"] {
            run(path, "samba-tool", &["ou", "create", &format!("OU={ou},{BASE}"), "-H", &database, "-s", "my.conf"]);
        }
        run(path, "samba-tool", &["group", "add", "Devs", "-H", &database, "-s", "my.conf"]);
        for name in ["lessor", "svc", "lib1", "lib2"] {
            let user = ["user", "create", name, "Old-Passw0rd", "--userou=OU=Svc", "-H", &database, "-s", "my.conf"];
            run(path, "samba-tool", &user);
        }
        let admins = ["group", "addmembers", "Domain Admins", "lessor", "-H", &database, "-s", "my.conf"];
        run(path, "samba-tool", &admins);
        let mut samba = Self { child: None, address, directory };
        samba.resume();
        samba
    }
    /// Starts it again on what it has.
    pub fn resume(&mut self) {
        let child = Command::new("samba")
            .args(["-i", "-M", "single", "-s", "my.conf", "--no-process-group"])
            .current_dir(self.directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let end = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect((self.address.as_str(), 636)).is_err() {
            assert!(Instant::now() < end, "samba does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    /// Killed without a word.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    pub fn secure_url(&self) -> String {
        format!("ldaps://{}", self.address)
    }
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }
    pub fn authority(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("ca.pem")).unwrap()
    }
    fn client(&self, program: &str, name: &str, password: &str) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.secure_url(), "-D", name, "-w", password]);
        command.env("LDAPTLS_CACERT", self.directory.path().join("ca.pem"));
        command
    }
    /// Whether it takes the password, as OpenLDAP's client asks.
    pub fn accepts(&self, name: &str, password: &str) -> bool {
        // Samba does not tell who one is, so the root of the directory is read.
        let mut command = self.client("ldapsearch", name, password);
        command.args(["-s", "base", "-b", "", "1.1"]).output().unwrap().status.success()
    }
    /// The names of the entries directly below.
    pub fn below(&self, base: &str) -> Vec<String> {
        let mut command = self.client("ldapsearch", &format!("CN=Administrator,CN=Users,{BASE}"), ADMIN);
        let output = command.args(["-LLL", "-o", "ldif-wrap=no", "-s", "one", "-b", base, "1.1"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|line| line.strip_prefix("dn: ")).map(str::to_owned).collect()
    }
    /// Does something with the directory's own program, behind Lessor's back.
    pub fn tool(&self, arguments: &[&str]) {
        let database = format!("{}/private/sam.ldb", self.directory.path().display());
        run(self.directory.path(), "samba-tool", &[arguments, &["-H", &database, "-s", "my.conf"]].concat());
    }
    /// Gives an account a password behind Lessor's back.
    pub fn set_password(&self, name: &str, password: &str) {
        self.tool(&["user", "setpassword", name, &format!("--newpassword={password}")]);
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        self.stop();
    }
}
