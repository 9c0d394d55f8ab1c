//! One server at a time on a storage.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
use lessor_storage::alone::{Claim, Terms, enter};
use lessor_storage::{Batch, Error, MemoryStorage, Result, Storage};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TERMS: Terms = Terms {
    renew: Duration::from_secs(1),
    lasts: Duration::from_secs(3),
    wait: Duration::from_secs(5),
    give_up: Duration::from_secs(20),
};

#[derive(Clone)]
enum Answer {
    Held,
    Other,
    Away,
}

#[derive(Clone)]
struct Told(Arc<Mutex<Answer>>);

impl Told {
    fn new(answer: Answer) -> Self {
        Self(Arc::new(Mutex::new(answer)))
    }
    fn say(&self, answer: Answer) {
        *self.0.lock().unwrap() = answer;
    }
}

#[async_trait::async_trait]
impl Claim for Told {
    async fn hold(&self) -> Result<Option<String>> {
        match self.0.lock().unwrap().clone() {
            Answer::Held => Ok(None),
            Answer::Other => Ok(Some("process 7 on b".to_owned())),
            Answer::Away => Err(Error::Unavailable("gone".to_owned())),
        }
    }
    async fn release(&self) {}
}

fn storage() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::new())
}

#[tokio::test(start_paused = true)]
async fn a_second_server_waits_a_while_and_is_then_told_who_is_there() {
    let told = Told::new(Answer::Other);
    let error = enter(storage(), Arc::new(told.clone()), TERMS).await.err().unwrap().to_string();
    assert!(error.contains("another server (process 7 on b) works on this storage"), "{error}");
    let (entered, ()) = tokio::join!(enter(storage(), Arc::new(told.clone()), TERMS), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        told.say(Answer::Held);
    });
    entered.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_wait_while_the_right_is_in_doubt_and_go_on_when_it_is_back() {
    let told = Told::new(Answer::Held);
    let (door, mut alone) = enter(storage(), Arc::new(told.clone()), TERMS).await.unwrap();
    door.commit(Batch::new().put("k", "1")).await.unwrap();
    told.say(Answer::Away);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (written, ()) = tokio::join!(door.commit(Batch::new().put("k", "2")), async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        told.say(Answer::Held);
    });
    written.unwrap();
    told.say(Answer::Away);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let error = door.commit(Batch::new().put("k", "3")).await.unwrap_err().to_string();
    assert!(error.contains("in doubt"), "{error}");
    assert!(alone.lost().await.contains("could not be renewed: storage failed: gone"));
}

#[tokio::test(start_paused = true)]
async fn a_right_that_somebody_else_took_is_lost_at_once() {
    let told = Told::new(Answer::Held);
    let (door, mut alone) = enter(storage(), Arc::new(told.clone()), TERMS).await.unwrap();
    told.say(Answer::Other);
    assert!(alone.lost().await.contains("has taken the storage over"));
    door.get("k").await.unwrap_err();
}
