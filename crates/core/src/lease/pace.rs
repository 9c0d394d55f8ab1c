//! Commits of concurrent issues leave together, so that they share a flush.
//!
//! Where the platform is slow (a PostgreSQL that computes 4096 rounds per password), requests spread out, every commit
//! is alone in its flush, and flushes take processor time from the platform that shares the machine. So commits wait
//! for the next of a row of beats. The beat is a small share of what making a credential takes: a fast platform and a
//! lone client have none.
use crate::keys::Target;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A beat is this part of the average creation, and no longer than [`LONGEST`].
const PART: u32 = 8;
const LONGEST: Duration = Duration::from_millis(5);
/// Below what the timer can tell apart, there is no beat.
const SHORTEST: Duration = Duration::from_millis(1);

/// The beats of a node, one for each platform, so that a slow one does not hold up another. As many as there are
/// platforms configured.
#[derive(Default)]
pub struct Paces {
    map: Mutex<HashMap<Target, Arc<Pace>>>,
}

impl Paces {
    /// The beat of a platform.
    pub fn of(&self, target: &Target) -> Arc<Pace> {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = map.get(target) {
            return Arc::clone(pace);
        }
        Arc::clone(map.entry(target.clone()).or_default())
    }
}

/// The beat of one platform.
pub struct Pace {
    began: Instant,
    /// Moving average of how long creations take, in microseconds.
    average: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { began: Instant::now(), average: AtomicU64::new(0) }
    }
}

impl Pace {
    /// Takes a creation into the average.
    pub fn note(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX / 8);
        let old = self.average.load(Ordering::Relaxed);
        // Two that are noted at once may lose one of them; an average does not mind.
        self.average.store((old * 7 + took) / 8, Ordering::Relaxed);
    }
    fn beat(&self) -> Option<Duration> {
        let beat = Duration::from_micros(self.average.load(Ordering::Relaxed)) / PART;
        (beat >= SHORTEST).then(|| beat.min(LONGEST))
    }
    /// Waits for the next beat, if there is one.
    pub async fn wait(&self) {
        let Some(beat) = self.beat() else { return };
        let since = self.began.elapsed().as_nanos();
        let left = beat.as_nanos() - since % beat.as_nanos();
        tokio::time::sleep(Duration::from_nanos(u64::try_from(left).unwrap_or_default())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn commits_wait_for_a_part_of_a_slow_creation_and_not_at_all_for_a_fast_one() {
        let pace = Pace::default();
        for (took, most) in [(2, 0), (24, 3), (4000, 5)] {
            for _ in 0..100 {
                pace.note(Duration::from_millis(took));
            }
            let begun = Instant::now();
            pace.wait().await;
            // The timer rounds up to whole milliseconds.
            assert!(begun.elapsed() <= Duration::from_millis(most + 1), "{took}: {:?}", begun.elapsed());
            assert!(most > 0 || begun.elapsed().is_zero());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_wait_leave_at_the_same_time() {
        let pace = Pace::default();
        (0..100).for_each(|_| pace.note(Duration::from_millis(40)));
        let waited = |after| {
            let pace = &pace;
            async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                pace.wait().await;
                Instant::now()
            }
        };
        let (first, second) = tokio::join!(waited(1), waited(3));
        assert_eq!(first, second);
    }
}
