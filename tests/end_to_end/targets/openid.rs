//! An OpenID provider: npm's oidc-provider, certified by the OpenID foundation, and a person with a browser.
use super::cache;
use crate::lessor::free_port;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = include_str!("openid.mjs");

/// A running provider, stopped when dropped.
pub struct OpenId {
    child: Child,
    _program: tempfile::NamedTempFile,
    pub issuer: String,
}

/// What a page said: status, where it leads to, and its text.
struct Page {
    status: String,
    next: String,
    text: String,
}

fn field(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

impl OpenId {
    /// One client, `lessor`, that is sent back to this address.
    pub fn start(redirect: &str) -> Self {
        let port = free_port();
        let home = cache("oidc-provider-9");
        // Beside the package that it imports.
        let program = tempfile::Builder::new().suffix(".mjs").tempfile_in(home).unwrap();
        std::fs::write(program.path(), PROGRAM).unwrap();
        let child = Command::new("node")
            .arg(program.path())
            .args([&port.to_string(), redirect])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let provider = Self { child, _program: program, issuer: format!("http://127.0.0.1:{port}") };
        let end = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "the provider does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        provider
    }

    /// Goes where Lessor sends somebody, logs in there as `name`, and gives consent: the last page, or the address it
    /// leads to outside of the provider.
    pub fn browse(&self, address: &str, name: &str) -> String {
        self.walk(address, name, "confirm=yes")
    }
    /// The same, but for the device that asks to be let in: that is refused.
    pub fn refuse_device(&self, address: &str, name: &str) -> String {
        self.walk(address, name, "abort=yes")
    }
    fn walk(&self, address: &str, name: &str, decision: &str) -> String {
        let cookies = tempfile::NamedTempFile::new().unwrap();
        let open = |address: &str, form: &str| {
            let mut curl = Command::new("curl");
            curl.args(["-s", "-w", "\n%{http_code} %{redirect_url}", "-b"]).arg(cookies.path());
            curl.arg("-c").arg(cookies.path());
            if !form.is_empty() {
                curl.args(["-d", form]);
            }
            let output = curl.arg(address).output().unwrap();
            let output = String::from_utf8_lossy(&output.stdout).into_owned();
            let (text, last) = output.rsplit_once('\n').unwrap();
            let (status, next) = last.split_once(' ').unwrap();
            Page { status: status.into(), next: next.into(), text: text.into() }
        };
        let (mut address, mut form) = (address.to_owned(), String::new());
        for _ in 0..12 {
            let page = open(&address, &form);
            form.clear();
            if page.next.is_empty() && page.status == "200" && page.text.contains("name=\"prompt\"") {
                let login = page.text.contains("value=\"login\"");
                form =
                    if login { format!("prompt=login&login={name}&password=x") } else { "prompt=consent".to_owned() };
            } else if page.next.is_empty() && page.text.contains("name=\"user_code\" value=") {
                // A device's code was taken from the address, or is to be confirmed.
                form = format!("xsrf={}&user_code={}", field(&page.text, "xsrf"), field(&page.text, "user_code"));
                if page.text.contains("op.deviceConfirmForm") {
                    form = format!("{form}&{decision}");
                }
                address = format!("{}/device", self.issuer);
            } else if page.next.is_empty() {
                return page.text;
            } else if page.next.starts_with(&self.issuer) {
                address = page.next;
            } else {
                return page.next;
            }
        }
        panic!("the browser goes round in circles: {address}")
    }
}

impl Drop for OpenId {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
