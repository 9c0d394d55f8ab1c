//! A platform that is away while leases on it end: how soon after its return every credential is gone, and what
//! requests to other mounts notice.
use crate::load::{self, Cell};
use crate::postgres::Postgres;
use crate::server::Server;
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::path::Path;
use std::time::{Duration, Instant};

const LEASES: usize = 500;
const TTL: Duration = Duration::from_secs(30);

/// Stops PostgreSQL for each of these many minutes.
pub fn run(program: &Path, directory: &Path, minutes: &[u64]) -> Result<()> {
    let server = Server::start("lessor", program, directory)?;
    let mut postgres = Postgres::start(directory)?;
    crate::configure(&server, &postgres, TTL)?;
    server.ask("POST", "sys/mounts/kv2", &json!({ "type": "kv", "options": { "version": "2" } }))?;
    server.ask("POST", "kv2/data/k", &json!({ "data": { "value": "x" } }))?;
    println!(
        "| PostgreSQL away for | last role gone after its return | KV reads before | meanwhile: op/s / p50 / p99 ms | irrevocable meanwhile |"
    );
    println!("|---|---|---|---|---|");
    for minutes in minutes {
        outage(&server, &mut postgres, *minutes)?;
    }
    Ok(())
}

fn reads(server: &Server) -> Result<Cell> {
    load::run(server.port, &server.token, 1, 5.0, &|_, _| ("GET", "kv2/data/k".into(), String::new()))
}

fn outage(server: &Server, postgres: &mut Postgres, minutes: u64) -> Result<()> {
    for _ in 0..LEASES {
        server.ask("GET", "database/creds/app", &Value::Null)?;
    }
    let before = reads(server)?;
    if postgres.roles()? != LEASES {
        return Err(Error::other("roles went before PostgreSQL did: the leases are too short for this machine"));
    }
    postgres.stop()?;
    let begun = Instant::now();
    // Past the end of every lease.
    pause(TTL + Duration::from_secs(20));
    let meanwhile = reads(server)?;
    pause((Duration::from_secs(minutes * 60)).saturating_sub(begun.elapsed()));
    let listed = server.ask("GET", "sys/leases/count?type=irrevocable", &Value::Null)?;
    postgres.start_again()?;
    let back = Instant::now();
    while postgres.roles()? > 0 {
        if back.elapsed() > Duration::from_secs(300) {
            return Err(Error::other(format!("{} roles are still there", postgres.roles()?)));
        }
    }
    let gone = back.elapsed().as_secs_f64();
    println!(
        "| {minutes} min, {LEASES} leases ended | {gone:.2} s | {before} | {meanwhile} | {} |",
        listed["data"]["lease_count"]
    );
    Ok(())
}

/// Sleeps.
#[allow(clippy::disallowed_methods, reason = "there is no async runtime here")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
