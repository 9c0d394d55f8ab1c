//! Durations as Vault's clients write and read them.
use std::time::Duration;

/// 2^63 - 1 ns, some 292 years: what Go's durations end at. Times that far ahead can still be written as dates.
pub const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Below zero.
    #[error("cannot provide negative value '{0}'")]
    Negative(String),
    /// Longer than [`LONGEST`].
    #[error("duration {0:?} is too long: at most 2562047h (292 years)")]
    TooLong(String),
    /// Not a duration at all.
    #[error("invalid duration {0:?}: use seconds (3600) or units (90m, 1h30m, 2d)")]
    Invalid(String),
}

/// Parses whole or fractional seconds without a unit, Go durations (`1h30m`, `1.5h`, `100ms`) and days (`2d`).
///
/// # Errors
/// When the text is none of these, negative, or longer than [`LONGEST`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let parsed = unbounded(text.trim())?;
    if parsed > LONGEST { Err(DurationError::TooLong(text.trim().to_owned())) } else { Ok(parsed) }
}

fn unbounded(text: &str) -> Result<Duration, DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative(text.to_owned()));
    }
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut total = 0f64;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let amount: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |at| digits + at);
        let seconds = match &rest[digits..unit_end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(invalid()),
        };
        total += amount * seconds;
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(total).map_err(|_| DurationError::TooLong(text.to_owned()))
}

/// The Go spelling without the units that are zero at its end: `1h30m`, `24h`, `0s`.
pub fn short_string(duration: Duration) -> String {
    let text = go_string(duration);
    let without = |text: &str, unit: &str, after: char| {
        text.strip_suffix(unit).filter(|rest| rest.ends_with(after)).unwrap_or(text).to_owned()
    };
    without(&without(&text, "0s", 'm'), "0m", 'h')
}

/// The Go spelling of a duration: `1h0m0s`, `90ms`, `0s`.
pub fn go_string(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let nanos = duration.subsec_nanos();
    if seconds == 0 && nanos > 0 {
        return match nanos {
            n if n % 1_000_000 == 0 => format!("{}ms", n / 1_000_000),
            n if n % 1000 == 0 => format!("{}µs", n / 1000),
            n => format!("{n}ns"),
        };
    }
    let fraction = format!("{nanos:09}");
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}{dot}{fraction}s"),
        (0, _) => format!("{minutes}m{rest}{dot}{fraction}s"),
        _ => format!("{hours}h{minutes}m{rest}{dot}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_units_at_the_end_are_left_out_of_the_short_form() {
        for (seconds, text) in
            [(0, "0s"), (5, "5s"), (60, "1m"), (600, "10m"), (5400, "1h30m"), (86_400, "24h"), (3601, "1h0m1s")]
        {
            assert_eq!(short_string(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn parses_what_vault_parses() {
        for (text, seconds) in [("0", 0), ("3600", 3600), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800), ("", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("100ms"), Ok(Duration::from_millis(100)));
        for text in ["-5", "abc", "1h30", "1x", ".", "1e999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_added_to_a_time_is_refused() {
        assert_eq!(parse("2562047h"), Ok(Duration::from_secs(2_562_047 * 3600)));
        for text in ["2562048h", "18446744073709551615", "9223372037", "99999999999999999999d"] {
            assert_eq!(parse(text), Err(DurationError::TooLong(text.into())), "{text}");
        }
    }

    #[test]
    fn writes_as_go_does() {
        for (seconds, text) in [(0, "0s"), (90, "1m30s"), (3600, "1h0m0s"), (2_764_800, "768h0m0s")] {
            assert_eq!(go_string(Duration::from_secs(seconds)), text);
        }
        assert_eq!(go_string(Duration::from_millis(1500)), "1.5s");
    }
}
