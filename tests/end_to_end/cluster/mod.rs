//! A cluster of three nodes under load, while one fault after the other happens to it: afterwards no account is left without a
//! lease, none ended early, and what clients saw of key-value secrets is linearizable.
#![allow(clippy::print_stdout, reason = "the table is what a reader of the log looks for")]
mod history;
mod load;
mod net;
mod nodes;

use crate::postgresql::CREATE;
use crate::targets::etcd::Etcd;
use crate::targets::postgres::Postgres;
use lessor_client::Request;
use load::{Load, TTL};
use net::{Net, Side};
use nodes::{NODES, Nodes};
use serde_json::json;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is being looked after.
struct Trial {
    name: &'static str,
    nodes: Nodes,
    postgres: Arc<Mutex<Postgres>>,
    load: Arc<Load>,
    seen: [usize; 3],
    rows: Vec<String>,
}

async fn seconds(n: u64) {
    tokio::time::sleep(Duration::from_secs(n)).await;
}

impl Trial {
    async fn start(name: &'static str, nodes: Nodes, postgres: Arc<Mutex<Postgres>>) -> Self {
        let template = {
            let postgres = postgres.lock().unwrap();
            assert!(
                postgres
                    .query("CREATE ROLE vaultroot WITH SUPERUSER LOGIN PASSWORD 'vaultroot-first'")
                    .status
                    .success()
            );
            postgres.template()
        };
        nodes.write("sys/mounts/kv", json!({ "type": "kv" })).await;
        nodes.write("sys/mounts/team/db", json!({ "type": "database" })).await;
        let config = json!({
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": template,
            "username": "vaultroot", "password": "vaultroot-first", "max_open_connections": 6,
        });
        nodes.write("team/db/config/main", config).await;
        let role =
            json!({ "db_name": "main", "creation_statements": CREATE, "default_ttl": TTL.as_secs(), "max_ttl": "1h" });
        nodes.write("team/db/roles/app", role).await;
        let load = Load::new((0..NODES).map(|node| nodes.client(node)).collect(), Arc::clone(&postgres));
        Self { name, nodes, postgres, load, seen: [0; 3], rows: Vec::new() }
    }

    /// Counts since the last call, and the longest gap.
    fn counts(&mut self) -> ([usize; 3], u64) {
        let counts = &self.load.counts;
        let now = [&counts.requests, &counts.failed, &counts.lost].map(|count| count.load(Ordering::SeqCst));
        let since = [0, 1, 2].map(|at| now[at] - self.seen[at]);
        self.seen = now;
        (since, counts.longest.swap(0, Ordering::SeqCst))
    }

    /// Notes how a fault went; waits until every node serves again.
    async fn recovered(&mut self, fault: &str) {
        let healed = Instant::now();
        for node in 0..NODES {
            self.nodes.until_serving(node).await;
        }
        let recovery = healed.elapsed();
        seconds(3).await;
        let ([requests, failed, lost], longest) = self.counts();
        assert_eq!(lost, 0, "{fault}: {:#?}", self.load.complaints.lock().unwrap());
        self.rows.push(format!(
            "{:10} | {fault:34} | {requests:5} requests, {failed:4} attempts failed, {lost} lost | longest gap {longest:5} ms | all serve {:4.1} s after",
            self.name,
            recovery.as_secs_f64()
        ));
    }

    async fn faults_of_nodes(&mut self) {
        seconds(5).await;
        self.recovered("none").await;
        self.nodes.kill(0);
        seconds(15).await;
        self.nodes.run(0);
        self.recovered("a node is killed, 15 s").await;
        self.nodes.signal(1, "STOP");
        seconds(30).await;
        self.nodes.signal(1, "CONT");
        self.recovered("a node is stopped, 30 s").await;
        self.nodes.net.cut(2, Side::Storage);
        seconds(20).await;
        self.nodes.net.heal(2, Side::Storage);
        self.recovered("a node is cut off from storage, 20 s").await;
        self.nodes.net.cut(0, Side::Clients);
        seconds(15).await;
        self.nodes.net.heal(0, Side::Clients);
        self.recovered("a node is cut off from clients, 15 s").await;
        for node in 0..NODES {
            self.nodes.end(node);
            self.nodes.run(node);
            self.nodes.until_serving(node).await;
            seconds(2).await;
        }
        self.recovered("all are restarted, one by one").await;
    }

    /// Ends the load, waits until every lease has ended, and judges.
    async fn judge(self, running: Vec<tokio::task::JoinHandle<()>>) {
        self.load.stop();
        for task in running {
            task.await.unwrap();
        }
        let end = Instant::now() + TTL + Duration::from_secs(45);
        loop {
            let made = self.postgres.lock().unwrap().made().len();
            let leased = self.nodes.client(0).send(Request::list("sys/leases/lookup/team/db/creds/app")).await;
            if made == 0 && leased.is_err() {
                break;
            }
            assert!(
                Instant::now() < end,
                "{made} accounts live on; leases: {:?}\n{}",
                leased.is_ok(),
                self.nodes.log(0)
            );
            seconds(1).await;
        }
        let report = self.nodes.write("sys/reconcile/team/db", json!({})).await;
        assert_eq!((&report["data"]["orphans"], &report["data"]["missing"]), (&json!([]), &json!([])));
        let complaints = self.load.complaints.lock().unwrap().clone();
        let (mut operations, mut broken) = (0, 0);
        for register in self.load.registers.lock().unwrap().iter() {
            operations += register.log.len();
            broken += usize::from(!register.log.is_linearizable());
        }
        let held = self.load.held.lock().unwrap().len();
        for row in &self.rows {
            println!("{row}");
        }
        println!(
            "{}: {held} credentials, no orphan, no survivor; {operations} operations on registers, {broken} of them not linearizable",
            self.name
        );
        assert!(complaints.is_empty(), "{complaints:#?}");
        assert_eq!(broken, 0);
        assert!(held > 100 && operations > 500, "the load was none");
    }
}

async fn trial(name: &'static str, storage: &str, net: Net, postgres: Arc<Mutex<Postgres>>) -> Trial {
    let directory = tempfile::tempdir().unwrap();
    let nodes = Nodes::start(net, directory.path(), storage).await;
    // Its logs are wanted where a test fails.
    let trial = Trial::start(name, nodes, postgres).await;
    std::mem::forget(directory);
    trial
}

fn run(trial: &Trial) -> Vec<tokio::task::JoinHandle<()>> {
    let mut running = trial.load.start();
    running.push(tokio::spawn(Arc::clone(&trial.load).look()));
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_on_postgresql_keep_the_promises_through_every_fault() {
    let net = Net::new(NODES);
    // The storage's tables and the accounts of the leases stand on one server: both are away at once.
    let postgres = Postgres::start_at(&net.storage(), |_| Vec::new());
    let storage = format!(
        "storage \"postgresql\" {{ connection_url = {:?}\n max_parallel = 16 }}",
        postgres.url(crate::targets::postgres::ROOT, crate::targets::postgres::ROOT_PASSWORD)
    );
    let postgres = Arc::new(Mutex::new(postgres));
    let mut trial = trial("postgresql", &storage, net, Arc::clone(&postgres)).await;
    let running = run(&trial);
    trial.faults_of_nodes().await;
    tokio::task::spawn_blocking(move || {
        let mut postgres = postgres.lock().unwrap();
        postgres.kill();
        std::thread::sleep(Duration::from_secs(5));
        postgres.resume();
    })
    .await
    .unwrap();
    trial.recovered("PostgreSQL is killed, 5 s").await;
    trial.judge(running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_on_etcd_keep_the_promises_through_every_fault() {
    let net = Net::new(NODES);
    let postgres = Arc::new(Mutex::new(Postgres::start_at(&net.storage(), |_| Vec::new())));
    let mut etcd = Etcd::start_at(&net.storage(), 3, &[]);
    let storage = format!("storage \"etcd\" {{ address = {:?}\n path = \"/lessor/\" }}", etcd.addresses());
    let mut trial = trial("etcd", &storage, net, postgres).await;
    let running = run(&trial);
    trial.faults_of_nodes().await;
    let leader = etcd.leader();
    etcd.kill(leader);
    seconds(10).await;
    etcd.resume(leader);
    trial.recovered("the leader of etcd is killed, 10 s").await;
    trial.judge(running).await;
}
