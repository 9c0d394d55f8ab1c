//! A real Kubernetes API server on an etcd of its own, without controllers: nothing is collected, namespaces are there at once.
//! `tests/install_heavy.sh` builds it; only `make test-heavy` needs it.
use super::cache;
use crate::lessor::free_port;
use serde_json::Value;
use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const ADMIN: &str = "admin-token";

pub struct Kubernetes {
    directory: tempfile::TempDir,
    etcd: Child,
    server: Option<Child>,
    etcd_port: u16,
    port: u16,
}

fn quiet(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap()
}

impl Kubernetes {
    /// Running, with the namespaces `lessor`, `shop` (labelled `team=shop`) and `pay`, the account `reader` in `shop`, and the
    /// cluster role `pod-reader`.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("sa.key");
        let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output().unwrap();
        assert!(made.status.success());
        std::fs::write(directory.path().join("tokens.csv"), format!("{ADMIN},admin,admin,system:masters\n")).unwrap();
        let (etcd_port, peers, port) = (free_port(), free_port(), free_port());
        let client = format!("http://127.0.0.1:{etcd_port}");
        let peer = format!("http://127.0.0.1:{peers}");
        let etcd = quiet(
            Command::new("etcd")
                .arg("--data-dir")
                .arg(directory.path().join("etcd"))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync"]),
        );
        let mut kubernetes = Self { directory, etcd, server: None, etcd_port, port };
        kubernetes.resume();
        for (name, labels) in [("lessor", "{}"), ("shop", "{\"team\":\"shop\"}"), ("pay", "{}")] {
            kubernetes.apply(&format!(
                "{{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"{name}\",\"labels\":{labels}}}}}"
            ));
        }
        // The roles that a cluster brings along are filled by a controller that does not run here.
        kubernetes.apply(
            r#"{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"pod-reader"},
                "rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get","list"]}]}"#,
        );
        kubernetes
            .apply(r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"reader","namespace":"shop"}}"#);
        kubernetes
    }

    /// Starts the API server on its data again.
    pub fn resume(&mut self) {
        let at = |name: &str| self.directory.path().join(name).display().to_string();
        let server = quiet(
            Command::new(cache("kube-apiserver-1.20.2").join("kube-apiserver"))
                .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port))
                .args([format!("--secure-port={}", self.port), format!("--cert-dir={}", at("certs"))])
                .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
                .arg(format!("--service-account-key-file={}", at("sa.key")))
                .arg(format!("--service-account-signing-key-file={}", at("sa.key")))
                .args([
                    "--service-account-issuer=https://kubernetes.default.svc",
                    "--api-audiences=https://kubernetes.default.svc",
                    "--authorization-mode=RBAC",
                    "--service-cluster-ip-range=10.96.0.0/24",
                    "--disable-admission-plugins=ServiceAccount",
                ])
                .arg(format!("--token-auth-file={}", at("tokens.csv"))),
        );
        self.server = Some(server);
        let end = Instant::now() + Duration::from_secs(90);
        while !self.kubectl(ADMIN, &["get", "--raw", "/readyz"]).status.success() {
            assert!(Instant::now() < end, "the API server does not answer");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Stops the API server at once; its data stays.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    pub fn host(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Who vouches for the API server.
    pub fn ca_cert(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("certs/apiserver.crt")).unwrap()
    }

    /// Kubernetes' own client, with a token.
    pub fn kubectl(&self, token: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("kubectl");
        command.env("HOME", self.directory.path()).env_remove("KUBECONFIG").arg(format!("--server={}", self.host()));
        command.arg(format!("--certificate-authority={}", self.directory.path().join("certs/apiserver.crt").display()));
        command.arg(format!("--token={token}")).arg("--request-timeout=10s").args(arguments).output().unwrap()
    }

    /// What it answers to an administrator, as JSON.
    pub fn get(&self, arguments: &[&str]) -> Value {
        let output = self.kubectl(ADMIN, &[&["get", "-o", "json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn admin(&self, arguments: &[&str]) {
        let output = self.kubectl(ADMIN, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes an object of JSON.
    pub fn apply(&self, object: &str) {
        let mut file = tempfile::NamedTempFile::new_in(self.directory.path()).unwrap();
        file.write_all(object.as_bytes()).unwrap();
        self.admin(&["create", "-f", file.path().to_str().unwrap()]);
    }

    /// A token of an account, an hour long.
    pub fn token_of(&self, namespace: &str, account: &str) -> String {
        self.token_for(namespace, account, "")
    }

    /// The same for an audience.
    pub fn token_for(&self, namespace: &str, account: &str, audience: &str) -> String {
        let mut file = tempfile::NamedTempFile::new_in(self.directory.path()).unwrap();
        let audiences = if audience.is_empty() { serde_json::json!([]) } else { serde_json::json!([audience]) };
        let request = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": { "audiences": audiences, "expirationSeconds": 3600 },
        });
        file.write_all(request.to_string().as_bytes()).unwrap();
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let output = self.kubectl(ADMIN, &["create", "--raw", &path, "-f", file.path().to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// Accounts, bindings and roles that leases made: `Kind namespace/name`.
    pub fn made(&self) -> Vec<String> {
        let kinds = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings";
        let selector = "app.kubernetes.io/created-by=vault-plugin-secrets-kubernetes";
        let listed = self.get(&[kinds, "--all-namespaces", "-l", selector]);
        let text = |item: &Value, at: &str| item.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let items = listed["items"].as_array().unwrap().iter();
        let name = |item| {
            format!("{} {}/{}", text(item, "/kind"), text(item, "/metadata/namespace"), text(item, "/metadata/name"))
        };
        items.map(name).collect()
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        self.stop();
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}
