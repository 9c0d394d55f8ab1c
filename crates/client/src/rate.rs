//! How often a client may ask: a bucket that fills by time, so that no server's quota has to say no.
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many requests per second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    per_second: f64,
    burst: u32,
}

impl RateLimit {
    /// Reads `rate` or `rate:burst` as `VAULT_RATE_LIMIT` has it; without a burst it is the rate's whole part.
    /// `None` where the text is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rate, burst) = text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let per_second: f64 = rate.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)?;
        let burst = match burst {
            Some(burst) => burst.parse().ok()?,
            // The whole part of a rate beyond u32 would never be used up.
            None => per_second.min(f64::from(u32::MAX)) as u32,
        };
        Some(Self { per_second, burst: burst.max(1) })
    }
}

/// What is left in the bucket, as of when.
#[derive(Debug)]
pub(crate) struct Bucket {
    limit: RateLimit,
    left: Mutex<Option<(f64, Instant)>>,
}

impl Bucket {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self { limit, left: Mutex::new(None) }
    }
    /// Takes one request out; waits until it is there.
    pub(crate) async fn take(&self) {
        tokio::time::sleep(self.owed(Instant::now())).await;
    }
    /// Whoever comes while the bucket is empty owes it time, one after the other.
    fn owed(&self, now: Instant) -> Duration {
        let full = f64::from(self.limit.burst);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (had, then) = left.unwrap_or((full, now));
        let filled = (had + now.duration_since(then).as_secs_f64() * self.limit.per_second).min(full) - 1.0;
        *left = Some((filled, now));
        Duration::from_secs_f64((-filled).max(0.0) / self.limit.per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_with_and_without_a_burst() {
        assert_eq!(RateLimit::parse("2.5"), Some(RateLimit { per_second: 2.5, burst: 2 }));
        assert_eq!(RateLimit::parse("0.5:10"), Some(RateLimit { per_second: 0.5, burst: 10 }));
        for wrong in ["", "x", "5:x", "5:1:1", "-5", "0", "inf", "5:-1"] {
            assert_eq!(RateLimit::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_what_follows_at_the_rate() {
        let bucket = Bucket::new(RateLimit { per_second: 10.0, burst: 3 });
        let begun = Instant::now();
        for _ in 0..13 {
            bucket.take().await;
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(995) && took <= Duration::from_millis(1020), "{took:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let rested = Instant::now();
        for _ in 0..3 {
            bucket.take().await;
        }
        assert_eq!(rested.elapsed(), Duration::ZERO);
    }
}
