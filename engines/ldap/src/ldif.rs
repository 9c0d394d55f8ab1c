//! LDIF (RFC 2849), as far as accounts need it: entries, and records that add, modify or delete.
use crate::directory::{Action, Change, Record, Value};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// One `name: value` line, continuation lines joined.
struct Line {
    number: usize,
    name: String,
    value: Value,
}

/// The text, or what it stands for in base64: no LDIF is without a colon, and base64 has none.
pub fn decoded(text: &str) -> String {
    let compact: String = text.split_whitespace().collect();
    let decoded = STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.unwrap_or_else(|| text.to_owned())
}

/// A line with its number.
type Numbered = (usize, Zeroizing<String>);

/// Logical lines: comments gone, continuations joined. `None` separates records.
fn logical(text: &str) -> Result<Vec<Option<Numbered>>, String> {
    let mut lines: Vec<Option<Numbered>> = Vec::new();
    let mut comment = false;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.strip_suffix('\r').unwrap_or(line))) {
        if line.is_empty() {
            comment = false;
            lines.push(None);
        } else if let Some(more) = line.strip_prefix(' ') {
            match lines.last_mut() {
                _ if comment => {}
                Some(Some((_, text))) => text.push_str(more),
                _ if line.trim().is_empty() => lines.push(None),
                _ => return Err(format!("line {number} continues nothing")),
            }
        } else if line.starts_with('#') {
            comment = true;
        } else {
            comment = false;
            lines.push(Some((number, Zeroizing::new(line.to_owned()))));
        }
    }
    Ok(lines)
}

fn line(number: usize, text: &str) -> Result<Line, String> {
    if text == "-" {
        return Ok(Line { number, name: "-".to_owned(), value: Value::default() });
    }
    let (name, rest) = text.split_once(':').ok_or_else(|| format!("line {number} has no colon"))?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-._;".contains(c)) {
        return Err(format!("line {number} begins with no attribute's name"));
    }
    let value = if let Some(encoded) = rest.strip_prefix(':') {
        STANDARD.decode(encoded.trim()).map_err(|_| format!("line {number}: the value of {name} is no base64"))?
    } else if rest.starts_with('<') {
        return Err(format!("line {number}: values are not read from other places"));
    } else {
        rest.trim_start_matches(' ').as_bytes().to_vec()
    };
    Ok(Line { number, name: name.to_owned(), value: Zeroizing::new(value) })
}

fn text_of(line: &Line) -> Result<String, String> {
    let text = String::from_utf8(line.value.to_vec());
    text.map_err(|_| format!("line {}: the value of {} is no text", line.number, line.name))
}

fn entry(lines: &[Line]) -> Result<Action, String> {
    let mut attributes: Vec<(String, Vec<Value>)> = Vec::new();
    for line in lines {
        if line.name == "-" {
            return Err(format!("line {}: a new entry has no parts to end", line.number));
        }
        match attributes.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(&line.name)) {
            Some((_, values)) => values.push(line.value.clone()),
            None => attributes.push((line.name.clone(), vec![line.value.clone()])),
        }
    }
    match attributes.is_empty() {
        true => Err("a new entry has no attributes".to_owned()),
        false => Ok(Action::Add(attributes)),
    }
}

fn modification(lines: &[Line]) -> Result<Action, String> {
    let mut changes = Vec::new();
    for part in lines.split(|line| line.name == "-").filter(|part| !part.is_empty()) {
        let (head, values) = (&part[0], &part[1..]);
        let attribute = text_of(head)?.trim_end().to_owned();
        if let Some(odd) = values.iter().find(|line| !line.name.eq_ignore_ascii_case(&attribute)) {
            return Err(format!("line {}: {} stands in the part of {attribute}", odd.number, odd.name));
        }
        let values: Vec<Value> = values.iter().map(|line| line.value.clone()).collect();
        changes.push(match head.name.to_ascii_lowercase().as_str() {
            "add" if values.is_empty() => return Err(format!("line {}: nothing is added", head.number)),
            "add" => Change::Add(attribute, values),
            "delete" => Change::Delete(attribute, values),
            "replace" => Change::Replace(attribute, values),
            other => return Err(format!("line {}: {other} is neither add, delete nor replace", head.number)),
        });
    }
    match changes.is_empty() {
        true => Err("a modification changes nothing".to_owned()),
        false => Ok(Action::Modify(changes)),
    }
}

fn record(lines: &[Line]) -> Result<Record, String> {
    let (head, mut rest) = lines.split_first().ok_or("an empty record")?;
    if !head.name.eq_ignore_ascii_case("dn") {
        return Err(format!("line {}: a record begins with dn, not with {}", head.number, head.name));
    }
    let dn = text_of(head)?;
    if dn.trim().is_empty() {
        return Err(format!("line {}: the distinguished name is empty", head.number));
    }
    let mut kind = String::new();
    if let Some((first, others)) = rest.split_first().filter(|(first, _)| first.name.eq_ignore_ascii_case("changetype"))
    {
        kind = text_of(first)?.trim().to_ascii_lowercase();
        rest = others;
    }
    let action = match kind.as_str() {
        "" | "add" => entry(rest),
        "modify" => modification(rest),
        "delete" if rest.is_empty() => Ok(Action::Delete),
        "delete" => Err("a deletion has nothing behind it".to_owned()),
        other => Err(format!("changetype {other} is not supported: use add, modify or delete")),
    };
    Ok(Record { dn, action: action.map_err(|error| format!("{error} ({})", head.number))? })
}

/// Reads records; there has to be one.
///
/// # Errors
/// What is wrong, and where; never a value.
pub fn parse(text: &str) -> Result<Vec<Record>, String> {
    let mut records = Vec::new();
    let mut open: Vec<Line> = Vec::new();
    for logical in logical(text)?.into_iter().chain([None]) {
        match logical {
            Some((number, text)) => {
                let line = line(number, &text)?;
                let version = records.is_empty() && open.is_empty() && line.name.eq_ignore_ascii_case("version");
                if !version {
                    open.push(line);
                }
            }
            None if open.is_empty() => {}
            None => {
                records.push(record(&open)?);
                open.clear();
            }
        }
    }
    if records.is_empty() { Err("there is no record in it".to_owned()) } else { Ok(records) }
}

/// Parts of a distinguished name, split at commas that are not escaped.
pub fn parts(dn: &str) -> Vec<&str> {
    let (mut parts, mut from, mut escaped, mut quoted) = (Vec::new(), 0, false, false);
    for (at, c) in dn.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' | ';' if !quoted => {
                parts.push(dn[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(dn[from..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_all_kinds_are_read() {
        let text = "version: 1\n\n# a comment\n  that goes on\ndn: cn=a,\n dc=b\nobjectClass: person\ncn: a\nsn:: YWI=\nobjectClass: top\n\n\n\
                    dn: cn=g\r\nchangetype: modify\r\nadd: member\r\nmember: cn=a\r\n-\r\ndelete: x\r\n-\r\n\r\n\
                    dn: cn=z\nchangetype: delete\n";
        let records = parse(text).unwrap();
        assert_eq!(records.iter().map(|record| record.dn.as_str()).collect::<Vec<_>>(), ["cn=a,dc=b", "cn=g", "cn=z"]);
        let Action::Add(attributes) = &records[0].action else { panic!() };
        assert_eq!((attributes[0].1.len(), attributes[2].1[0].as_slice()), (2, b"ab".as_slice()));
        let Action::Modify(changes) = &records[1].action else { panic!() };
        assert!(matches!(&changes[..], [Change::Add(..), Change::Delete(_, none)] if none.is_empty()));
        assert!(matches!(records[2].action, Action::Delete));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_its_value() {
        for (text, expected) in [
            ("", "no record"),
            ("cn: a", "line 1: a record begins with dn"),
            ("dn: cn=a\nhidden", "line 2 has no colon"),
            ("dn: cn=a\nx:: ***", "no base64"),
            ("dn: cn=a\nx:< file:///etc/passwd", "other places"),
            ("dn: cn=a\nchangetype: modrdn\nnewrdn: x", "modrdn is not supported"),
            ("dn: cn=a\nchangetype: modify\nadd: x\ny: 1\n-", "y stands in the part of x"),
            ("dn: cn=a\nchangetype: modify\n", "changes nothing"),
            ("dn: cn=a\n", "no attributes"),
            ("dn: \nx: y", "name is empty"),
            (" x", "continues nothing"),
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{text:?} was read"));
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(!error.contains("hidden"));
        }
    }

    #[test]
    fn names_are_split_at_commas_that_are_not_escaped() {
        assert_eq!(parts("cn=a\\,b, ou=\"x,y\",dc=c"), ["cn=a\\,b", "ou=\"x,y\"", "dc=c"]);
        assert_eq!(decoded(&STANDARD.encode("dn: cn=a")), "dn: cn=a");
        assert_eq!(decoded("dn: cn=a"), "dn: cn=a");
    }
}
