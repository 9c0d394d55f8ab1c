//! Statement lists: how an element is decoded, split into statements, and filled with values.
//!
//! The splitter and the filler share one lexer of SQL quoting, so a semicolon inside a string, an
//! identifier, a comment or a dollar-quoted body never splits, and a value never ends the quote it is
//! inserted into.
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Decodes one element (plain, base64, JSON array, base64 of one) and splits plain text at `;`.
/// Entries of a JSON array are kept whole.
pub fn statements(elements: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for element in elements {
        let decoded = STANDARD.decode(element.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = decoded.unwrap_or_else(|| element.clone());
        match serde_json::from_str::<Vec<String>>(&text) {
            Ok(entries) => found.extend(entries),
            Err(_) => found.extend(split(&text)),
        }
    }
    found.into_iter().map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// Where the lexer stands.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Quote {
    None,
    /// `'...'`; `true` for `E'...'`, where a backslash escapes.
    Text(bool),
    Identifier,
    Line,
    Block(u32),
}

fn starts_word(text: &str, at: usize) -> bool {
    !text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

/// `$tag$` at the start of `rest`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let tag = &rest[1..end];
    let valid = tag.chars().all(|c| c.is_alphanumeric() || c == '_') && !tag.starts_with(|c: char| c.is_ascii_digit());
    valid.then(|| &rest[..=end])
}

/// Splits at semicolons outside every quote; a body `BEGIN ATOMIC ... END` stays whole.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    let mut quote = Quote::None;
    let mut atomic = false;
    while at < text.len() {
        let rest = &text[at..];
        let Some(c) = rest.chars().next() else { break };
        if quote == Quote::None {
            if c == '$'
                && starts_word(text, at)
                && let Some(tag) = dollar_tag(rest)
            {
                let body = &rest[tag.len()..];
                at += tag.len() + body.find(tag).map_or(body.len(), |end| end + tag.len());
                continue;
            }
            if c.eq_ignore_ascii_case(&'b') && starts_word(text, at) {
                let mut words = rest.split_whitespace();
                let begin = words.next().is_some_and(|w| w.eq_ignore_ascii_case("begin"));
                atomic |= begin && words.next().is_some_and(|w| w.eq_ignore_ascii_case("atomic"));
            }
            if c == ';' && !atomic {
                parts.push(text[start..at].to_owned());
                start = at + 1;
            }
        }
        at += advance(&mut quote, text, at);
    }
    parts.push(text[start..].to_owned());
    parts
}

/// Moves the lexer over the character (or pair) at `at`; returns its length.
fn advance(quote: &mut Quote, text: &str, at: usize) -> usize {
    let rest = &text[at..];
    let first = rest.chars().next().map_or(1, char::len_utf8);
    match quote {
        Quote::None => {
            if rest.starts_with('\'') {
                let escapes = at > 0 && matches!(text.as_bytes()[at - 1], b'e' | b'E') && starts_word(text, at - 1);
                *quote = Quote::Text(escapes);
            } else if rest.starts_with('"') {
                *quote = Quote::Identifier;
            } else if rest.starts_with("--") {
                *quote = Quote::Line;
                return 2;
            } else if rest.starts_with("/*") {
                *quote = Quote::Block(1);
                return 2;
            }
        }
        Quote::Text(escapes) => {
            if *escapes && rest.starts_with('\\') {
                return first + rest[1..].chars().next().map_or(0, char::len_utf8);
            }
            if rest.starts_with('\'') {
                *quote = Quote::None;
            }
        }
        Quote::Identifier if rest.starts_with('"') => *quote = Quote::None,
        Quote::Line if rest.starts_with('\n') => *quote = Quote::None,
        Quote::Block(depth) => {
            if rest.starts_with("/*") {
                *depth += 1;
                return 2;
            }
            if rest.starts_with("*/") {
                *depth -= 1;
                if *depth == 0 {
                    *quote = Quote::None;
                }
                return 2;
            }
        }
        Quote::Identifier | Quote::Line => {}
    }
    first
}

/// Puts values in for `{{name}}`, escaped for the quote each stands in. What is not known stays as it is.
///
/// # Errors
/// When a value cannot stand where the statement wants it; the text names the variable, not its value.
pub fn fill(text: &str, values: &[(&str, &str)]) -> Result<String, String> {
    fill_within(text, values, None)
}

fn fill_within(text: &str, values: &[(&str, &str)], tag: Option<&str>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len() + 64);
    let (mut quote, mut at) = (Quote::None, 0);
    while at < text.len() {
        let rest = &text[at..];
        if quote == Quote::None
            && rest.starts_with('$')
            && starts_word(text, at)
            && let Some(tag) = dollar_tag(rest)
        {
            let body = &rest[tag.len()..];
            if let Some(end) = body.find(tag) {
                // The body is SQL again (a DO block, a function): its own quotes count.
                filled.push_str(tag);
                filled.push_str(&fill_within(&body[..end], values, Some(tag))?);
                filled.push_str(tag);
                at += tag.len() * 2 + end;
                continue;
            }
        }
        let variable = values.iter().find(|(name, _)| {
            rest.strip_prefix("{{").and_then(|r| r.strip_prefix(name)).is_some_and(|r| r.starts_with("}}"))
        });
        if let Some((name, value)) = variable {
            filled.push_str(&escaped(name, value, &quote, tag)?);
            at += name.len() + 4;
            continue;
        }
        let length = advance(&mut quote, text, at);
        filled.push_str(&rest[..length]);
        at += length;
    }
    Ok(filled)
}

fn escaped(name: &str, value: &str, quote: &Quote, tag: Option<&str>) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("the value of {{{{{name}}}}} cannot be inserted {why}"));
    if value.contains('\0') {
        return refuse("because it holds a zero byte");
    }
    if tag.is_some_and(|tag| value.contains(tag)) {
        return refuse("into this dollar-quoted text");
    }
    Ok(match quote {
        Quote::Text(false) => value.replace('\'', "''"),
        Quote::Text(true) => value.replace('\\', "\\\\").replace('\'', "''"),
        Quote::Identifier => value.replace('"', "\"\""),
        Quote::None => {
            let plain = |c: char| c.is_alphanumeric() || "_.:+@- ".contains(c);
            if !value.chars().all(plain) || value.contains("--") {
                return refuse("outside quotes; quote it in the statement");
            }
            value.to_owned()
        }
        Quote::Line | Quote::Block(_) => {
            if value.contains(['\n', '\r']) || value.contains("*/") {
                return refuse("into a comment");
            }
            value.to_owned()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        statements(&[text.to_owned()])
    }

    #[test]
    fn splits_only_outside_quotes() {
        assert_eq!(of("a; b ;;c"), ["a", "b", "c"]);
        assert_eq!(of("select ';' ; select \";\""), ["select ';'", "select \";\""]);
        assert_eq!(of("select 'it''s;' -- no; split\n; x /* ; /* ; */ ; */ y").len(), 2);
        assert_eq!(of("DO $$ begin a; end $$; b"), ["DO $$ begin a; end $$", "b"]);
        assert_eq!(of("DO $x$ $$;$$ a; $x$; b"), ["DO $x$ $$;$$ a; $x$", "b"]);
        assert_eq!(of("select E'\\';'; b"), ["select E'\\';'", "b"]);
        assert_eq!(of("create function f() begin atomic select 1; end").len(), 1);
        assert_eq!(of("select a$1; select b$1").len(), 2);
    }

    #[test]
    fn decodes_base64_and_json_arrays() {
        assert_eq!(of(&STANDARD.encode("a;b")), ["a", "b"]);
        assert_eq!(of(r#"["a;b","c"]"#), ["a;b", "c"]);
        assert_eq!(of(&STANDARD.encode(r#"["a;b"]"#)), ["a;b"]);
    }

    #[test]
    fn values_are_escaped_for_the_quote_they_stand_in() {
        let values = [("name", "a\"b"), ("password", "p'; DROP--\\")];
        let filled = fill("CREATE ROLE \"{{name}}\" PASSWORD '{{password}}'; {{other}}", &values).unwrap();
        assert_eq!(filled, "CREATE ROLE \"a\"\"b\" PASSWORD 'p''; DROP--\\'; {{other}}");
        assert_eq!(fill("E'{{password}}'", &values).unwrap(), "E'p''; DROP--\\\\'");
        assert_eq!(fill("DO $$ x '{{password}}' $$", &values).unwrap(), "DO $$ x 'p''; DROP--\\' $$");
        assert!(fill("PASSWORD {{password}}", &values).is_err());
        assert!(fill("DO $$ '{{password}}' $$", &[("password", "a$$b")]).is_err());
        assert_eq!(fill("{{ name }} {{name}}", &[("name", "a_1")]).unwrap(), "{{ name }} a_1");
    }
}
