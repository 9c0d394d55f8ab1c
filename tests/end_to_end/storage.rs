//! The program on PostgreSQL and etcd: what it keeps there outlives it, and what happens to them.
use crate::lessor::{Lessor, PROGRAM, free_port};
use crate::postgresql::{configure, role};
use crate::targets::etcd::Etcd;
use crate::targets::postgres::{Postgres, ROOT, ROOT_PASSWORD};
use lessor_client::Request;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn postgresql(postgres: &Postgres) -> String {
    format!("storage \"postgresql\" {{ connection_url = {:?}\n max_parallel = 12 }}", postgres.url(ROOT, ROOT_PASSWORD))
}

fn etcd_stanza(etcd: &Etcd) -> String {
    format!("storage \"etcd\" {{ address = {:?}\n path = \"/vault/\" }}", etcd.addresses())
}

async fn initialised(directory: &Path, storage: &str) -> Lessor {
    let mut lessor = Lessor::stored(directory, &format!("{storage}\n{}", Lessor::STATIC)).await;
    let body = json!({ "recovery_shares": 1, "recovery_threshold": 1 });
    lessor.token = lessor.write("sys/init", body).await["root_token"].as_str().unwrap().to_owned();
    lessor
}

fn login(answer: &Value) -> (String, String) {
    let text = |name: &str| answer["data"][name].as_str().unwrap().to_owned();
    (text("username"), text("password"))
}

/// Init, unseal, write, kill, unseal, read; a leased account lives through it and ends when it is revoked.
async fn outlives_the_server(storage: &str, named: &str) {
    let directory = tempfile::tempdir().unwrap();
    let platform = Postgres::start();
    let mut lessor = Lessor::stored(directory.path(), storage).await;
    let made = lessor.write("sys/init", json!({ "secret_shares": 1, "secret_threshold": 1 })).await;
    lessor.token = made["root_token"].as_str().unwrap().to_owned();
    let share = made["keys_base64"][0].as_str().unwrap().to_owned();
    assert_eq!(lessor.cli(&["operator", "unseal", &share]).0, 0);
    let (_, status) = lessor.cli(&["status"]);
    assert!(status.contains(named), "{status}");
    lessor.write("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } })).await;
    lessor.write("kv/data/a", json!({ "data": { "x": "1" } })).await;
    configure(&lessor, &platform).await;
    role(&lessor, "app", "1h").await;
    let leases: Vec<Value> = futures::future::join_all((0..16).map(|_| lessor.read("team/db/creds/app"))).await;
    let lessor = lessor.kill_and_restart().await;
    assert_eq!(lessor.refused(Request::get("kv/data/a")).await.0, 503);
    assert_eq!(lessor.cli(&["operator", "unseal", &share]).0, 0);
    assert_eq!(lessor.read("kv/data/a").await["data"]["data"]["x"], "1");
    for lease in &leases {
        let (user, password) = login(lease);
        assert!(platform.accepts(&user, &password), "{user} did not survive");
    }
    let (user, password) = login(&leases[0]);
    let id = leases[0]["lease_id"].clone();
    lessor.write("sys/leases/renew", json!({ "lease_id": id, "increment": 600 })).await;
    lessor.write("sys/leases/revoke", json!({ "lease_id": id, "sync": true })).await;
    assert!(!platform.accepts(&user, &password));
    lessor.write("sys/leases/revoke-prefix/team/db", json!({ "sync": true })).await;
    assert!(platform.made().is_empty());
    lessor.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_leases_in_postgresql_outlive_the_server() {
    let storage = Postgres::start();
    outlives_the_server(&postgresql(&storage), "postgresql").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_leases_in_etcd_outlive_the_server() {
    let storage = Etcd::start();
    outlives_the_server(&etcd_stanza(&storage), "etcd").await;
}

/// Sixteen clients write until told to stop; the keys whose writes were acknowledged.
async fn write_through(lessor: &Lessor, mut strike: impl FnMut() + Send + 'static) {
    lessor.write("sys/mounts/kv", json!({ "type": "kv" })).await;
    let (client, done) = (Arc::new(lessor.client()), Arc::new(AtomicUsize::new(0)));
    let stop = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let (client, done, stop) = (Arc::clone(&client), Arc::clone(&done), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) > 0 {
                        break;
                    }
                    let path = format!("kv/{writer}-{number}");
                    if client.send(Request::put(&path, json!({ "n": number }))).await.is_ok() {
                        acknowledged.push((path, number));
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
                acknowledged
            })
        })
        .collect();
    let strikes = tokio::task::spawn_blocking({
        let done = Arc::clone(&done);
        move || {
            for _ in 0..3 {
                let (before, end) = (done.load(Ordering::Relaxed), Instant::now() + Duration::from_secs(60));
                while done.load(Ordering::Relaxed) < before + 50 {
                    assert!(Instant::now() < end, "nothing is written");
                    std::thread::sleep(Duration::from_millis(5));
                }
                strike();
            }
            // It holds the storage, which ends when it is dropped.
            strike
        }
    });
    let _storage = strikes.await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.store(1, Ordering::Relaxed);
    let mut total = 0;
    for writer in writers {
        for (path, number) in writer.await.unwrap() {
            assert_eq!(lessor.read(&path).await["data"]["n"], number, "{path}");
            total += 1;
        }
    }
    assert!(total >= 150, "hardly anything was written: {total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgresql_takes_no_acknowledged_write_along() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = Postgres::start();
    let lessor = initialised(directory.path(), &postgresql(&storage)).await;
    write_through(&lessor, move || {
        storage.kill();
        storage.resume();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_etcd_takes_no_acknowledged_write_along() {
    let directory = tempfile::tempdir().unwrap();
    let mut storage = Etcd::start_with(3, &[]);
    let lessor = initialised(directory.path(), &etcd_stanza(&storage)).await;
    let mut victim = 0;
    write_through(&lessor, move || {
        storage.kill(victim);
        std::thread::sleep(Duration::from_secs(2));
        storage.resume(victim);
        victim += 1;
    })
    .await;
}

/// A server that does not get as far as to serve: exit code and what it said.
fn start_in_vain(storage: &str) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lessor.hcl");
    let listener = format!("listener \"tcp\" {{ address = \"127.0.0.1:{}\"\n tls_disable = true }}", free_port());
    std::fs::write(&file, format!("{storage}\n{listener}\n{}", Lessor::STATIC)).unwrap();
    let output = Command::new("timeout")
        .args(["60", PROGRAM, "server"])
        .arg(format!("-config={}", file.display()))
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_cannot_be_used_is_named_before_anything_is_served() {
    let postgres = Postgres::start();
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    for (storage, expected) in [
        (
            format!("storage \"postgresql\" {{ connection_url = {:?} }}", postgres.url(ROOT, "wrong-secret")),
            "refused the password",
        ),
        ("storage \"postgresql\" {}".to_owned(), "'connection_url' must be set"),
        (format!("storage \"etcd\" {{ address = {nowhere:?} }}"), "etcd does not answer"),
        ("storage \"papyrus\" {}".to_owned(), "unknown storage type papyrus: use embedded, inmem, etcd, postgresql"),
    ] {
        let (code, text) = tokio::task::spawn_blocking(move || start_in_vain(&storage)).await.unwrap();
        assert!(code == 1 && text.contains(expected) && !text.contains("wrong-secret"), "{text}");
    }
}

/// `operator migrate` with these two stanzas.
fn migrate(directory: &Path, source: &str, destination: &str) -> (i32, String) {
    let file = directory.join("migrate.hcl");
    let stanza = |storage: &str, name: &str| storage.replacen("storage", name, 1);
    let text = format!("{}\n{}", stanza(source, "storage_source"), stanza(destination, "storage_destination"));
    std::fs::write(&file, text).unwrap();
    let output = Command::new(PROGRAM)
        .args(["operator", "migrate", &format!("-config={}", file.display())])
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_move_from_the_disk_to_postgresql_to_etcd_and_back() {
    let directory = tempfile::tempdir().unwrap();
    let (postgres, etcd, platform) = (Postgres::start(), Etcd::start(), Postgres::start());
    let embedded = |name: &str| format!("storage \"embedded\" {{ path = {:?} }}", directory.path().join(name));
    let stages = [embedded("data"), postgresql(&postgres), etcd_stanza(&etcd), embedded("again")];
    let mut lessor = initialised(directory.path(), &stages[0]).await;
    let token = lessor.token.clone();
    lessor.write("sys/mounts/kv", json!({ "type": "kv", "options": { "version": "2" } })).await;
    configure(&lessor, &platform).await;
    role(&lessor, "app", "1h").await;
    for number in 0..200 {
        lessor.write(&format!("kv/data/{number}"), json!({ "data": { "text": "x".repeat(number * 40) } })).await;
    }
    let mut leases = Vec::new();
    for pair in stages.windows(2) {
        leases.push(lessor.read("team/db/creds/app").await);
        let (code, text) = migrate(directory.path(), &pair[0], &pair[1]);
        assert!(code == 1 && text.contains("storage_source"), "while a server runs: {text}");
        lessor.stop();
        let (code, text) = migrate(directory.path(), &pair[0], &pair[1]);
        assert!(code == 0 && text.contains("Success! All of the keys have been migrated."), "{text}");
        println!("{}", text.lines().last().unwrap());
        let (code, text) = migrate(directory.path(), &pair[0], &pair[1]);
        assert!(code == 1 && text.contains("the destination is not empty"), "{text}");
        lessor = Lessor::stored(directory.path(), &format!("{}\n{}", pair[1], Lessor::STATIC)).await;
        lessor.token.clone_from(&token);
        for number in [0, 7, 199] {
            let found = lessor.read(&format!("kv/data/{number}")).await;
            assert_eq!(found["data"]["data"]["text"].as_str().unwrap().len(), number * 40);
        }
        for lease in &leases {
            let (user, password) = login(lease);
            assert!(platform.accepts(&user, &password));
            lessor.write("sys/leases/renew", json!({ "lease_id": lease["lease_id"], "increment": 3600 })).await;
        }
    }
    lessor.write("sys/leases/revoke-prefix/team/db", json!({ "sync": true })).await;
    assert!(platform.made().is_empty());
}
