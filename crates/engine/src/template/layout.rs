//! Times in Go's layouts, which show how the reference time Mon Jan 2 15:04:05 2006 would be written.
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The elements of a layout; where one begins another, the longer stands first.
const ELEMENTS: [&str; 33] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "002",
    "__2",
    "_2006",
    "_2",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "PM",
    "pm",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "1",
    "2",
    "3",
    "4",
];

/// `now` in UTC, written as `layout` shows.
pub(super) fn format(layout: &str, now: Timestamp) -> String {
    let time = TimeZone::UTC.to_datetime(now);
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        if let Some((text, length)) = fraction(rest, &out, time) {
            out.push_str(&text);
            rest = &rest[length..];
        } else if let Some(element) = ELEMENTS.iter().chain(["5"].iter()).find(|element| starts(rest, element)) {
            out.push_str(&written(element, time));
            rest = &rest[element.len()..];
        } else {
            // Whole characters only, so that the next slice begins at one.
            let length = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    out
}

/// Go leaves `Jan` in `January`'s place, and does not read `Mon` in `Month` nor `Jan` in `Janus`.
fn starts(rest: &str, element: &str) -> bool {
    let Some(behind) = rest.strip_prefix(element) else { return false };
    !(matches!(element, "Jan" | "Mon") && behind.starts_with(|c: char| c.is_ascii_lowercase()))
}

/// `.000` and `,000` (as many digits as zeros) or `.999` (without trailing zeros), behind a digit.
fn fraction(rest: &str, before: &str, time: DateTime) -> Option<(String, usize)> {
    let point = rest.chars().next().filter(|c| matches!(c, '.' | ','))?;
    let digit = rest[1..].chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|c| *c == digit).count();
    let follows_digit = rest[1 + digits..].starts_with(|c: char| c.is_ascii_digit());
    if digits > 9 || follows_digit || !before.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let all = format!("{:09}", time.subsec_nanosecond());
    let mut shown = &all[..digits];
    if digit == '9' {
        shown = shown.trim_end_matches('0');
        if shown.is_empty() {
            return Some((String::new(), 1 + digits));
        }
    }
    Some((format!("{point}{shown}"), 1 + digits))
}

fn written(element: &str, time: DateTime) -> String {
    let month = MONTHS[usize::from(time.month().unsigned_abs().clamp(1, 12)) - 1];
    let day = DAYS[usize::from(time.weekday().to_sunday_zero_offset().unsigned_abs()) % 7];
    let hour12 = match time.hour() % 12 {
        0 => 12,
        hour => hour,
    };
    match element {
        "January" => month.to_owned(),
        "Jan" => month[..3].to_owned(),
        "Monday" => day.to_owned(),
        "Mon" => day[..3].to_owned(),
        "MST" => "UTC".to_owned(),
        "2006" => format!("{:04}", time.year()),
        "_2006" => format!("_{:04}", time.year()),
        "06" => format!("{:02}", time.year() % 100),
        "01" => format!("{:02}", time.month()),
        "1" => time.month().to_string(),
        "002" => format!("{:03}", time.day_of_year()),
        "__2" => format!("{:3}", time.day_of_year()),
        "02" => format!("{:02}", time.day()),
        "_2" => format!("{:2}", time.day()),
        "2" => time.day().to_string(),
        "15" => format!("{:02}", time.hour()),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{:02}", time.minute()),
        "4" => time.minute().to_string(),
        "05" => format!("{:02}", time.second()),
        "5" => time.second().to_string(),
        "PM" => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        "pm" => if time.hour() < 12 { "am" } else { "pm" }.to_owned(),
        zone if zone.starts_with('Z') => "Z".to_owned(),
        // What is left are the numeric zones, and UTC is +00.
        zone => zone.replace('-', "+").replace('7', "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_written_as_go_writes_them() {
        let now: Timestamp = "2026-03-04T15:07:09.012300000Z".parse().unwrap();
        for (layout, expected) in [
            ("2006-01-02T15:04:05Z07:00", "2026-03-04T15:07:09Z"),
            ("2006-01-02T15:04:05.999999999Z07:00", "2026-03-04T15:07:09.0123Z"),
            ("2006-01-02 15:04:05-0700", "2026-03-04 15:07:09+0000"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "Wed, 04 Mar 2026 15:07:09 UTC"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Wednesday, 04-Mar-26 15:07:09 UTC"),
            ("Mon Jan _2 15:04:05 2006", "Wed Mar  4 15:07:09 2026"),
            ("3:04PM", "3:07PM"),
            ("Jan _2 15:04:05.000", "Mar  4 15:07:09.012"),
            ("20060102150405", "20260304150709"),
            ("2006002", "2026063"),
            ("1/2/06 3:4:5 pm", "3/4/26 3:7:9 pm"),
            ("January 2006 | é -07:00", "March 2026 | é +00:00"),
        ] {
            assert_eq!(format(layout, now), expected, "{layout}");
        }
    }
}
