//! When a failed revocation is tried again: soon, then at a falling rate, for as long as it takes.
use rand::Rng;
use std::time::Duration;

/// Failed attempts after which a lease is also listed as irrevocable.
pub const ATTEMPTS: u32 = 6;

/// The longest wait between two attempts.
pub const SLOWEST: Duration = Duration::from_secs(3600);

/// The wait after failure number `attempt` (from 1): 20 s, doubled each time, give or take half, up to an hour.
pub fn wait(attempt: u32) -> Duration {
    let nominal = Duration::from_secs(10).saturating_mul(1 << attempt.clamp(1, 20));
    nominal.min(SLOWEST).mul_f64(rand::rng().random_range(0.5..1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_at_an_hour() {
        for (attempt, nominal) in [(1, 20), (2, 40), (5, 320), (12, 3600), (1000, 3600)] {
            let seconds = wait(attempt).as_secs_f64();
            assert!((f64::from(nominal) * 0.5..f64::from(nominal) * 1.5).contains(&seconds), "{attempt}: {seconds}");
        }
    }
}
