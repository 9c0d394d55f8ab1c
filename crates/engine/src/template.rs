//! Name templates: Go's `text/template` with Vault's functions, as in
//! `{{ printf "v-%s-%s" (.DisplayName | truncate 8) (random 20) | truncate 63 }}`.
mod functions;
mod layout;

use crate::{Clock, Error, Result, SystemClock};
use gotmpl::{MissingKey, Value};
use jiff::Timestamp;
use serde_json::Value as Json;

/// More turns of a `range` than any name needs.
const MAX_LOOP: u64 = 1000;

/// A template that is known to parse. Rendering it may still fail, where a function refuses its arguments or
/// a field is not in the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    source: String,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`Error::Invalid`] with line, column and reason.
    pub fn parse(source: &str) -> Result<Self> {
        if source.is_empty() {
            return Err(Error::invalid("missing template"));
        }
        compile(source, Timestamp::UNIX_EPOCH)?;
        Ok(Self { source: source.to_owned() })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether two renderings of the same data differ in something that cannot be guessed. Names made without it
    /// collide.
    pub fn draws_random(&self) -> bool {
        let mut rest = self.source.as_str();
        while let Some(open) = rest.find("{{") {
            let inside = &rest[open + 2..];
            let close = inside.find("}}").unwrap_or(inside.len());
            let mut words = inside[..close].split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if words.any(|word| word == "random" || word == "uuid") {
                return true;
            }
            rest = &inside[close..];
        }
        false
    }

    /// Renders with the fields of a JSON object (`{"DisplayName": …, "RoleName": …}`).
    ///
    /// # Errors
    /// [`Error::Invalid`] when a function refuses its arguments or a field is missing.
    pub fn render(&self, data: &Json) -> Result<String> {
        self.render_at(SystemClock.now(), data)
    }

    /// The same at a given time, for callers that have a clock of their own.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_at(&self, now: Timestamp, data: &Json) -> Result<String> {
        // Parsed anew because functions are bound while parsing, and the time is one of their inputs: that costs
        // microseconds, and a template needs no lock.
        compile(&self.source, now)?
            .execute_to_string(&value_of(data))
            .map_err(|error| Error::invalid(error.to_string()))
    }
}

fn compile(source: &str, now: Timestamp) -> Result<gotmpl::Template> {
    gotmpl::Template::new("template")
        .missing_key(MissingKey::Error)
        .max_range_iters(MAX_LOOP)
        .funcs(functions::all(now))
        .parse(source)
        .map_err(|error| Error::invalid(error.to_string()))
}

fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Int)
        }
        Json::String(text) => Value::String(text.as_str().into()),
        Json::Array(items) => Value::List(items.iter().map(value_of).collect()),
        Json::Object(map) => Value::Map(
            map.iter()
                .map(|(key, value)| (key.as_str().into(), value_of(value)))
                .collect::<std::collections::BTreeMap<_, _>>()
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(source: &str) -> String {
        let now: Timestamp = "2026-11-04T15:07:09.012345678Z".parse().unwrap();
        let data = json!({"DisplayName": "token-My.App", "RoleName": "read_only", "Empty": ""});
        Template::parse(source).unwrap().render_at(now, &data).unwrap()
    }

    fn refuses(source: &str) -> String {
        match Template::parse(source) {
            Err(error) => error.to_string(),
            Ok(template) => template.render(&json!({"DisplayName": "d", "RoleName": "r"})).unwrap_err().to_string(),
        }
    }

    #[test]
    fn fields_pipes_and_text_render() {
        assert_eq!(render("v-{{.DisplayName | truncate 8}}-{{ .RoleName | uppercase }}"), "v-token-My-READ_ONLY");
        assert_eq!(render("{{ .DisplayName | lowercase | replace \".\" \"-\" }}"), "token-my-app");
        assert_eq!(
            render("{{ printf \"%s/%s\" (.RoleName | truncate 4) (lowercase .DisplayName) }}"),
            "read/token-my.app"
        );
        assert_eq!(render("a {{- .RoleName -}} b"), "aread_onlyb");
    }

    #[test]
    fn conditions_render() {
        assert_eq!(render("{{if .Empty}}x{{else}}y{{end}}"), "y");
        assert_eq!(render("{{if eq .RoleName \"read_only\"}}ro{{end}}"), "ro");
        assert_eq!(
            render("{{with .RoleName}}{{. | truncate 1}}{{end}}{{len .RoleName}}{{slice .RoleName 5}}"),
            "r9only"
        );
    }

    #[test]
    fn random_draws_from_letters_and_digits() {
        let text = render("{{random 40}}");
        assert_eq!(text.len(), 40);
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric()));
        assert_ne!(text, render("{{random 40}}"));
        assert_eq!(render("{{uuid}}").len(), 36);
        assert_eq!(&render("{{uuid}}")[14..15], "4");
    }

    #[test]
    fn cutting_keeps_to_bytes_and_marks_what_is_lost() {
        assert_eq!(render("{{\"abc\" | truncate 5}}"), "abc");
        // "é" has two bytes: half a character is none.
        assert_eq!(render("{{\"aé\" | truncate 2}}"), "a");
        // The first eight hex digits of SHA-256("efghijklmnop").
        let cut = render("{{\"abcdefghijklmnop\" | truncate_sha256 12}}");
        assert_eq!(cut.len(), 12);
        assert!(cut.starts_with("abcd"));
        assert_eq!(cut[4..], render("{{\"efghijklmnop\" | sha256}}")[..8]);
        assert_eq!(render("{{\"abc\" | truncate_sha256 12}}"), "abc");
    }

    #[test]
    fn encodings_match_their_standards() {
        assert_eq!(render("{{sha256 \"abc\"}}"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(render("{{base64 \"abc\"}}{{decode_base64 \"YWJj\"}}"), "YWJjabc");
        assert_eq!(render("{{hex \"abc\"}}{{decode_hex \"616263\"}}"), "616263abc");
        assert_eq!(render("{{if glob \"read*\" .RoleName}}y{{end}}{{if glob \"x*\" .RoleName}}n{{end}}"), "y");
    }

    #[test]
    fn directories_get_their_encodings() {
        // "\"é\"" in UTF-16, little endian: 22 00 e9 00 22 00.
        assert_eq!(render("{{ printf \"%q\" \"é\" | utf16le | base64 }}"), "IgDpACIA");
        assert_eq!(render("{{ \" a,b=c+d\\\\ \" | dn_escape }}"), "\\ a\\,b\\=c\\+d\\\\\\ ");
        assert_eq!(render("{{ dn_escape .RoleName }}"), "read_only");
    }

    #[test]
    fn time_comes_from_the_callers_clock() {
        assert_eq!(render("{{unix_time}}"), "1793804829");
        assert_eq!(render("{{unix_time_millis}}"), "1793804829012");
        assert_eq!(render("{{timestamp \"2006-01-02T15:04:05Z\"}}"), "2026-11-04T15:07:09Z");
        assert_eq!(render("{{printf \"%s\" (unix_time) | truncate 4}}"), "1793");
    }

    #[test]
    fn vaults_default_templates_render_to_their_lengths() {
        let postgres = "{{ printf \"v-%s-%s-%s-%s\" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 63 }}";
        let name = render(postgres);
        assert!(name.starts_with("v-token-My-read_onl-") && name.ends_with("-1793804829"), "{name}");
        let oracle = "{{ printf \"V_%s_%s_%s_%s\" (.DisplayName | truncate 8) (.RoleName | truncate 8) (random 20) (unix_time) | truncate 30 | uppercase | replace \"-\" \"_\" | replace \".\" \"_\" }}";
        assert_eq!(render(oracle).len(), 30);
        let aws = "{{ if (eq .RoleName \"STS\") }}{{ printf \"vault-%s-%s\" (unix_time) (random 20) | truncate 32 }}{{ else }}{{ printf \"vault-%s-%s-%s\" (printf \"%s-%s\" (.DisplayName) (.RoleName) | truncate 42) (unix_time) (random 20) | truncate 64 }}{{ end }}";
        assert!(render(aws).starts_with("vault-token-My.App-read_only-1793804829-"));
    }

    #[test]
    fn errors_name_the_place() {
        assert!(refuses("{{.DisplayName").contains("1:"), "{}", refuses("{{.DisplayName"));
        assert!(refuses("a\n{{ nothing 1 }}").contains("nothing"));
        assert!(refuses("{{.Missing}}").contains("Missing"));
        assert!(refuses("{{.DisplayName | truncate 0}}").contains("truncate"));
        assert!(refuses("{{.DisplayName | truncate_sha256 8}}").contains("truncate_sha256"));
        assert!(refuses("{{random 0}}").contains("random"));
        assert!(refuses("{{random \"x\"}}").contains("random"));
        assert!(refuses("{{random 100000}}").contains("random"));
        assert!(refuses("{{decode_hex \"zz\"}}").contains("decode_hex"));
        assert!(refuses("").contains("missing"));
    }

    #[test]
    fn templates_without_randomness_are_told_apart() {
        assert!(Template::parse("x{{random 5}}").unwrap().draws_random());
        assert!(Template::parse("{{.RoleName}}-{{ uuid | truncate 4 }}").unwrap().draws_random());
        assert!(!Template::parse("random-{{.RoleName}}-{{unix_time}}").unwrap().draws_random());
    }
}
