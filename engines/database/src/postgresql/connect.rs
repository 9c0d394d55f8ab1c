//! From `connection_url` to a server: parsing, filling in the account, and opening one connection.
use super::error;
use crate::plugin::Details;
use lessor_engine::{Error, Result, Secret};
pub use lessor_postgres::OpenError;
use lessor_postgres::{Pem, Server};
use std::time::Duration;
use tokio_postgres::Client;

/// How long a server may take until it accepts a connection and the login.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a server is reached.
#[derive(Clone)]
pub struct Target {
    server: Server,
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
        let is_url = lessor_postgres::is_url(&url);
        let escape = |value: &str| match (flag(details, "disable_escaping"), is_url) {
            (true, _) => value.to_owned(),
            (false, true) => percent_encode(value),
            (false, false) => format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
        };
        let filled = url
            .replace("{{username}}", &escape(&username))
            .replace("{{name}}", &escape(&username))
            .replace("{{password}}", &escape(&password));
        let pem = Pem {
            ca: &text(details, "tls_ca"),
            certificate: &text(details, "tls_certificate"),
            key: &text(details, "private_key"),
        };
        let mut server =
            Server::parse(&filled, pem, CONNECT_TIMEOUT).map_err(|error| Error::invalid(error.to_string()))?;
        let config = &mut server.config;
        if config.get_user().is_none() && !username.is_empty() {
            config.user(username);
        }
        let mut password_is_filled_in = url.contains("{{password}}");
        if config.get_password().is_none() && !password.is_empty() {
            config.password(password);
            password_is_filled_in = true;
        }
        Ok(Self { server, password_is_filled_in })
    }

    /// The account connections are made with.
    pub fn user(&self) -> &str {
        self.server.config.get_user().unwrap_or_default()
    }
    /// The same server, as another account.
    #[must_use]
    pub fn as_user(&self, user: &str, password: &Secret) -> Self {
        let mut target = self.clone();
        target.server.config.user(user).password(password.expose());
        target
    }
    /// The same server with another password.
    #[must_use]
    pub fn with_password(&self, password: &Secret) -> Self {
        let mut target = self.clone();
        target.server.config.password(password.expose());
        target
    }
    /// Another database of the same server.
    #[must_use]
    pub fn in_database(&self, name: &str) -> Self {
        let mut target = self.clone();
        target.server.config.dbname(name);
        target
    }
    /// What must not be shown.
    fn secret(&self) -> &str {
        self.server.config.get_password().and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Opens a connection. It ends when the client is dropped.
    pub async fn open(&self) -> std::result::Result<Client, OpenError> {
        self.server.open(CONNECT_TIMEOUT).await
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

#[cfg(test)]
mod tests {
    #![allow(clippy::needless_pass_by_value, reason = "json!() values are written in place")]
    use super::*;
    use serde_json::json;
    use tokio_postgres::config::SslMode;

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
            assert_eq!(
                (target.server.config.get_hosts().len(), target.server.config.get_dbname()),
                (2, Some("d")),
                "{url}"
            );
            assert!(target.server.has_tls() && target.server.config.get_ssl_mode() == SslMode::Require);
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
