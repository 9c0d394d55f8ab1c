//! Many leases at once: start, memory, and how late the last of those due together goes.
use crate::configure;
use crate::load::{self, as_f64};
use crate::outage::pause;
use crate::postgres::Postgres;
use crate::server::Server;
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::path::Path;
use std::time::{Duration, Instant};

const MANY: usize = 200_000;
const DUE: usize = 5_000;

/// Fills one server with [`MANY`] leases, then has [`DUE`] end together on another.
pub fn run(program: &Path, directory: &Path) -> Result<()> {
    let mut server = Server::start("lessor", program, directory)?;
    let postgres = Postgres::start(directory)?;
    configure(&server, &postgres, Duration::from_secs(36_000))?;
    println!("| leases | start until the first answered read | memory |\n|---|---|---|");
    let start = server.restart()?.as_secs_f64() * 1e3;
    println!("| 0 | {start:.1} ms | {:.1} MiB |", server.memory());
    let each = |_: usize, _: usize| ("GET", "database/creds/app".to_owned(), String::new());
    let mut made = 0.0;
    while made < as_f64(MANY) {
        made += load::run(server.port, &server.token, 32, 20.0, &each)?.rate * 24.0;
    }
    let start = server.restart()?.as_secs_f64() * 1e3;
    println!("| {} | {start:.1} ms | {:.1} MiB |", postgres.roles()?, server.memory());
    drop((server, postgres));
    due_together(program, &directory.join("due"), DUE)
}

/// The leases are renewed so that all of them end in the same second.
fn due_together(program: &Path, directory: &Path, count: usize) -> Result<()> {
    let server = Server::start("lessor", program, directory)?;
    let postgres = Postgres::start(directory)?;
    configure(&server, &postgres, Duration::from_secs(600))?;
    let mut leases = Vec::new();
    while leases.len() < count {
        let made = server.ask("GET", "database/creds/app", &Value::Null)?;
        leases.extend(made["lease_id"].as_str().map(str::to_owned));
    }
    let end = Instant::now() + Duration::from_secs(60);
    for lease in &leases {
        let left = end.saturating_duration_since(Instant::now()).as_secs_f64().round();
        server.ask("PUT", "sys/leases/renew", &json!({ "lease_id": lease, "increment": format!("{left}s") }))?;
    }
    pause(end.saturating_duration_since(Instant::now()));
    while postgres.roles()? > 0 {
        if end.elapsed() > Duration::from_secs(60) {
            return Err(Error::other("roles are still there a minute after their end"));
        }
    }
    println!(
        "\n{count} leases due together: the last role was gone {:.2} s after they ended",
        end.elapsed().as_secs_f64()
    );
    Ok(())
}
