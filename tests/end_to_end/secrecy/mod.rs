//! No leak: after a day's work, no secret stands in any log, audit record, metric or file of the server.
#![allow(clippy::print_stdout, reason = "says how much was searched")]
mod search;

use crate::lessor::Lessor;
use crate::targets::postgres::Postgres;
use lessor_client::{Client, Config, Request, Token};
use search::{Secrets, files};
use serde_json::{Value, json};

const SETTINGS: &str = "log_level = \"trace\"\nlog_format = \"json\"\nlog_requests_level = \"trace\"\n\
    telemetry { prometheus_retention_time = \"1h\" }\nraw_storage_endpoint = false\n";

/// A day's work, whose secrets are collected.
struct Day<'a> {
    lessor: &'a Lessor,
    secrets: Secrets,
}

impl Day<'_> {
    /// A secret of our own making.
    fn mark(&mut self, name: &str) -> String {
        let secret = format!("{name}-{:032x}", rand::random::<u128>());
        self.secrets.add(name, &secret);
        secret
    }

    fn collect(&mut self, name: &str, secret: &Value) -> String {
        let secret = secret.as_str().unwrap_or_else(|| panic!("{name}: {secret}"));
        self.secrets.add(name, secret);
        secret.to_owned()
    }

    /// A login or a made token.
    fn token(&mut self, name: &str, answer: &Value) -> String {
        self.collect(name, &answer["auth"]["client_token"])
    }

    async fn write(&self, path: &str, body: Value) -> Value {
        self.lessor.write(path, body).await
    }

    /// Sends what is refused; what it is told may be logged, too.
    async fn refused(&self, path: &str, body: Value) {
        self.lessor.refused(Request::put(path, body)).await;
    }

    fn client(&self, token: &str, wrap_ttl: Option<&str>) -> Client {
        let (token, wrap_ttl) = (Some(Token::new(token)), wrap_ttl.map(str::to_owned));
        let address = self.lessor.address.clone();
        Client::new(Config { address, token, wrap_ttl, max_retries: 0, ..Config::default() }).unwrap()
    }

    async fn key_values(&mut self) {
        self.write("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } })).await;
        self.write("sys/mounts/kv1", json!({ "type": "kv" })).await;
        let value = self.mark("kv2-value");
        self.write("kv/data/app", json!({ "data": { "password": value, "nested": { "list": [value] } } })).await;
        assert_eq!(self.lessor.read("kv/data/app").await["data"]["data"]["password"], value);
        let value = self.mark("kv1-value");
        self.write("kv1/app", json!({ "password": value })).await;
        self.lessor.read("kv1/app").await;
        let value = self.mark("cubbyhole-value");
        self.write("cubbyhole/app", json!({ "x": value })).await;
        let value = self.mark("refused-value");
        self.refused("kv/data/app", json!({ "data": { "x": value }, "options": { "cas": 9 } })).await;
        self.refused("kv/data/app", json!({ "data": value })).await;
        self.refused("nowhere/app", json!({ "x": value })).await;
    }

    async fn databases(&mut self, postgres: &Postgres) {
        let root = self.mark("database-root");
        assert!(
            postgres.query(&format!("CREATE ROLE vaultroot WITH SUPERUSER LOGIN PASSWORD '{root}'")).status.success()
        );
        self.write("sys/mounts/db", json!({ "type": "database" })).await;
        let config = |password: &str| {
            json!({
                "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": postgres.template(),
                "username": "vaultroot", "password": password,
            })
        };
        let wrong = self.mark("database-wrong");
        self.refused("db/config/main", config(&wrong)).await;
        let mut inline = config(&root);
        inline["connection_url"] = postgres.url("vaultroot", &wrong).into();
        self.refused("db/config/main", inline).await;
        self.write("db/config/main", config(&root)).await;
        let create = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}'";
        self.write("db/roles/app", json!({ "db_name": "main", "creation_statements": create, "default_ttl": "1h" }))
            .await;
        let broken = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' NONSENSE";
        self.write("db/roles/broken", json!({ "db_name": "main", "creation_statements": broken })).await;
        self.lessor.refused(Request::get("db/creds/broken")).await;
        let ended = self.lessor.read("db/creds/app").await;
        self.collect("database-password", &ended["data"]["password"]);
        self.write("sys/leases/renew", json!({ "lease_id": ended["lease_id"] })).await;
        self.write("sys/leases/revoke", json!({ "lease_id": ended["lease_id"], "sync": true })).await;
        let kept = self.lessor.read("db/creds/app").await;
        self.collect("database-password-kept", &kept["data"]["password"]);
        assert!(postgres.query("CREATE ROLE legacy WITH LOGIN PASSWORD 'old'").status.success());
        self.write(
            "db/static-roles/legacy",
            json!({ "db_name": "main", "username": "legacy", "rotation_period": "1h" }),
        )
        .await;
        let first = self.lessor.read("db/static-creds/legacy").await;
        self.collect("static-password", &first["data"]["password"]);
        self.write("db/rotate-role/legacy", json!({})).await;
        let second = self.lessor.read("db/static-creds/legacy").await;
        self.collect("static-password-rotated", &second["data"]["password"]);
        self.write("db/rotate-root/main", json!({})).await;
    }

    async fn logins(&mut self) {
        self.write("sys/auth/approle", json!({ "type": "approle" })).await;
        self.write("auth/approle/role/app", json!({ "token_policies": "default" })).await;
        let role_id = self.lessor.read("auth/approle/role/app/role-id").await["data"]["role_id"].clone();
        let made = self.write("auth/approle/role/app/secret-id", Value::Null).await;
        let secret_id = self.collect("secret-id", &made["data"]["secret_id"]);
        self.write("auth/approle/role/app/secret-id/lookup", json!({ "secret_id": secret_id })).await;
        let login = self.write("auth/approle/login", json!({ "role_id": role_id, "secret_id": secret_id })).await;
        let token = self.token("approle-token", &login);
        self.client(&token, None).send(Request::get("auth/token/lookup-self")).await.unwrap();
        let wrong = self.mark("secret-id-wrong");
        self.refused("auth/approle/login", json!({ "role_id": role_id, "secret_id": wrong })).await;
        self.write("sys/auth/userpass", json!({ "type": "userpass" })).await;
        let password = self.mark("user-password");
        self.write("auth/userpass/users/bob", json!({ "password": password, "token_policies": "default" })).await;
        let login = self.write("auth/userpass/login/bob", json!({ "password": password })).await;
        self.token("userpass-token", &login);
        let wrong = self.mark("user-password-wrong");
        self.refused("auth/userpass/login/bob", json!({ "password": wrong })).await;
    }

    async fn transit(&mut self) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        self.write("sys/mounts/transit", json!({ "type": "transit" })).await;
        self.write("transit/keys/k", json!({ "exportable": true })).await;
        let plaintext = STANDARD.encode(self.mark("transit-plaintext"));
        let sealed = self.write("transit/encrypt/k", json!({ "plaintext": plaintext })).await;
        let body = json!({ "ciphertext": sealed["data"]["ciphertext"] });
        assert_eq!(self.write("transit/decrypt/k", body).await["data"]["plaintext"], plaintext);
        let key = self.write("transit/datakey/plaintext/k", json!({})).await;
        self.collect("data-key", &key["data"]["plaintext"]);
        let exported = self.lessor.read("transit/export/encryption-key/k").await;
        self.collect("transit-key", &exported["data"]["keys"]["1"]);
        let wrong = STANDARD.encode(self.mark("transit-refused"));
        self.refused("transit/encrypt/k", json!({ "plaintext": format!("!{wrong}") })).await;
        self.refused("transit/keys/k/config", json!({ "min_decryption_version": wrong })).await;
    }

    async fn tokens(&mut self) {
        let made = self.write("auth/token/create", json!({ "policies": ["default"], "ttl": "1h" })).await;
        let token = self.token("token", &made);
        self.write("auth/token/lookup", json!({ "token": token })).await;
        self.write("auth/token/renew", json!({ "token": token })).await;
        self.write("sys/capabilities", json!({ "token": token, "paths": ["kv/data/app"] })).await;
        let batch = self.write("auth/token/create", json!({ "type": "batch", "policies": ["default"] })).await;
        let batch = self.token("batch-token", &batch);
        self.client(&batch, None).send(Request::get("auth/token/lookup-self")).await.unwrap();
        self.client(&token, None).send(Request::get("kv/data/app")).await.unwrap_err();
        self.write("auth/token/revoke", json!({ "token": token })).await;
        let unknown = format!("hvs.{}", self.mark("token-unknown"));
        self.client(&unknown, None).send(Request::get("auth/token/lookup-self")).await.unwrap_err();
        self.refused("auth/token/lookup", json!({ "token": unknown })).await;
        let odd = self.mark("token-in-odd-place");
        self.refused("auth/token/renew", json!({ "token": { "id": odd } })).await;
    }

    async fn wrapping(&mut self) {
        let value = self.mark("wrapped-value");
        let wrapping = self.client(&self.lessor.token, Some("5m"));
        let wrapped =
            wrapping.send(Request::put("sys/wrapping/wrap", json!({ "x": value }))).await.unwrap().json.unwrap();
        let token = self.collect("wrapping-token", &wrapped["wrap_info"]["token"]);
        self.write("sys/wrapping/lookup", json!({ "token": token })).await;
        let inner = self.write("sys/wrapping/unwrap", json!({ "token": token })).await;
        assert_eq!(inner["data"]["x"], value);
        self.refused("sys/wrapping/unwrap", json!({ "token": token })).await;
        let wrapped = wrapping.send(Request::get("kv/data/app")).await.unwrap().json.unwrap();
        self.collect("wrapping-token-kept", &wrapped["wrap_info"]["token"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_any_log_audit_record_metric_or_file() {
    let (directory, postgres) = (tempfile::tempdir().unwrap(), Postgres::start());
    let mut lessor = Lessor::stored(directory.path(), SETTINGS).await;
    let made = lessor.write("sys/init", json!({ "secret_shares": 1, "secret_threshold": 1 })).await;
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    lessor.write("sys/unseal", json!({ "key": made["keys_base64"][0] })).await;
    let audit = directory.path().join("audit.log");
    lessor.write("sys/audit/file", json!({ "type": "file", "options": { "file_path": audit } })).await;

    let mut day = Day { lessor: &lessor, secrets: Secrets::default() };
    day.collect("root-token", &made["root_token"]);
    day.collect("unseal-key", &made["keys"][0]);
    day.key_values().await;
    day.databases(&postgres).await;
    day.logins().await;
    day.transit().await;
    day.tokens().await;
    day.wrapping().await;
    let metrics = Request::get("sys/metrics").query("format", "prometheus");
    let metrics = day.client(&lessor.token, None).send(metrics).await.unwrap();
    assert!(metrics.raw().starts_with(b"# "));
    let secrets = day.secrets;
    std::fs::write(directory.path().join("metrics.txt"), metrics.raw()).unwrap();
    lessor.stop();

    let mut searched = 0;
    for path in files(directory.path()) {
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(secrets.found_in(&bytes), [""; 0], "{}", path.display());
        searched += bytes.len();
    }
    let log = std::fs::read_to_string(directory.path().join("output.log")).unwrap();
    assert!(log.lines().any(|line| line.contains("\"TRACE\"") || line.contains("trace")), "the log is a detailed one");
    assert!(!log.contains("panicked"), "{log}");
    assert!(std::fs::read_to_string(&audit).unwrap().lines().count() > 60, "what was done is audited");
    println!("{} secrets looked for in {searched} bytes of logs, audit, metrics and storage", secrets.count());
    assert!(secrets.count() >= 25 && searched > 100_000);
}
