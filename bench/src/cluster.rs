//! One, two and three nodes on one PostgreSQL, beside the peer's: what a node more adds.
use crate::configure;
use crate::load::{self, Ask, Cell};
use crate::postgres::Postgres;
use crate::quota::Quota;
use crate::server::Server;
use serde_json::json;
use std::io::{Error, Result};
use std::path::Path;
use std::time::Duration;

const NODES: usize = 3;
const CLIENTS: usize = 48;
/// Of a processor, for each node: little enough that three of them leave the rest to PostgreSQL and the clients.
const SHARE: f64 = 0.2;

/// The nodes of one product, on one storage.
struct Cluster<'a> {
    name: &'static str,
    program: &'a Path,
    directory: std::path::PathBuf,
    postgres: Postgres,
    nodes: Vec<Server>,
}

impl<'a> Cluster<'a> {
    fn start(name: &'static str, program: &'a Path, directory: &Path) -> Result<Self> {
        let directory = directory.join(name);
        std::fs::create_dir_all(&directory)?;
        std::process::Command::new("chmod").arg("755").arg(&directory).status()?;
        let postgres = Postgres::start(&directory)?;
        Ok(Self { name, program, directory, postgres, nodes: Vec::new() })
    }
    fn storage(&self) -> String {
        let url = format!("{}?sslmode=disable", self.postgres.url());
        let standby = if self.name == "lessor" { "" } else { "\n ha_enabled = \"true\"" };
        format!("storage \"postgresql\" {{\n connection_url = {url:?}\n max_parallel = 24{standby}\n}}")
    }
    /// Adds a node; the first one brings the mounts.
    fn grow(&mut self) -> Result<()> {
        let directory = self.directory.join(format!("node-{}", self.nodes.len()));
        let mut node = Server::start_on(self.name, self.program, &directory, &self.storage())?;
        match self.nodes.first() {
            Some(first) => node.join(first)?,
            None => {
                node.initialise()?;
                prepare(&node, &self.postgres)?;
            }
        }
        self.nodes.push(node);
        Ok(())
    }
    fn measure(&self, seconds: f64, ask: &Ask<'_>) -> Result<Cell> {
        let ports: Vec<u16> = self.nodes.iter().map(|node| node.port).collect();
        let first = self.nodes.first().ok_or_else(|| Error::other("no node"))?;
        load::run_over(&ports, &first.token, CLIENTS, seconds, ask)
    }
}

fn prepare(node: &Server, postgres: &Postgres) -> Result<()> {
    node.ask("POST", "sys/mounts/kv2", &json!({ "type": "kv", "options": { "version": "2" } }))?;
    let value = json!({ "data": { "value": "x".repeat(100) } });
    // A mount of version 2 is being set up for a moment.
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while node.ask("POST", "kv2/data/k0", &value).is_err() && std::time::Instant::now() < end {}
    for key in 0..100 {
        node.ask("POST", &format!("kv2/data/k{key}"), &value)?;
    }
    node.ask("POST", "sys/mounts/ssh", &json!({ "type": "ssh" }))?;
    let role = json!({ "key_type": "otp", "default_user": "app", "cidr_list": "0.0.0.0/0", "ttl": "1h" });
    node.ask("POST", "ssh/roles/otp", &role)?;
    configure(node, postgres, Duration::from_secs(3600))
}

/// Both tables: nodes that share the machine, and nodes with a processor share of their own.
pub fn run(lessor: &Path, peer: &Path, directory: &Path, seconds: f64) -> Result<()> {
    table("all nodes on the machine's processors", lessor, peer, &directory.join("shared"), seconds, false)?;
    if Quota::new("probe", SHARE).is_none() {
        println!("SKIPPED nodes with a processor share of their own: control groups cannot be made here");
        return Ok(());
    }
    let title = format!("every node with {SHARE} of a processor");
    table(&title, lessor, peer, &directory.join("bounded"), seconds, true)
}

fn table(title: &str, lessor: &Path, peer: &Path, directory: &Path, seconds: f64, bounded: bool) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    std::process::Command::new("chmod").arg("755").arg(directory).status()?;
    let mut peer = Cluster::start("peer", peer, directory)?;
    let mut lessor = Cluster::start("lessor", lessor, directory)?;
    let mut quotas = Vec::new();
    let body = json!({ "data": { "value": "x".repeat(100) } }).to_string();
    let host = json!({ "ip": "10.1.2.3" }).to_string();
    let works: [(&str, &Ask<'_>); 4] = [
        ("KV v2 read", &|client, n| ("GET", format!("kv2/data/k{}", (client * 31 + n) % 100), String::new())),
        ("KV v2 durable write", &|client, n| ("POST", format!("kv2/data/w{}", (client * 97 + n) % 1000), body.clone())),
        ("one-time password of ssh, leased", &|_, _| ("POST", "ssh/creds/otp".into(), host.clone())),
        ("database/creds on PostgreSQL, leased", &|_, _| ("GET", "database/creds/app".into(), String::new())),
    ];
    println!("\n{title}, {CLIENTS} clients spread over them\n");
    println!(
        "| work | nodes | peer: op/s / p50 / p99 ms | Lessor | ratio | peer beside one node | Lessor beside one node |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut alone = Vec::new();
    for count in 1..=NODES {
        for cluster in [&mut peer, &mut lessor] {
            cluster.grow()?;
            if bounded {
                let quota = Quota::new(&format!("{}-{count}", cluster.name), SHARE);
                let quota = quota.ok_or_else(|| Error::other("a control group cannot be made"))?;
                cluster.nodes[count - 1].bound(&quota)?;
                quotas.push(quota);
            }
        }
        for (at, (name, ask)) in works.iter().enumerate() {
            let (theirs, ours) = (peer.measure(seconds, ask)?, lessor.measure(seconds, ask)?);
            if count == 1 {
                alone.push((theirs.rate, ours.rate));
            }
            let (a, b) = (theirs.rate / alone[at].0, ours.rate / alone[at].1);
            println!("| {name} | {count} | {theirs} | {ours} | {:.2} | {a:.2} | {b:.2} |", ours.rate / theirs.rate);
        }
    }
    // The groups go after their processes.
    drop((peer, lessor));
    drop(quotas);
    Ok(())
}
