use super::*;
use jiff::Timestamp;
use lessor_engine::Clock;
use lessor_engine::clock::TokioClock;
use lessor_storage::MemoryStorage;

/// A clock that is wrong by so many seconds.
struct Wrong(TokioClock, i64);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        self.0.now() + jiff::SignedDuration::from_secs(self.1)
    }
}

fn node(storage: &MemoryStorage, clock: TokioClock, wrong: i64, name: &str) -> Arc<Cluster> {
    let clock = Arc::new(ClusterClock::new(Arc::new(Wrong(clock, wrong))));
    let me = Member {
        id: name.to_owned(),
        name: name.to_owned(),
        api_addr: format!("https://{name}:8200"),
        version: String::new(),
        joined: clock.own(),
        wall: clock.own(),
        leases: std::collections::BTreeMap::new(),
    };
    Arc::new(Cluster::new(Arc::new(storage.clone()), clock, me))
}

/// Joins and goes on beating.
async fn live(node: &Arc<Cluster>) -> Result<()> {
    node.join().await?;
    let node = Arc::clone(node);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(BEAT).await;
            node.beat().await.unwrap();
        }
    });
    Ok(())
}

fn start() -> (MemoryStorage, TokioClock) {
    (MemoryStorage::shared(), TokioClock::starting_at("2026-11-01T00:00:00Z".parse().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_far_off_is_refused_with_what_is_wrong_and_beside_whom() {
    let (storage, clock) = start();
    live(&node(&storage, clock, 0, "right")).await.unwrap();
    for (wrong, way) in [(8, "8 s ahead of"), (-8, "8 s behind")] {
        let refused = node(&storage, clock, wrong, "wrong").join().await.unwrap_err().to_string();
        assert!(refused.contains(&format!("the clock of this machine is {way} that of node right")), "{refused}");
        assert!(refused.contains("https://right:8200") && refused.contains("set it right"), "{refused}");
    }
    live(&node(&storage, clock, 5, "tolerated")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_three_the_one_whose_clock_jumps_stops_serving_until_it_is_right_again() {
    let (storage, clock) = start();
    let jump = Arc::new(std::sync::atomic::AtomicI64::new(0));
    struct Jumps(TokioClock, Arc<std::sync::atomic::AtomicI64>);
    impl Clock for Jumps {
        fn now(&self) -> Timestamp {
            let seconds = self.1.load(std::sync::atomic::Ordering::SeqCst);
            self.0.now() + jiff::SignedDuration::from_secs(seconds)
        }
    }
    let time = Arc::new(ClusterClock::new(Arc::new(Jumps(clock, Arc::clone(&jump)))));
    let me = node(&storage, clock, 0, "first").state().me.clone();
    let first = Arc::new(Cluster::new(Arc::new(storage.clone()), time, me));
    let (second, third) = (node(&storage, clock, 0, "second"), node(&storage, clock, 0, "third"));
    for node in [&first, &second, &third] {
        live(node).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    jump.store(60, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(first.refused().unwrap().contains(" s ahead of"));
    assert!(second.refused().is_none() && third.refused().is_none());
    assert_eq!((first.owned().len(), second.owned().len() + third.owned().len()), (0, 16));
    jump.store(0, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(first.refused().is_none());
    assert!(first.owned().len() >= 5);
}
