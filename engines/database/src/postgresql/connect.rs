//! From `connection_url` to a server: parsing, filling in the account, and opening one connection.
use super::{error, tls};
use crate::plugin::Details;
use lessor_engine::{Error, Result, Secret};
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a server may take until it accepts a connection and the login.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a server is reached.
#[derive(Clone)]
pub struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// The URL takes the password from the configuration, so a rotated one is used.
    pub password_is_filled_in: bool,
}

/// The text under a key; numbers and booleans as their text.
pub fn text(details: &Details, key: &str) -> String {
    match details.get(key) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// The boolean under a key, in any of its spellings.
pub fn flag(details: &Details, key: &str) -> bool {
    matches!(text(details, key).to_ascii_lowercase().as_str(), "true" | "1" | "t")
}

impl Target {
    /// Reads the details.
    ///
    /// # Errors
    /// When they make no sense. The text never carries any part of the URL.
    pub fn parse(details: &Details) -> Result<Self> {
        let url = text(details, "connection_url");
        if url.trim().is_empty() {
            return Err(Error::invalid("connection_url cannot be empty"));
        }
        let (username, password) = (text(details, "username"), text(details, "password"));
        for (name, value) in [("username", &username), ("password", &password)] {
            if ["{{username}}", "{{name}}", "{{password}}"].iter().any(|word| value.contains(word)) {
                return Err(Error::invalid(format!("{name} must not hold a template variable")));
            }
        }
        let is_url = url.trim_start().starts_with("postgres://") || url.trim_start().starts_with("postgresql://");
        let escape = |value: &str| match (flag(details, "disable_escaping"), is_url) {
            (true, _) => value.to_owned(),
            (false, true) => percent_encode(value),
            (false, false) => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
        };
        let filled = url
            .replace("{{username}}", &escape(&username))
            .replace("{{name}}", &escape(&username))
            .replace("{{password}}", &escape(&password));
        let (rest, options) = if is_url { take_url_options(&filled) } else { take_pairs(&filled) };
        let mut config: Config = rest.parse().map_err(|_| {
            // The driver's text may quote what it could not read, and that may be a password.
            Error::invalid("unable to parse connection url: expected postgresql://user:password@host:port/database or key=value pairs")
        })?;
        if config.get_user().is_none() && !username.is_empty() {
            config.user(username);
        }
        let mut password_is_filled_in = url.contains("{{password}}");
        if config.get_password().is_none() && !password.is_empty() {
            config.password(password);
            password_is_filled_in = true;
        }
        if config.get_application_name().is_none() {
            config.application_name("lessor");
        }
        config.connect_timeout(CONNECT_TIMEOUT);
        let mode = options.mode.as_deref().unwrap_or("prefer");
        config.ssl_mode(match mode {
            "disable" => SslMode::Disable,
            "prefer" | "allow" => SslMode::Prefer,
            "require" | "verify-ca" | "verify-full" => SslMode::Require,
            other => {
                return Err(Error::invalid(format!(
                    "sslmode {other:?} is not known: use disable, prefer, require, verify-ca or verify-full"
                )));
            }
        });
        let tls = (mode != "disable")
            .then(|| {
                tls::connector(&tls::Wanted {
                    mode,
                    ca: tls::pem(&text(details, "tls_ca"), options.root_cert.as_deref())?,
                    certificate: tls::pem(&text(details, "tls_certificate"), options.cert.as_deref())?,
                    key: tls::pem(&text(details, "private_key"), options.key.as_deref())?,
                })
            })
            .transpose()?;
        Ok(Self { config, tls, password_is_filled_in })
    }

    /// The account connections are made with.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }
    /// The same server, as another account.
    #[must_use]
    pub fn as_user(&self, user: &str, password: &Secret) -> Self {
        let mut target = self.clone();
        target.config.user(user).password(password.expose());
        target
    }
    /// The same server with another password.
    #[must_use]
    pub fn with_password(&self, password: &Secret) -> Self {
        let mut target = self.clone();
        target.config.password(password.expose());
        target
    }
    /// Another database of the same server.
    #[must_use]
    pub fn in_database(&self, name: &str) -> Self {
        let mut target = self.clone();
        target.config.dbname(name);
        target
    }
    /// What must not be shown.
    fn secret(&self) -> &str {
        self.config.get_password().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Opens a connection. It ends when the client is dropped.
    pub async fn open(&self) -> std::result::Result<Client, OpenError> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.open_unbounded()).await.unwrap_or(Err(OpenError::Timeout))
    }
    async fn open_unbounded(&self) -> std::result::Result<Client, OpenError> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                tokio::spawn(drive(connection));
                Ok(client)
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(drive(connection));
                Ok(client)
            }
        }
    }
    /// The engine's word for a connection that was not made.
    pub fn explain(&self, error: &OpenError) -> Error {
        match error {
            OpenError::Timeout => Error::Unavailable(format!(
                "error connecting to the database: no answer within {} s",
                CONNECT_TIMEOUT.as_secs()
            )),
            OpenError::Driver(cause) => error::map("error connecting to the database", cause, &[self.secret()]),
        }
    }
}

/// Why there is no connection.
pub enum OpenError {
    /// Nobody answered in time.
    Timeout,
    /// What the driver or the server said.
    Driver(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Driver(error)
    }
}

/// Ends with the client, or with the server; whoever uses the client learns of an error there.
async fn drive(connection: impl Future<Output = std::result::Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a database connection ended");
    }
}

/// Options that the driver does not know.
#[derive(Default)]
struct Options {
    mode: Option<String>,
    root_cert: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

impl Options {
    /// Whether the option is taken here (or means nothing to Lessor) instead of by the driver.
    fn take(&mut self, key: &str, value: &str) -> bool {
        match key {
            "sslmode" => self.mode = Some(value.to_owned()),
            "sslrootcert" => self.root_cert = Some(value.to_owned()),
            "sslcert" => self.cert = Some(value.to_owned()),
            "sslkey" => self.key = Some(value.to_owned()),
            // Other drivers' tuning; the session's time zone does not matter because every time sent names its own.
            "timezone"
            | "TimeZone"
            | "sslpassword"
            | "sslsni"
            | "default_query_exec_mode"
            | "statement_cache_capacity"
            | "fallback_application_name"
            | "binary_parameters" => {}
            _ => return false,
        }
        true
    }
}

fn take_url_options(url: &str) -> (String, Options) {
    let mut options = Options::default();
    let Some((head, query)) = url.split_once('?') else { return (url.to_owned(), options) };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            !pair.is_empty() && !options.take(key, &percent_decode(value))
        })
        .collect();
    let rest = if kept.is_empty() { head.to_owned() } else { format!("{head}?{}", kept.join("&")) };
    (rest, options)
}

/// `key=value key='quoted value'`, as libpq writes it.
fn take_pairs(text: &str) -> (String, Options) {
    let (mut options, mut rest) = (Options::default(), String::new());
    let mut left = text.trim_start();
    while let Some((key, after)) = left.split_once('=') {
        let after = after.trim_start();
        let (mut end, mut value, mut quoted, mut escaped) = (after.len(), String::new(), false, false);
        for (at, c) in after.char_indices() {
            match c {
                _ if escaped => {
                    value.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '\'' => quoted = !quoted,
                c if c.is_whitespace() && !quoted => {
                    end = at;
                    break;
                }
                c => value.push(c),
            }
        }
        if !options.take(key.trim(), &value) {
            rest.push_str(&format!("{}={} ", key.trim(), &after[..end]));
        }
        left = after[end..].trim_start();
    }
    // What is left has no "=": the driver refuses it.
    rest.push_str(left);
    (rest, options)
}

fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

fn percent_decode(text: &str) -> String {
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    let raw = text.as_bytes();
    while at < raw.len() {
        let hex = (raw[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            at += 3;
        } else {
            bytes.push(raw[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::needless_pass_by_value, reason = "json!() values are written in place")]
    use super::*;
    use serde_json::json;

    fn target(details: serde_json::Value) -> Result<Target> {
        Target::parse(details.as_object().unwrap())
    }

    #[test]
    fn every_printable_character_reaches_the_server_from_both_forms() {
        let odd: String = (' '..='~').collect();
        for url in
            ["postgresql://{{username}}:{{password}}@h/d", "host=h user={{username}} password={{password}} dbname=d"]
        {
            let target = target(json!({"connection_url": url, "username": "ro ot", "password": odd})).unwrap();
            assert_eq!((target.user(), target.secret()), ("ro ot", odd.as_str()), "{url}");
        }
    }

    #[test]
    fn options_of_other_drivers_and_tls_modes_are_taken_out() {
        for url in [
            "postgres://u:p@h1:1,h2:2/d?sslmode=verify-full&connect_timeout=3&target_session_attrs=read-write",
            "host=h1,h2 port=1,2 user=u sslmode='verify-full' password='a b' dbname=d",
        ] {
            let target = target(json!({"connection_url": url})).unwrap();
            assert_eq!((target.config.get_hosts().len(), target.config.get_dbname()), (2, Some("d")), "{url}");
            assert!(target.tls.is_some() && target.config.get_ssl_mode() == SslMode::Require);
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_showing_it() {
        for url in ["", "postgres://u:hunter2@h:port/d", "host=h hunter2", "postgres://u:hunter2@h/d?sslmode=hunter"] {
            let error = target(json!({"connection_url": url})).err().unwrap().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(target(json!({"connection_url": "host=h", "username": "{{password}}"})).is_err());
    }
}
