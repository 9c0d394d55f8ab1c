//! TTL arithmetic, which leases and tokens share.
use jiff::Timestamp;
use lessor_engine::{Error, Result, duration::short_string};
use std::time::Duration;

/// What bounds a TTL.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bounds {
    /// What the caller asked for.
    pub wanted: Option<Duration>,
    /// What the role says.
    pub role: Option<Duration>,
    /// The mount's default.
    pub default: Duration,
    /// Upper bound by the role.
    pub role_max: Option<Duration>,
    /// Upper bound by the mount.
    pub max: Duration,
    /// An upper bound that was fixed at the start and does not follow the mount.
    pub explicit_max: Option<Duration>,
    /// Replaces every TTL; only `explicit_max` ends it.
    pub period: Option<Duration>,
}

/// A TTL in whole seconds and what the caller should be told about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ttl {
    /// From now.
    pub ttl: Duration,
    /// That it was capped.
    pub warning: Option<String>,
}

/// The TTL that counts from `now` for what began at `start`.
///
/// # Errors
/// When nothing is left below the upper bound.
pub fn effective(bounds: &Bounds, start: Timestamp, now: Timestamp) -> Result<Ttl> {
    let mut max = bounds.max;
    for bound in [bounds.role_max, bounds.explicit_max].into_iter().flatten().filter(|bound| !bound.is_zero()) {
        max = max.min(bound);
    }
    let age = Duration::try_from(now.duration_since(start)).unwrap_or_default();
    let (mut wanted, left) = match bounds.period.filter(|period| !period.is_zero()) {
        Some(period) => (period.min(bounds.max), bounds.explicit_max.map(|bound| bound.saturating_sub(age))),
        None => {
            let set = [bounds.wanted, bounds.role].into_iter().flatten().find(|ttl| !ttl.is_zero());
            (set.unwrap_or(bounds.default), Some(max.saturating_sub(age)))
        }
    };
    let mut warning = None;
    if let Some(left) = left {
        if left.as_secs() == 0 {
            return Err(Error::invalid("past the max TTL, cannot renew"));
        }
        if wanted > left {
            warning = Some(format!(
                "TTL of \"{}\" exceeded the effective max_ttl of \"{}\"; TTL value is capped accordingly",
                short_string(wanted),
                short_string(Duration::from_secs(left.as_secs()))
            ));
            wanted = left;
        }
    }
    // The default is not what anybody asked for: capping it surprises nobody.
    if bounds.wanted.is_none() && bounds.role.is_none() {
        warning = None;
    }
    if let Some(period) = bounds.period.filter(|period| *period > bounds.max) {
        warning = Some(format!(
            "period of \"{}\" exceeded the effective max_ttl of \"{}\"; period value is capped accordingly",
            short_string(period),
            short_string(bounds.max)
        ));
    }
    Ok(Ttl { ttl: Duration::from_secs(wanted.as_secs().max(1)), warning })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }
    fn bounds() -> Bounds {
        Bounds { default: seconds(600), max: seconds(3600), ..Bounds::default() }
    }
    fn at(start: u64, bounds: &Bounds) -> Result<Ttl> {
        effective(bounds, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + seconds(start))
    }

    #[test]
    fn the_caller_comes_before_the_role_and_the_role_before_the_mount() {
        assert_eq!(at(0, &bounds()).unwrap().ttl, seconds(600));
        assert_eq!(at(0, &Bounds { role: Some(seconds(60)), ..bounds() }).unwrap().ttl, seconds(60));
        let both = Bounds { role: Some(seconds(60)), wanted: Some(seconds(30)), ..bounds() };
        assert_eq!(at(0, &both).unwrap().ttl, seconds(30));
    }

    #[test]
    fn the_maximum_counts_from_the_start_and_capping_is_told() {
        let capped = at(3000, &Bounds { wanted: Some(seconds(7200)), ..bounds() }).unwrap();
        assert_eq!(capped.ttl, seconds(600));
        let warning = capped.warning.unwrap();
        assert!(warning.starts_with("TTL of \"2h\" exceeded the effective max_ttl of \"10m\""), "{warning}");
        assert_eq!(at(3600, &bounds()).unwrap_err().to_string(), "past the max TTL, cannot renew");
    }

    #[test]
    fn a_period_is_bound_by_the_explicit_maximum_only() {
        let periodic = Bounds { period: Some(seconds(100)), ..bounds() };
        assert_eq!(at(100_000, &periodic).unwrap().ttl, seconds(100));
        let explicit = Bounds { explicit_max: Some(seconds(150)), ..periodic };
        assert_eq!(at(100, &explicit).unwrap().ttl, seconds(50));
    }

    #[test]
    fn a_period_beyond_the_mounts_maximum_is_cut_and_that_is_told() {
        let long = at(0, &Bounds { period: Some(seconds(7200)), ..bounds() }).unwrap();
        assert_eq!(long.ttl, seconds(3600));
        let told = "period of \"2h\" exceeded the effective max_ttl of \"1h\"; period value is capped accordingly";
        assert_eq!(long.warning.as_deref(), Some(told));
    }
}
