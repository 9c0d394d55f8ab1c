//! LDIF templates of a role: rendered for one account, with values escaped where they stand in a distinguished name.
use crate::directory::Record;
use crate::ldif;
use jiff::Timestamp;
use lessor_engine::template::Template;
use lessor_engine::{Error, Result, Secret};
use serde_json::json;

/// Words that begin an action which prints nothing.
const SILENT: [&str; 10] = ["if", "else", "end", "range", "with", "define", "block", "template", "break", "continue"];
const ESCAPE: &str = "dn_escape";

/// What a template may say.
pub(crate) struct Values<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a Secret,
    pub(crate) display_name: &'a str,
    pub(crate) role: &'a str,
    pub(crate) issued: Timestamp,
    pub(crate) expires: Timestamp,
}

/// The end of an action that begins at the start of `text`, behind its braces.
fn end_of(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices().skip(2) {
        match quote {
            _ if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some(at + 2),
            None => {}
        }
    }
    None
}

fn prints(action: &str) -> bool {
    let word = action.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    !SILENT.contains(&word) && !action.starts_with("/*") && !action.contains(":=") && !action.ends_with(ESCAPE)
}

/// An action whose fields are escaped one by one.
fn fields_escaped(action: &str) -> String {
    let mut out = String::with_capacity(action.len() + 32);
    let (mut quote, mut at) = (None, 0);
    while let Some(c) = action[at..].chars().next() {
        let word = action[at + c.len_utf8()..].find(|c: char| !c.is_alphanumeric()).unwrap_or(action.len() - at - 1);
        if quote.is_none() && c == '.' && word > 0 && !out.ends_with(char::is_alphanumeric) {
            let field = &action[at..=at + word];
            out.push_str(&format!("({field} | {ESCAPE})"));
            at += field.len();
            continue;
        }
        match quote {
            Some('"') if c == '\\' => {
                // The next one is escaped.
                out.push(c);
                at += 1;
            }
            Some(open) if open == c => quote = None,
            None if c == '"' || c == '`' => quote = Some(c),
            _ => {}
        }
        let Some(c) = action[at..].chars().next() else { break };
        out.push(c);
        at += c.len_utf8();
    }
    out
}

/// The template with `dn_escape` behind every action that stands in a `dn:` line, or right behind a `=` elsewhere: there
/// a value is part of a distinguished name.
fn guarded(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 64);
    let mut rest = source;
    while let Some(open) = rest.find("{{") {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let Some(end) = end_of(rest) else { break };
        let whole = &rest[..end];
        let line = out.rsplit('\n').next().unwrap_or_default();
        let in_name =
            line.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("dn:")) && !line[3..].starts_with(':');
        let inside = &whole[2..whole.len() - 2];
        let (inside, tail) = match inside.strip_suffix('-') {
            Some(inside) if inside.ends_with(char::is_whitespace) => (inside, "-}}"),
            _ => (inside, "}}"),
        };
        let bare = inside.strip_prefix("- ").unwrap_or(inside).trim();
        if !(in_name || out.ends_with('=')) || !prints(bare) {
            out.push_str(whole);
        } else if inside.contains('=') {
            // It puts parts of a name together itself (`printf "cn=%s,..."`).
            out.push_str("{{");
            out.push_str(&fields_escaped(inside));
            out.push_str(tail);
        } else {
            out.push_str("{{");
            out.push_str(inside.trim_end());
            out.push_str(" | ");
            out.push_str(ESCAPE);
            out.push(' ');
            out.push_str(tail);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// A value cannot begin a line of its own.
fn flat(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Renders a template.
///
/// # Errors
/// What the template or one of its functions does not take.
pub(crate) fn render(name: &str, source: &str, values: &Values<'_>) -> Result<Secret> {
    let wrong = |error: Error| Error::invalid(format!("{name}: {error}"));
    let data = json!({
        "Username": flat(values.username),
        "Password": values.password.expose(),
        "DisplayName": flat(values.display_name),
        "RoleName": values.role,
        "IssueTime": seconds(values.issued),
        "ExpirationTime": seconds(values.expires),
        "IssueTimeSeconds": values.issued.as_second(),
        "ExpirationTimeSeconds": values.expires.as_second(),
    });
    let template = Template::parse(&guarded(source)).map_err(wrong)?;
    template.render_at(values.issued, &data).map(Secret::new).map_err(wrong)
}

fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Reads what was rendered.
///
/// # Errors
/// What is wrong with it, without values.
pub(crate) fn records(name: &str, text: &Secret) -> Result<Vec<Record>> {
    ldif::parse(text.expose()).map_err(|error| Error::invalid(format!("{name}: {error}")))
}

/// The name that templates are tried with.
pub(crate) const SAMPLE: &str = "sampleqzxj";

/// Renders and reads a template on trial.
///
/// # Errors
/// As [`render`] and [`records`].
pub(crate) fn sample(name: &str, source: &str, role: &str, display_name: &str) -> Result<Vec<Record>> {
    let password = Secret::new("SamplePassword-0");
    let values = Values {
        username: SAMPLE,
        password: &password,
        display_name,
        role,
        issued: Timestamp::UNIX_EPOCH,
        expires: Timestamp::UNIX_EPOCH,
    };
    records(name, &render(name, source, &values)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Action;

    fn rendered(source: &str, username: &str, display_name: &str) -> String {
        let password = Secret::new("p\"w");
        let at = "2026-11-04T15:07:09.5Z".parse().unwrap();
        let values = Values { username, password: &password, display_name, role: "r", issued: at, expires: at };
        render("creation_ldif", source, &values).unwrap().expose().to_owned()
    }

    #[test]
    fn values_are_escaped_where_they_are_part_of_a_name() {
        let source = "dn: cn={{.Username}},ou={{- .RoleName -}} x\ndescription: {{.DisplayName}}\nmember: cn={{ .DisplayName }},dc=a\n";
        let text = rendered(source, "a,ou=admins", "b,dc=c\nx: y");
        let expected = "dn: cn=a\\,ou\\=admins,ou=rx\ndescription: b,dc=c x: y\nmember: cn=b\\,dc\\=c x: y,dc=a\n";
        assert_eq!(text, expected);
        assert_eq!(rendered("dn: {{ printf \"cn=%s\" .RoleName }}", "u", "d"), "dn: cn=r");
        let printed = "dn: {{ printf \"cn=%s\\\\\\\\,ou=%s.x\" .Username (.DisplayName | truncate 2) }}";
        assert_eq!(rendered(printed, "a,b", "d+e"), "dn: cn=a\\,b\\\\,ou=d\\.x");
        assert_eq!(rendered("dn: cn={{ .Username | dn_escape }}", "a,b", "d"), "dn: cn=a\\,b");
        assert_eq!(rendered("dn: {{if .RoleName}}cn={{.Username}}{{else}}x{{end}}", "a+b", "d"), "dn: cn=a\\+b");
        assert_eq!(rendered("dn: cn={{ printf \"}}%s\" .Username }}", "u", "d"), "dn: cn=}}u");
    }

    #[test]
    fn times_and_encoded_passwords_are_offered() {
        assert_eq!(rendered("{{.IssueTime}} {{.ExpirationTimeSeconds}}", "u", "d"), "2026-11-04T15:07:09Z 1793804829");
        // "\"p\\\"w\"" as %q writes it.
        assert_eq!(rendered("{{ printf \"%q\" .Password | utf16le | base64 }}", "u", "d"), "IgBwAFwAIgB3ACIA");
    }

    #[test]
    fn samples_are_read_too() {
        let records = sample("creation_ldif", "dn: cn={{.Username}},dc=a\ncn: {{.Username}}", "r", "d").unwrap();
        assert!(matches!(records[0].action, Action::Add(_)));
        let error = sample("creation_ldif", "dn: cn={{.Nothing}}", "r", "d").err().unwrap().to_string();
        assert!(error.starts_with("creation_ldif: "), "{error}");
    }
}
