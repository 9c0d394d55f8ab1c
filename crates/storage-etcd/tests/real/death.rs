//! Members are killed under writers, again and again: what was acknowledged is there, once, and no batch is half there.
use crate::etcd::Etcd;
use crate::stanza;
use lessor_storage::{Batch, Error, Expect, Storage};
use lessor_storage_etcd::EtcdStorage;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const WRITERS: u64 = 8;

fn key(part: &str, writer: u64, number: u64) -> String {
    format!("{part}/{writer}/{number:08}")
}

/// Writes numbered batches until told to stop; those that were acknowledged, and those whose outcome is not known.
async fn write(storage: EtcdStorage, writer: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> [BTreeSet<u64>; 2] {
    let [mut acknowledged, mut unknown] = [BTreeSet::new(), BTreeSet::new()];
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // The guard would fail if a commit whose answer was lost were repeated although it had taken place.
        let mut batch = Batch::new().expect(key("a", writer, number), Expect::Absent);
        for part in ["a", "m", "z"] {
            batch = batch.put(key(part, writer, number), vec![b'x'; 300]);
        }
        match storage.commit(batch).await {
            Ok(()) => {
                acknowledged.insert(number);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Conflict { key }) => panic!("{key} was written twice"),
            Err(_) => {
                unknown.insert(number);
            }
        }
    }
    [acknowledged, unknown]
}

async fn storm(mut etcd: Etcd, members: usize, rounds: u64) -> String {
    let storage = EtcdStorage::open(&stanza(&etcd)).await.unwrap();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(storage.clone(), writer, Arc::clone(&stop), Arc::clone(&done))))
        .collect();
    for round in 0..rounds {
        let (end, after) = (Instant::now() + Duration::from_secs(60), done.load(Ordering::Relaxed));
        while done.load(Ordering::Relaxed) < after + 20 {
            assert!(Instant::now() < end, "round {round}: nothing is written");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(round * 7919 % 30_000)).await;
        let victim = usize::try_from(round).unwrap() % members;
        etcd = tokio::task::spawn_blocking(move || {
            etcd.kill(victim);
            // Those that are left go on meanwhile.
            std::thread::sleep(Duration::from_millis(if members > 1 { 1500 } else { 0 }));
            etcd.resume(victim);
            etcd
        })
        .await
        .unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let (mut total, mut open) = (0, 0);
    for (writer, task) in writers.into_iter().enumerate() {
        let [acknowledged, unknown] = task.await.unwrap();
        let mut found = Vec::new();
        for part in ["a", "m", "z"] {
            let prefix = format!("{part}/{writer}/");
            let page = storage.scan(&prefix, None, usize::MAX).await.unwrap();
            found.push(page.iter().map(|entry| entry.key[prefix.len()..].parse().unwrap()).collect::<BTreeSet<u64>>());
        }
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "a batch of writer {writer} is half there");
        assert!(acknowledged.is_subset(&found[0]), "lost commits of writer {writer}");
        assert!(found[0].iter().all(|number| acknowledged.contains(number) || unknown.contains(number)));
        total += acknowledged.len();
        open += unknown.len();
    }
    assert!(open < total / 10, "the outcome of {open} commits was not found out");
    format!("{rounds} kills, {total} acknowledged commits, none lost; of {open} the outcome was not known")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_commit_is_lost_doubled_or_half_there_when_the_only_member_is_killed() {
    println!("{}", storm(Etcd::start(), 1, 10).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_three_that_loses_one_member_after_the_other_goes_on() {
    println!("{}", storm(Etcd::start_with(3, &[]), 3, 6).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_were_not_named_are_found_and_used() {
    let mut etcd = Etcd::start_with(3, &[]);
    let storage = EtcdStorage::open(&stanza(&etcd).with("address", etcd.address(0))).await.unwrap();
    let alone = EtcdStorage::open(&stanza(&etcd).with("address", etcd.address(0)).with("sync", "false")).await.unwrap();
    etcd.kill(0);
    storage.commit(Batch::new().put("k", "v")).await.unwrap();
    let error = alone.get("k").await.unwrap_err().to_string();
    assert!(error.contains("etcd does not answer") && error.contains(&etcd.address(0)), "{error}");
}
