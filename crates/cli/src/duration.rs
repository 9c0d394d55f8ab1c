//! Durations as flags take them and as tables and request bodies show them.

use std::time::Duration;

/// Parses `90`, `90s`, `1h30m`, `1.5h`, `250ms` or `2d`; a bare number is seconds.
pub fn parse(text: &str) -> Result<Duration, String> {
    let bad = || format!("invalid duration {text:?}: write 30s, 10m, 1h30m, 2d or seconds");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let scale = match &rest[..unit] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return Err(bad()),
        };
        rest = &rest[unit..];
        let part = Duration::try_from_secs_f64(number * scale).map_err(|_| bad())?;
        total = total.checked_add(part).ok_or_else(bad)?;
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

/// `0s`, `30s`, `10m0s`, `1h0m0s`: the form the server is sent.
pub fn full(duration: Duration) -> String {
    let total = duration.as_secs();
    let millis = duration.subsec_millis();
    if total == 0 && millis > 0 {
        return format!("{millis}ms");
    }
    let seconds = if millis > 0 {
        format!("{}.{millis:03}", total % 60).trim_end_matches('0').to_owned()
    } else {
        (total % 60).to_string()
    };
    match (total / 3600, total / 60 % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `0s`, `30s`, `10m`, `768h`, `767h59m59s`: the form tables show.
pub fn short(seconds: i64) -> String {
    if seconds == 0 {
        return "0s".to_owned();
    }
    let sign = if seconds < 0 { "-" } else { "" };
    let text = full(Duration::from_secs(seconds.unsigned_abs()));
    let text = text.strip_suffix("m0s").map_or(text.clone(), |head| format!("{head}m"));
    let text = text.strip_suffix("h0m").map_or(text.clone(), |head| format!("{head}h"));
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_understood() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800), ("0", 0)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "x", "5x", "h", "-5s", "1.2.3s"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tables_drop_trailing_zero_parts() {
        for (seconds, text) in [
            (0, "0s"),
            (5, "5s"),
            (600, "10m"),
            (3600, "1h"),
            (2_764_799, "767h59m59s"),
            (2_764_800, "768h"),
            (3630, "1h0m30s"),
            (1200, "20m"),
        ] {
            assert_eq!(short(seconds), text);
        }
        assert_eq!(full(Duration::from_secs(600)), "10m0s");
        assert_eq!(full(Duration::from_secs(3600)), "1h0m0s");
        assert_eq!(full(Duration::from_millis(1500)), "1.5s");
    }
}
