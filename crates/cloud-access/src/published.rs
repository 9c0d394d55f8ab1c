//! What a platform publishes for everybody, such as the keys it signs with: fetched once, kept as long as the answer says,
//! and fetched again when a token names a key that is not among them, because platforms sign with new keys before
//! everybody has heard of them. That at most every ten seconds, since anybody may send such a token.
use lessor_engine::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Where the answer does not say.
const USUAL: Duration = Duration::from_secs(3600);
/// However long the answer says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Between two fetches.
const BETWEEN: Duration = Duration::from_secs(10);

struct Held<T> {
    /// Where it comes from; elsewhere there is something else.
    from: String,
    value: Arc<T>,
    until: Timestamp,
    asked: Timestamp,
}

/// One published document, once it was needed.
pub struct Published<T>(Mutex<Option<Held<T>>>);

impl<T> Default for Published<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    now.saturating_add(time).unwrap_or(now)
}

impl<T> Published<T> {
    /// What stands at `from`, as it is kept if it `suits`, else as `fetch` finds it, with the time it may be kept.
    ///
    /// # Errors
    /// What fetching fails with, where there is nothing fresh to fall back on.
    pub async fn get<E>(
        &self,
        from: &str,
        now: Timestamp,
        suits: impl Fn(&T) -> bool,
        fetch: impl Future<Output = Result<(T, Option<Duration>), E>>,
    ) -> Result<Arc<T>, E> {
        // Held while there is nothing good: those who come meanwhile want the same answer.
        let mut held = self.0.lock().await;
        let known = held.as_mut().filter(|held| held.from == from);
        if let Some(known) = known {
            let just_asked = now < after(known.asked, BETWEEN);
            if just_asked || (now < known.until && suits(&known.value)) {
                return Ok(Arc::clone(&known.value));
            }
            if now < known.until {
                // Still good, though it does not suit. Whoever it suits does not wait: a made-up key's name is no way to
                // hold up others while the platform is slow.
                known.asked = now;
                let value = Arc::clone(&known.value);
                drop(held);
                let Ok(fetched) = fetch.await else { return Ok(value) };
                return Ok(keep(&mut *self.0.lock().await, from, now, fetched));
            }
        }
        let fetched = fetch.await?;
        Ok(keep(&mut held, from, now, fetched))
    }
}

fn keep<T>(held: &mut Option<Held<T>>, from: &str, now: Timestamp, fetched: (T, Option<Duration>)) -> Arc<T> {
    let (value, fresh) = fetched;
    let value = Arc::new(value);
    let until = after(now, fresh.unwrap_or(USUAL).min(LONGEST));
    *held = Some(Held { from: from.to_owned(), value: Arc::clone(&value), until, asked: now });
    value
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Source {
        published: Published<u32>,
        fetched: AtomicU32,
        fresh: Option<Duration>,
        down: bool,
    }

    impl Source {
        fn new(fresh: Option<u64>) -> Self {
            let fresh = fresh.map(Duration::from_secs);
            Self { published: Published::default(), fetched: AtomicU32::new(0), fresh, down: false }
        }
        async fn at(&self, second: i64, suits: bool) -> Result<u32, ()> {
            let fetch = async {
                let count = self.fetched.fetch_add(1, Ordering::SeqCst) + 1;
                if self.down { Err(()) } else { Ok((count, self.fresh)) }
            };
            let now = Timestamp::from_second(1_000_000 + second).unwrap();
            self.published.get("x", now, |_| suits, fetch).await.map(|value| *value)
        }
    }

    #[tokio::test]
    async fn it_is_fetched_again_when_the_answers_time_is_over() {
        let source = Source::new(Some(100));
        assert_eq!(source.at(0, true).await, Ok(1));
        assert_eq!(source.at(99, true).await, Ok(1));
        assert_eq!(source.at(101, true).await, Ok(2));
        let silent = Source::new(None);
        assert_eq!(silent.at(0, true).await, Ok(1));
        assert_eq!(silent.at(3599, true).await, Ok(1));
        assert_eq!(silent.at(3601, true).await, Ok(2));
        let endless = Source::new(Some(u64::MAX));
        assert_eq!(endless.at(0, true).await, Ok(1));
        assert_eq!(endless.at(24 * 3600 + 1, true).await, Ok(2));
    }

    #[tokio::test]
    async fn strangers_keys_cause_one_fetch_in_ten_seconds() {
        let source = Source::new(Some(1000));
        assert_eq!(source.at(0, true).await, Ok(1));
        for second in 1..10 {
            assert_eq!(source.at(second, false).await, Ok(1));
        }
        assert_eq!(source.at(11, false).await, Ok(2));
        assert_eq!(source.at(12, false).await, Ok(2));
    }

    #[tokio::test]
    async fn whom_it_suits_does_not_wait_for_a_strangers_fetch() {
        let source = Source::new(Some(1000));
        assert_eq!(source.at(0, true).await, Ok(1));
        let now = Timestamp::from_second(1_000_020).unwrap();
        let slow = source.published.get("x", now, |_| false, std::future::pending::<Result<_, ()>>());
        tokio::select! {
            biased;
            _ = slow => panic!("it never ends"),
            found = source.at(20, true) => assert_eq!(found, Ok(1)),
        }
    }

    #[tokio::test]
    async fn what_is_fresh_stays_while_the_platform_is_down_and_not_longer() {
        let mut source = Source::new(Some(100));
        assert_eq!(source.at(0, true).await, Ok(1));
        source.down = true;
        assert_eq!(source.at(50, false).await, Ok(1));
        assert_eq!(source.at(55, false).await, Ok(1));
        assert_eq!(source.fetched.load(Ordering::SeqCst), 2, "once in ten seconds while it is down, too");
        assert_eq!(source.at(101, true).await, Err(()));
    }
}
