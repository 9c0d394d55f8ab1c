//! kill -9 in a storm of requests: what lives on the platform and what is leased match again soon after the restart.
use crate::lessor::Lessor;
use crate::postgresql::{configure, role};
use crate::targets::postgres::Postgres;
use lessor_client::Request;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 16;

/// Twenty where the heavy tests run, a few where every minute counts.
fn rounds() -> usize {
    std::env::var("LESSOR_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

async fn leases(lessor: &Lessor) -> usize {
    match lessor.send(Request::list("sys/leases/lookup/team/db/creds/app")).await {
        Ok(answer) => answer["data"]["keys"].as_array().map_or(0, Vec::len),
        Err(_) => 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_account_without_a_lease() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = Postgres::start();
    let mut lessor = Lessor::initialised(directory.path()).await;
    configure(&lessor, &postgres).await;
    role(&lessor, "app", "1h").await;
    for round in 0..rounds() {
        let client = Arc::new(lessor.client());
        let handed_out = Arc::new(AtomicUsize::new(0));
        let storm: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (client, handed_out) = (Arc::clone(&client), Arc::clone(&handed_out));
                tokio::spawn(async move {
                    let mut answers: Vec<Value> = Vec::new();
                    while let Ok(answer) = client.send(Request::get("team/db/creds/app")).await {
                        answers.push(answer.json.unwrap_or_default());
                        handed_out.fetch_add(1, Ordering::Relaxed);
                    }
                    answers
                })
            })
            .collect();
        let end = Instant::now() + Duration::from_secs(60);
        while handed_out.load(Ordering::Relaxed) == 0 {
            assert!(Instant::now() < end, "round {round}: the storm does not begin");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // In the middle of it, at another moment each time.
        tokio::time::sleep(Duration::from_millis(500 + 37 * round as u64)).await;
        lessor = lessor.kill_and_restart().await;
        let mut answered = 0;
        for client in storm {
            answered += client.await.unwrap().len();
        }
        assert!(answered > 0, "round {round}: the storm was a calm");
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let (made, leased) = (postgres.made().len(), leases(&lessor).await);
            if made == leased {
                assert!(made >= answered, "round {round}: {answered} were handed out, {made} are left");
                break;
            }
            assert!(Instant::now() < end, "round {round}: {made} accounts, {leased} leases");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        // The next round begins with an empty platform.
        let prefix = Request::put("sys/leases/revoke-prefix/team/db", serde_json::json!({ "sync": true }));
        lessor.send(prefix).await.unwrap();
        assert!(postgres.made().is_empty(), "round {round}");
    }
}
