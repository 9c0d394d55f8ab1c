//! Five-field cron schedules in UTC.
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

/// A parsed schedule: minute, hour, day of month, month, day of week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    // As in cron: when both day fields are restricted, either of them is enough.
    either_day: bool,
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// The longest wait between two matches is that for a 29th of February over a century without one.
const HORIZON_DAYS: i32 = 366 * 9;

impl Cron {
    /// Parses `minute hour day-of-month month day-of-week`.
    ///
    /// # Errors
    /// A sentence that names the field that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!("expected five fields (minute hour day month weekday), found {}", fields.len()));
        };
        let mut weekdays = set("weekday", weekday, 0, 7, &WEEKDAYS, 0)?;
        if weekdays & (1 << 7) != 0 {
            weekdays |= 1;
        }
        let starred = |field: &str| field.starts_with('*') || field.starts_with('?');
        let cron = Self {
            minutes: set("minute", minute, 0, 59, &[], 0)?,
            hours: set("hour", hour, 0, 23, &[], 0)?,
            days: set("day of month", day, 1, 31, &[], 0)?,
            months: set("month", month, 1, 12, &MONTHS, 1)?,
            weekdays,
            either_day: !starred(day) && !starred(weekday),
        };
        cron.after(Timestamp::UNIX_EPOCH).map(|_| cron).ok_or_else(|| "the schedule never matches a day".to_owned())
    }
    /// The first matching minute strictly after `moment`.
    pub fn after(&self, moment: Timestamp) -> Option<Timestamp> {
        let start = moment.to_zoned(TimeZone::UTC).datetime();
        let mut date = start.date();
        let mut from = i32::from(start.hour()) * 60 + i32::from(start.minute()) + 1;
        for _ in 0..HORIZON_DAYS {
            if self.day_matches(date)
                && let Some(minute) = (from..24 * 60).find(|m| bit(self.hours, m / 60) && bit(self.minutes, m % 60))
            {
                let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                return Some(date.at(hour, minute, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp());
            }
            date = date.checked_add(1.day()).ok()?;
            from = 0;
        }
        None
    }
    /// The last matching minute at or before `moment`, looking back no further than `seconds`.
    pub fn last_within(&self, moment: Timestamp, seconds: i64) -> Option<Timestamp> {
        let mut slot = self.after(Timestamp::from_second(moment.as_second() - seconds - 1).ok()?)?;
        if slot > moment {
            return None;
        }
        while let Some(next) = self.after(slot)
            && next <= moment
        {
            slot = next;
        }
        Some(slot)
    }
    fn day_matches(&self, date: Date) -> bool {
        let day = bit(self.days, i32::from(date.day()));
        let weekday = bit(self.weekdays, i32::from(date.weekday().to_sunday_zero_offset()));
        bit(self.months, i32::from(date.month())) && if self.either_day { day || weekday } else { day && weekday }
    }
}

fn bit(set: u64, at: i32) -> bool {
    set >> at & 1 == 1
}

fn set(field: &str, text: &str, low: u32, high: u32, names: &[&str], base: u32) -> Result<u64, String> {
    let number = |text: &str| -> Result<u32, String> {
        if let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return Ok(base + u32::try_from(at).unwrap_or(0));
        }
        let value: u32 = text.parse().map_err(|_| format!("{text:?} is no {field}"))?;
        if value < low || value > high {
            return Err(format!("{field} {value} is not between {low} and {high}"));
        }
        Ok(value)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step: u32 = step.map_or(Ok(1), |s| s.parse().map_err(|_| format!("{s:?} is no step")))?;
        if step == 0 {
            return Err(format!("the step of {field} is 0"));
        }
        let (from, to) = if range == "*" || range == "?" {
            (low, high)
        } else if let Some((from, to)) = range.split_once('-') {
            (number(from)?, number(to)?)
        } else if part.contains('/') {
            (number(range)?, high)
        } else {
            (number(range)?, number(range)?)
        };
        if from > to {
            return Err(format!("{field} range {range} runs backwards"));
        }
        for value in (from..=to).step_by(step as usize) {
            bits |= 1 << value;
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, from: &str) -> String {
        Cron::parse(schedule).unwrap().after(from.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn finds_the_next_slot_in_utc() {
        assert_eq!(next("0 0 * * SAT", "2026-11-24T11:00:00Z"), "2026-11-28T00:00:00Z");
        assert_eq!(next("*/15 * * * *", "2026-11-24T11:00:00Z"), "2026-11-24T11:15:00Z");
        assert_eq!(next("30 2 1 jan *", "2026-11-24T11:00:00Z"), "2027-01-01T02:30:00Z");
        assert_eq!(next("0 0 29 2 *", "2026-11-24T11:00:00Z"), "2028-02-29T00:00:00Z");
        assert_eq!(next("0 12 * * 7", "2026-11-24T11:00:00Z"), "2026-11-29T12:00:00Z");
    }

    #[test]
    fn either_day_field_is_enough_when_both_are_restricted() {
        assert_eq!(next("0 0 25 * FRI", "2026-11-24T11:00:00Z"), "2026-11-25T00:00:00Z");
        assert_eq!(next("0 0 25 * FRI", "2026-11-25T11:00:00Z"), "2026-11-27T00:00:00Z");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "* * * *", "60 * * * *", "* * 0 * *", "* * * * FOO", "*/0 * * * *", "0 0 31 2 *", "5-1 * * * *"]
        {
            assert!(Cron::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_slot_is_found_within_the_window() {
        let cron = Cron::parse("0 * * * *").unwrap();
        let now: Timestamp = "2026-11-24T11:30:00Z".parse().unwrap();
        assert_eq!(cron.last_within(now, 3600).unwrap().to_string(), "2026-11-24T11:00:00Z");
        assert!(cron.last_within(now, 600).is_none());
    }
}
