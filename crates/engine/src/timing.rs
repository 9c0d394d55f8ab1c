//! When a secret is due: every so often, or by a cron schedule with a window.
use crate::schedule::Cron;
use crate::{Error, Result, Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;

const SHORTEST_WINDOW: u64 = 3600;

/// At most one of period and schedule is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Seconds between rotations; 0 is none.
    pub period: u64,
    /// Five-field cron text; empty is none.
    pub schedule: String,
    /// Seconds after a slot in which it may still be caught up; 0 is no bound.
    pub window: u64,
}

/// What a request says about it.
pub struct Asked<'a> {
    /// `rotation_period`.
    pub period: Option<Seconds>,
    /// `rotation_schedule`.
    pub schedule: Option<&'a str>,
    /// `rotation_window`.
    pub window: Option<Seconds>,
}

impl Timing {
    /// Whether anything is scheduled at all.
    pub fn is_set(&self) -> bool {
        self.period > 0 || !self.schedule.is_empty()
    }
    /// Takes over what a request says; `shortest` is the least period.
    ///
    /// # Errors
    /// When both are asked for, one is out of range, or the schedule cannot be read.
    pub fn update(&mut self, asked: &Asked<'_>, shortest: u64) -> Result<()> {
        let period = asked.period.map(|seconds| seconds.0);
        let schedule = asked.schedule.map(str::trim);
        if period.is_some_and(|p| p > 0) && schedule.is_some_and(|s| !s.is_empty()) {
            return Err(Error::invalid(
                "mutually exclusive fields rotation_period and rotation_schedule were both specified; only one of them can be provided",
            ));
        }
        if let Some(period) = period {
            if period > 0 && period < shortest {
                return Err(Error::invalid(format!("rotation_period must be {shortest} seconds or more")));
            }
            self.period = period;
            if period > 0 {
                self.schedule.clear();
                self.window = 0;
            }
        }
        if let Some(schedule) = schedule {
            if !schedule.is_empty() {
                Cron::parse(schedule)
                    .map_err(|why| Error::invalid(format!("could not parse rotation_schedule: {why}")))?;
                self.period = 0;
            }
            schedule.clone_into(&mut self.schedule);
        }
        if let Some(Seconds(window)) = asked.window {
            if window > 0 && self.schedule.is_empty() {
                return Err(Error::invalid("rotation_window is invalid with use of rotation_period"));
            }
            if window > 0 && window < SHORTEST_WINDOW {
                return Err(Error::invalid(format!("rotation_window must be {SHORTEST_WINDOW} seconds or more")));
            }
            self.window = window;
        }
        Ok(())
    }
    /// The next due moment after a rotation at `last`, seen from `now`. It lies in the past where a slot was missed
    /// and may still be caught up.
    pub fn next(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        if self.period > 0 {
            return last.checked_add(Duration::from_secs(self.period)).ok();
        }
        // It was parsed when it was written.
        let cron = Cron::parse(&self.schedule).ok()?;
        let slot = cron.after(last)?;
        if slot > now || self.window == 0 {
            return Some(slot);
        }
        let within = i64::try_from(self.window).unwrap_or(i64::MAX / 2);
        cron.last_within(now, within).filter(|slot| *slot > last).or_else(|| cron.after(now))
    }
    /// As read back: whichever of the two is set.
    pub fn show(&self, into: &mut Map<String, Value>) {
        if self.schedule.is_empty() {
            into.insert("rotation_period".to_owned(), json!(self.period));
        } else {
            into.insert("rotation_schedule".to_owned(), json!(self.schedule));
            if self.window > 0 {
                into.insert("rotation_window".to_owned(), json!(self.window));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }
    fn asked(period: Option<u64>, schedule: Option<&str>, window: Option<u64>) -> Asked<'_> {
        Asked { period: period.map(Seconds), schedule, window: window.map(Seconds) }
    }

    #[test]
    fn setting_one_clears_the_other() {
        let mut timing = Timing::default();
        timing.update(&asked(None, Some("0 * * * *"), Some(3600)), 5).unwrap();
        timing.update(&asked(Some(60), None, None), 5).unwrap();
        assert_eq!(timing, Timing { period: 60, schedule: String::new(), window: 0 });
        assert!(timing.update(&asked(Some(60), Some("0 * * * *"), None), 5).is_err());
        assert!(timing.update(&asked(Some(4), None, None), 5).is_err());
        assert!(timing.update(&asked(None, None, Some(3600)), 5).is_err());
        assert!(timing.update(&asked(None, Some("nonsense"), None), 5).is_err());
    }

    #[test]
    fn a_slot_missed_by_more_than_the_window_is_skipped() {
        let timing = Timing { period: 0, schedule: "0 0 * * *".to_owned(), window: 3600 };
        let last = at("2026-11-23T00:00:30Z");
        assert_eq!(timing.next(last, at("2026-11-23T12:00:00Z")), Some(at("2026-11-24T00:00:00Z")));
        assert_eq!(timing.next(last, at("2026-11-24T00:30:00Z")), Some(at("2026-11-24T00:00:00Z")));
        assert_eq!(timing.next(last, at("2026-11-24T02:30:00Z")), Some(at("2026-11-25T00:00:00Z")));
        let unbounded = Timing { window: 0, ..timing };
        assert_eq!(unbounded.next(last, at("2026-11-24T02:30:00Z")), Some(at("2026-11-24T00:00:00Z")));
    }
}
