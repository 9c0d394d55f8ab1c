//! Lessor beside its peer, in one run, and Lessor alone in trouble:
//! `lessor-bench peer|cluster <lessor program> <peer program>`, `lessor-bench outage <lessor program> [minutes ...]`,
//! `lessor-bench scale <lessor program>`.
#![allow(clippy::print_stdout, reason = "the tables are the result")]
mod certificates;
mod cluster;
mod http;
mod load;
mod outage;
mod postgres;
mod quota;
mod raw;
mod scale;
mod server;

use load::Ask;
use postgres::Postgres;
use serde_json::{Value, json};
use server::Server;
use std::io::{Error, Result};
use std::path::Path;
use std::time::Duration;

const CLIENTS: [usize; 3] = [1, 16, 64];
const CREATE: &str = r#"CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"#;

/// What a program of an application team may typically do.
const POLICY: &str = r#"
path "kv2/data/*" { capabilities = ["create", "read", "update"] }
path "kv2/metadata/*" { capabilities = ["list", "read"] }
path "database/creds/app" { capabilities = ["read"] }
path "transit/encrypt/app" { capabilities = ["update"] }
path "secret/+/team/*" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
"#;

struct Bench {
    peer: Server,
    lessor: Server,
    seconds: f64,
}

impl Bench {
    fn both(&self, method: &str, path: &str, body: &Value) -> Result<()> {
        self.peer.ask(method, path, body)?;
        self.lessor.ask(method, path, body).map(drop)
    }
    fn row(&self, name: &str, clients: usize, ask: &Ask<'_>) -> Result<()> {
        let measure = |server: &Server| load::run(server.port, &server.token, clients, self.seconds, ask);
        let (peer, lessor) = (measure(&self.peer)?, measure(&self.lessor)?);
        println!("| {name} | {clients} | {peer} | {lessor} | {:.2} |", lessor.rate / peer.rate);
        Ok(())
    }

    fn requests(&mut self) -> Result<()> {
        self.both("POST", "sys/mounts/kv2", &json!({ "type": "kv", "options": { "version": "2" } }))?;
        let value = json!({ "data": { "value": "x".repeat(100) } });
        for key in 0..100 {
            self.both("POST", &format!("kv2/data/k{key}"), &value)?;
        }
        let body = value.to_string();
        println!("\n| work | clients | peer: op/s / p50 / p99 ms | Lessor | ratio |\n|---|---|---|---|---|");
        self.rows("root", &body)?;
        self.as_application(|bench| bench.rows("six paths", &body))?;
        self.logins()
    }

    /// Does some work with a token of [`POLICY`] instead of the root token.
    fn as_application(&mut self, work: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        for server in [&mut self.peer, &mut self.lessor] {
            server.ask("POST", "sys/policies/acl/app", &json!({ "policy": POLICY }))?;
            let made = server.ask("POST", "auth/token/create", &json!({ "policies": ["app"], "ttl": "10h" }))?;
            let token = made["auth"]["client_token"].as_str().unwrap_or_default().to_owned();
            server.root = std::mem::replace(&mut server.token, token);
        }
        work(self)?;
        for server in [&mut self.peer, &mut self.lessor] {
            server.token = std::mem::take(&mut server.root);
        }
        Ok(())
    }

    fn logins(&self) -> Result<()> {
        self.both("POST", "sys/auth/approle", &json!({ "type": "approle" }))?;
        for (role, kind) in [("app", "service"), ("job", "batch")] {
            let path = format!("auth/approle/role/{role}");
            self.both("POST", &path, &json!({ "token_policies": ["app"], "token_ttl": "1h", "token_type": kind }))?;
            self.both("POST", &format!("{path}/role-id"), &json!({ "role_id": role }))?;
            self.both("POST", &format!("{path}/custom-secret-id"), &json!({ "secret_id": "a secret id" }))?;
            let body = json!({ "role_id": role, "secret_id": "a secret id" }).to_string();
            for clients in CLIENTS {
                self.row(&format!("AppRole login, {kind} token"), clients, &|_, _| {
                    ("POST", "auth/approle/login".into(), body.clone())
                })?;
            }
        }
        Ok(())
    }

    fn rows(&self, who: &str, body: &str) -> Result<()> {
        for clients in CLIENTS {
            self.row(&format!("KV v2 read, {who}"), clients, &|client, n| {
                ("GET", format!("kv2/data/k{}", (client * 31 + n) % 100), String::new())
            })?;
        }
        for clients in CLIENTS {
            self.row(&format!("KV v2 durable write, {who}"), clients, &|client, n| {
                ("POST", format!("kv2/data/w{}", (client * 97 + n) % 1000), body.to_owned())
            })?;
        }
        for clients in CLIENTS {
            self.row(&format!("token lookup-self, {who}"), clients, &|_, _| {
                ("GET", "auth/token/lookup-self".into(), String::new())
            })?;
        }
        Ok(())
    }

    fn credentials(&mut self, postgres: &Postgres) -> Result<()> {
        self.both("POST", "sys/mounts/database", &json!({ "type": "database" }))?;
        self.both("POST", "database/config/main", &connection(postgres))?;
        let mut role = json!({
            "db_name": "main", "creation_statements": [CREATE], "default_ttl": "1h",
            "revocation_statements": ["DROP ROLE IF EXISTS \"{{name}}\""],
        });
        self.both("POST", "database/roles/app", &role)?;
        role["scram_iterations"] = json!(1);
        self.lessor.ask("POST", "database/roles/quick", &role)?;
        println!(
            "\n| database/creds | clients | peer | Lessor | ratio | pgbench, same statement | Lessor / pgbench | Lessor's own CPU each, ms |\n|---|---|---|---|---|---|---|---|"
        );
        for clients in CLIENTS {
            let ask: &Ask<'_> = &|_, _| ("GET", "database/creds/app".into(), String::new());
            let measure = |server: &Server| load::run(server.port, &server.token, clients, self.seconds, ask);
            let peer = measure(&self.peer)?;
            let before = self.lessor.cpu();
            let lessor = measure(&self.lessor)?;
            // A cell has a warm-up of a fifth of its length.
            let each = (self.lessor.cpu() - before) / (lessor.rate * self.seconds * 1.2) * 1e3;
            let raw = postgres.pgbench(clients, self.seconds, "aB3-aB3-aB3-aB3-aB3-")?;
            let (ratio, share) = (lessor.rate / peer.rate, lessor.rate / raw);
            println!(
                "| 4096 rounds | {clients} | {peer} | {lessor} | {ratio:.2} | {raw:.0} | {share:.2} | {each:.2} |"
            );
        }
        self.as_application(|bench| {
            for clients in CLIENTS {
                let measure = |server: &Server| {
                    let ask: &Ask<'_> = &|_, _| ("GET", "database/creds/app".into(), String::new());
                    load::run(server.port, &server.token, clients, bench.seconds, ask)
                };
                let (peer, lessor) = (measure(&bench.peer)?, measure(&bench.lessor)?);
                let ratio = lessor.rate / peer.rate;
                println!("| 4096 rounds, six paths | {clients} | {peer} | {lessor} | {ratio:.2} | - | - | - |");
            }
            Ok(())
        })?;
        for clients in CLIENTS {
            let ask: &Ask<'_> = &|_, _| ("GET", "database/creds/quick".into(), String::new());
            let lessor = load::run(self.lessor.port, &self.lessor.token, clients, self.seconds, ask)?;
            println!("| scram_iterations=1 | {clients} | - | {lessor} | - | - | - | - |");
        }
        println!("\n| revoke-prefix, sync | peer | Lessor | ratio |\n|---|---|---|---|");
        let revoke = |server: &Server| -> Result<f64> {
            for _ in 0..500 {
                server.ask("GET", "database/creds/app", &Value::Null)?;
            }
            let count = leases(server)?;
            let begun = std::time::Instant::now();
            server.ask("PUT", "sys/leases/revoke-prefix/database/creds/app", &json!({ "sync": true }))?;
            Ok(load::as_f64(count) / begun.elapsed().as_secs_f64())
        };
        let (peer, lessor) = (revoke(&self.peer)?, revoke(&self.lessor)?);
        println!("| leases per second | {peer:.0} | {lessor:.0} | {:.2} |", lessor / peer);
        Ok(())
    }

    /// Many leases: memory, and the time until a restarted server answers.
    fn leases(&mut self, count: usize) -> Result<()> {
        println!("\n| {count} tokens with leases | peer | Lessor | peer / Lessor |\n|---|---|---|---|");
        let body = json!({ "policies": ["default"], "ttl": "10h" }).to_string();
        let each = count / 64;
        let mut rows: Vec<[f64; 4]> = Vec::new();
        for server in [&mut self.peer, &mut self.lessor] {
            let empty = server.memory();
            let begun = std::time::Instant::now();
            std::thread::scope(|scope| {
                let (port, token, body) = (server.port, &server.token, &body);
                let clients: Vec<_> = (0..64)
                    .map(|_| {
                        scope.spawn(move || -> Result<()> {
                            let mut connection = http::Connection::open(port, token)?;
                            for _ in 0..each {
                                let (status, answer) = connection.ask("POST", "auth/token/create", body)?;
                                if status != 200 {
                                    return Err(Error::other(answer));
                                }
                            }
                            Ok(())
                        })
                    })
                    .collect();
                clients
                    .into_iter()
                    .try_for_each(|c| c.join().unwrap_or_else(|_| Err(Error::other("a client panicked"))))
            })?;
            let rate = load::as_f64(count) / begun.elapsed().as_secs_f64();
            let held = server.memory() - empty;
            let start = server.restart()?.as_secs_f64() * 1e3;
            rows.push([rate, held, start, server.memory()]);
        }
        for (at, name) in
            ["made per second", "memory they added, MiB", "restart until answering, ms", "memory after restart, MiB"]
                .iter()
                .enumerate()
        {
            let (peer, lessor) = (rows[0][at], rows[1][at]);
            println!("| {name} | {peer:.1} | {lessor:.1} | {:.2} |", peer / lessor);
        }
        Ok(())
    }
}

fn leases(server: &Server) -> Result<usize> {
    let answer = server.ask("GET", "sys/leases/lookup/database/creds/app?list=true", &Value::Null)?;
    Ok(answer["data"]["keys"].as_array().map_or(0, Vec::len))
}

/// A role on PostgreSQL whose leases live that long.
fn configure(server: &Server, postgres: &Postgres, ttl: Duration) -> Result<()> {
    server.ask("POST", "sys/mounts/database", &json!({ "type": "database" }))?;
    server.ask("POST", "database/config/main", &connection(postgres))?;
    let role =
        json!({ "db_name": "main", "creation_statements": [CREATE], "default_ttl": ttl.as_secs(), "max_ttl": "100h" });
    server.ask("POST", "database/roles/app", &role).map(drop)
}

fn connection(postgres: &Postgres) -> Value {
    json!({
        "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": "admin", "password": "pw",
        "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable", postgres.port),
        "max_open_connections": 32,
    })
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let directory = tempfile::tempdir_in("/tmp")?;
    std::process::Command::new("chmod").arg("755").arg(directory.path()).status()?;
    match arguments.as_slice() {
        ["peer", lessor, peer] => beside_peer(Path::new(lessor), Path::new(peer), directory.path()),
        ["cluster", lessor, peer] => cluster::run(Path::new(lessor), Path::new(peer), directory.path(), seconds()),
        ["outage", lessor, minutes @ ..] => {
            let minutes: std::result::Result<Vec<u64>, _> = minutes.iter().map(|text| text.parse()).collect();
            outage::run(Path::new(lessor), directory.path(), &minutes.map_err(Error::other)?)
        }
        ["scale", lessor] => scale::run(Path::new(lessor), directory.path()),
        _ => Err(Error::other("usage: lessor-bench peer|cluster|outage|scale <lessor program> ...")),
    }
}

/// The length of a cell.
fn seconds() -> f64 {
    std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3.0)
}

fn beside_peer(lessor: &Path, peer: &Path, directory: &Path) -> Result<()> {
    let seconds = seconds();
    let peer = Server::start("peer", peer, directory)?;
    let lessor = Server::start("lessor", lessor, directory)?;
    let mut bench = Bench { peer, lessor, seconds };
    println!("| idle | peer | Lessor | peer / Lessor |\n|---|---|---|---|");
    for (name, peer, lessor) in [
        ("program, MiB", bench.peer.size(), bench.lessor.size()),
        ("memory, MiB", bench.peer.memory(), bench.lessor.memory()),
        (
            "restart until answering, ms",
            bench.peer.restart()?.as_secs_f64() * 1e3,
            bench.lessor.restart()?.as_secs_f64() * 1e3,
        ),
    ] {
        println!("| {name} | {peer:.1} | {lessor:.1} | {:.2} |", peer / lessor);
    }
    let only = std::env::var("ONLY").unwrap_or_default();
    let wanted = |part: &str| only.is_empty() || only == part;
    if wanted("requests") {
        bench.requests()?;
    }
    if wanted("credentials") {
        bench.credentials(&Postgres::start(directory)?)?;
    }
    if wanted("certificates") {
        certificates::run(&bench, directory)?;
    }
    if wanted("leases") {
        bench.leases(100_000)?;
    }
    Ok(())
}
