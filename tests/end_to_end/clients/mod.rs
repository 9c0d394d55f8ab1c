//! Programs by others that know nothing of Lessor: the field's libraries and OpenBao's command line, each on a server with
//! embedded storage. Every flow stands in a file of its language beside this one.
mod bao;
mod hvac;
mod node_vault;
mod vaultrs;

use crate::lessor::Lessor;
use crate::targets::postgres::Postgres;
use serde_json::json;
use std::process::Command;

const USER: &str = "vaultroot";
const PASSWORD: &str = "vaultroot-first";

/// A server and a database with an account for it.
struct Place {
    lessor: Lessor,
    postgres: Postgres,
    directory: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let postgres = Postgres::start();
        let account = format!("CREATE ROLE {USER} WITH SUPERUSER LOGIN PASSWORD '{PASSWORD}'");
        assert!(postgres.query(&account).status.success());
        let lessor = Lessor::initialised(directory.path()).await;
        lessor.write("sys/mounts/secret", json!({ "type": "kv", "options": { "version": "2" } })).await;
        Self { lessor, postgres, directory }
    }

    /// Runs a client's program here: what it prints, which is the names of the flows it went through.
    async fn run(&self, mut command: Command) -> Vec<String> {
        command
            .env("VAULT_ADDR", &self.lessor.address)
            .env("VAULT_TOKEN", &self.lessor.token)
            .env("AUDIT_FILE", self.directory.path().join("audit.log"))
            .env("POSTGRES_TEMPLATE", self.postgres.template())
            .env("POSTGRES_USER", USER)
            .env("POSTGRES_PASSWORD", PASSWORD);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout).split_whitespace().map(str::to_owned).collect()
    }
}
