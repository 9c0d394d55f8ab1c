//! From a connection text to a server of PostgreSQL: what the text says, TLS by libpq's modes, one connection.
mod options;
mod tls;

use options::{take_pairs, take_url_options};
use std::time::Duration;
use tokio_postgres::{Client, Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Why a text is no way to a server. It carries no part of the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// The result of reading a text.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// PEM texts that are given beside the URL; each one beats the file the URL names.
#[derive(Clone, Copy, Default)]
pub struct Pem<'a> {
    /// Whom to trust.
    pub ca: &'a str,
    /// The client's certificate.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a str,
}

/// How a server is reached.
#[derive(Clone)]
pub struct Server {
    /// What the driver connects by.
    pub config: Config,
    tls: Option<MakeRustlsConnect>,
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

/// Whether the text is a URL, and not `key=value` pairs.
pub fn is_url(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("postgres://") || text.starts_with("postgresql://")
}

impl Server {
    /// Reads a URL or `key=value` pairs as libpq knows them, `sslmode` and its files included.
    ///
    /// # Errors
    /// When the text makes no sense, or a file it names cannot be read.
    pub fn parse(text: &str, pem: Pem<'_>, timeout: Duration) -> Result<Self> {
        let (rest, options) = if is_url(text) { take_url_options(text) } else { take_pairs(text) };
        let mut config: Config = rest.parse().map_err(|_| {
            // The driver's text may quote what it could not read, and that may be a password.
            Error::new("unable to parse connection url: expected postgresql://user:password@host:port/database or key=value pairs")
        })?;
        if config.get_application_name().is_none() {
            config.application_name("lessor");
        }
        config.connect_timeout(timeout);
        let mode = options.mode.as_deref().unwrap_or("prefer");
        config.ssl_mode(match mode {
            "disable" => SslMode::Disable,
            "prefer" | "allow" => SslMode::Prefer,
            "require" | "verify-ca" | "verify-full" => SslMode::Require,
            other => {
                return Err(Error::new(format!(
                    "sslmode {other:?} is not known: use disable, prefer, require, verify-ca or verify-full"
                )));
            }
        });
        let tls = (mode != "disable")
            .then(|| {
                tls::connector(&tls::Wanted {
                    mode,
                    ca: tls::pem(pem.ca, options.root_cert.as_deref())?,
                    certificate: tls::pem(pem.certificate, options.cert.as_deref())?,
                    key: tls::pem(pem.key, options.key.as_deref())?,
                })
            })
            .transpose()?;
        Ok(Self { config, tls })
    }

    /// Whether a connection may use TLS.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Opens a connection within `timeout`. It ends when the client is dropped.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn open(&self, timeout: Duration) -> Result<Client, OpenError> {
        tokio::time::timeout(timeout, self.open_unbounded()).await.unwrap_or(Err(OpenError::Timeout))
    }

    async fn open_unbounded(&self) -> Result<Client, OpenError> {
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
}

/// Ends with the client, or with the server; whoever uses the client learns of an error there.
async fn drive(connection: impl Future<Output = std::result::Result<(), tokio_postgres::Error>>) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a database connection ended");
    }
}
