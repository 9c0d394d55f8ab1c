//! A writing process is killed two hundred times: what was acknowledged is there, and no batch is half there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(clippy::disallowed_methods, reason = "the test waits on its own thread for a process")]
use lessor_storage::{Batch, EmbeddedStorage, Storage};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const DIRECTORY: &str = "LESSOR_CRASH_DIRECTORY";
const ROUND: &str = "LESSOR_CRASH_ROUND";
const ROUNDS: u64 = 200;
const WRITERS: u64 = 8;
/// Keys of one batch, far apart from each other in the store.
const PARTS: [&str; 3] = ["a", "m", "z"];

fn key(part: &str, writer: u64, round: u64, number: u64) -> String {
    format!("{part}/{writer}/{round:04}/{number:08}")
}

fn head(writer: u64) -> String {
    format!("head/{writer}")
}

/// Not a test: the process that is killed. Each acknowledged batch is a line on stdout.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test below, in a process of its own"]
async fn writer() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let round: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let storage = Arc::new(EmbeddedStorage::open(Path::new(&directory)).unwrap());
    let writers = (0..WRITERS).map(|writer| {
        let storage = Arc::clone(&storage);
        tokio::spawn(async move {
            for number in 0.. {
                let mut batch = Batch::new().put(head(writer), format!("{round} {number}"));
                for part in PARTS {
                    batch = batch.put(key(part, writer, round, number), vec![b'x'; 300]);
                }
                storage.commit(batch).await.unwrap();
                let line = format!("ack {writer} {number}\n");
                std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
            }
        })
    });
    futures::future::join_all(writers).await;
}

/// Lets the writer run for a moment and kills it; the last acknowledged number of each writer.
fn run_and_kill(directory: &Path, round: u64) -> BTreeMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "writer", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let (first, begun) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut acknowledged = BTreeMap::new();
        for line in lines.lines().map_while(Result::ok) {
            let Some(ack) = line.split_once("ack ").map(|(_, ack)| ack) else { continue };
            // The last line may be cut off in the middle of a number.
            let mut words = ack.split(' ').map(str::parse::<u64>);
            if let (Some(Ok(writer)), Some(Ok(number))) = (words.next(), words.next()) {
                acknowledged.insert(writer, number);
                let _ = first.send(());
            }
        }
        acknowledged
    });
    begun.recv_timeout(Duration::from_secs(30)).expect("the writer never acknowledged anything");
    // Every round at another point of the writer's life.
    std::thread::sleep(Duration::from_micros(round * 7919 % 40_000));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Batches of that round that are there, by writer; each has to be whole.
async fn survivors(storage: &EmbeddedStorage, writer: u64, round: u64) -> Vec<u64> {
    let mut found: Vec<Vec<u64>> = Vec::new();
    for part in PARTS {
        let prefix = format!("{part}/{writer}/{round:04}/");
        let page = storage.scan(&prefix, None, usize::MAX >> 1).await.unwrap();
        assert!(page.iter().all(|entry| entry.value == vec![b'x'; 300]), "a damaged value below {prefix}");
        found.push(page.iter().map(|entry| entry.key[prefix.len()..].parse().unwrap()).collect());
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "round {round}: a batch of writer {writer} is half there");
    found.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_commit_is_lost_and_no_batch_is_half_there_after_200_kills() {
    let directory = tempfile::tempdir().unwrap();
    let mut total = 0;
    for round in 0..ROUNDS {
        let path = directory.path().to_owned();
        let acknowledged = tokio::task::spawn_blocking(move || run_and_kill(&path, round)).await.unwrap();
        let storage = EmbeddedStorage::open(directory.path()).unwrap();
        for (writer, last) in acknowledged {
            let there = survivors(&storage, writer, round).await;
            assert!(
                there.iter().copied().take(usize::try_from(last).unwrap() + 1).eq(0..=last),
                "round {round}: lost commits of writer {writer}"
            );
            // One batch may have been on its way.
            assert!(there.len() as u64 <= last + 2, "round {round}: more batches than were sent");
            let entry = storage.get(&head(writer)).await.unwrap().unwrap();
            let text = String::from_utf8(entry.value).unwrap();
            let newest = there.last().unwrap();
            assert_eq!(text, format!("{round} {newest}"), "the head of writer {writer} is of another batch");
            total += last + 1;
        }
    }
    assert!(total > ROUNDS, "hardly anything was written: {total} commits");
    println!("{ROUNDS} kills, {total} acknowledged commits, none lost");
}
