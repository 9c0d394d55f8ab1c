//! The cluster's time: that of the node whose clock is slowest, so that nobody ends a lease before the node that made it
//! would.
use jiff::Timestamp;
use lessor_engine::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The most that clocks may differ by.
pub const TOLERATED: Duration = Duration::from_secs(5);
/// What a difference may be wrong by: records are read a little after they were written.
pub(super) const UNSURE: Duration = Duration::from_millis(500);
/// Differences below this are not told from the age of a record.
const NOISE: i64 = 250;

/// A clock that is held back by what it is ahead of the others.
pub struct ClusterClock {
    own: Arc<dyn Clock>,
    behind: AtomicI64,
}

impl ClusterClock {
    /// Not held back.
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, behind: AtomicI64::new(0) }
    }
    /// This machine's time.
    pub fn own(&self) -> Timestamp {
        self.own.now()
    }
    /// Keeps to the slowest of the others; `ahead` are the milliseconds by which each is ahead of this machine.
    pub(super) fn keep_to(&self, ahead: impl Iterator<Item = i64>) {
        let slowest = ahead.filter(|ahead| *ahead < -NOISE).min().unwrap_or(0);
        self.behind.store(-slowest, Ordering::Release);
    }
}

impl Clock for ClusterClock {
    fn now(&self) -> Timestamp {
        let behind = self.behind.load(Ordering::Acquire);
        self.own.now() - Duration::from_millis(u64::try_from(behind).unwrap_or_default())
    }
}

/// Whether a difference (milliseconds) is too large to serve beside the other node.
pub(super) fn is_too_far(ahead: i64) -> bool {
    u128::from(ahead.unsigned_abs()) > (TOLERATED + UNSURE).as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1000).unwrap()
        }
    }

    #[test]
    fn a_fast_clock_keeps_to_the_slowest_and_a_slow_one_to_itself() {
        let clock = ClusterClock::new(Arc::new(Fixed));
        clock.keep_to([3000, -2000, -100].into_iter());
        assert_eq!(clock.now(), Timestamp::from_second(998).unwrap());
        clock.keep_to([3000].into_iter());
        assert_eq!(clock.now(), Timestamp::from_second(1000).unwrap());
    }

    #[test]
    fn five_seconds_are_tolerated() {
        assert!(!is_too_far(5000) && !is_too_far(-5000) && !is_too_far(5500));
        assert!(is_too_far(5501) && is_too_far(-5600));
    }
}
