//! What a `storage "postgresql"` stanza says.
use lessor_postgres::{Pem, Server};
use lessor_storage::Stanza;
use std::time::Duration;

/// How long a server may take until it accepts a connection and the login.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Every field that is read.
pub(crate) const FIELDS: &[&str] = &[
    "connection_url",
    "table",
    "max_parallel",
    "max_idle_connections",
    "max_connect_retries",
    "skip_create_table",
    // Of Vault and OpenBao, without a meaning here.
    "ha_enabled",
    "ha_table",
    "upsert_function",
];
const URL_VARIABLES: [&str; 3] = ["LESSOR_PG_CONNECTION_URL", "VAULT_PG_CONNECTION_URL", "BAO_PG_CONNECTION_URL"];
/// The longest name an object of PostgreSQL has, less what is put behind the table's for the others.
const LONGEST_TABLE: usize = 63 - "_sessions".len();

/// The stanza, read.
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) names: Names,
    /// Connections at once.
    pub(crate) parallel: usize,
    /// Connections that are kept when nobody needs them.
    pub(crate) idle: usize,
    /// Attempts to connect at the start, after the first.
    pub(crate) connect_retries: usize,
    /// The schema was made by somebody else.
    pub(crate) skip_create: bool,
}

impl Settings {
    /// Reads the stanza; variables of the environment win over `connection_url`, as in Vault.
    pub(crate) fn read(stanza: &Stanza, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let variable = URL_VARIABLES.iter().find_map(|name| environment(name).filter(|url| !url.is_empty()));
        let given = variable.or_else(|| stanza.text("connection_url").map(str::to_owned));
        let Some(url) = given else {
            return Err(
                "'connection_url' must be set, or LESSOR_PG_CONNECTION_URL: postgresql://user:password@host:5432/database"
                    .to_owned(),
            );
        };
        let mut server = Server::parse(&url, Pem::default(), CONNECT_TIMEOUT)
            .map_err(|error| error.to_string().replace("tls_ca", "sslrootcert"))?;
        server.config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(30));
        let parallel = match stanza.number("max_parallel")? {
            None | Some(0) => DEFAULT_PARALLEL,
            Some(given) => given,
        };
        let idle = match stanza.number("max_idle_connections")? {
            None | Some(0) => parallel,
            Some(given) => given.min(parallel),
        };
        Ok(Self {
            server,
            names: Names::of(stanza.text("table").unwrap_or("lessor_kv_store"))?,
            parallel,
            idle,
            connect_retries: stanza.number("max_connect_retries")?.unwrap_or(1),
            skip_create: stanza.flag("skip_create_table")?.unwrap_or(false),
        })
    }
}

/// A server of PostgreSQL takes 100 connections as delivered, and three nodes should fit.
const DEFAULT_PARALLEL: usize = 24;

/// The quoted names of everything in the database.
#[derive(Clone)]
pub(crate) struct Names {
    /// As the operator wrote it.
    pub(crate) table: String,
    /// Of the schema, if one was named.
    pub(crate) schema: Option<String>,
    base: String,
}

impl Names {
    fn of(table: &str) -> Result<Self, String> {
        let (schema, base) = match table.split_once('.') {
            Some((schema, base)) => (Some(schema.to_owned()), base.to_owned()),
            None => (None, table.to_owned()),
        };
        if schema.iter().chain([&base]).any(|part| part.is_empty() || part.contains(['\0', '.'])) {
            return Err(format!("table {table:?} is no name: use name or schema.name"));
        }
        if base.len() > LONGEST_TABLE {
            return Err(format!("the name of the table is too long: use {LONGEST_TABLE} bytes at most"));
        }
        Ok(Self { table: table.to_owned(), schema, base })
    }
    fn with(&self, end: &str) -> String {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let name = quoted(&format!("{}{end}", self.base));
        self.schema.as_deref().map_or(name.clone(), |schema| format!("{}.{name}", quoted(schema)))
    }
    pub(crate) fn entries(&self) -> String {
        self.with("")
    }
    pub(crate) fn versions(&self) -> String {
        self.with("_versions")
    }
    pub(crate) fn sessions(&self) -> String {
        self.with("_sessions")
    }
    pub(crate) fn layout(&self) -> String {
        self.with("_layout")
    }
    /// The number is that of the layout which brought this form of the function: nodes of two versions can work side
    /// by side.
    pub(crate) fn commit(&self) -> String {
        self.with("_commit_2")
    }
    /// Puts the names into a statement.
    pub(crate) fn fill(&self, sql: &str) -> String {
        let text = format!("'{}'", self.versions().replace('\'', "''"));
        sql.replace("{entries}", &self.entries())
            .replace("{versions}", &self.versions())
            .replace("{versions_text}", &text)
            .replace("{sessions}", &self.sessions())
            .replace("{layout}", &self.layout())
            .replace("{commit}", &self.commit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stanza: &Stanza) -> Result<Settings, String> {
        Settings::read(stanza, &|_| None)
    }

    #[test]
    fn what_makes_no_sense_is_named_and_no_password_is_shown() {
        let url = |url: &str| Stanza::new("postgresql").with("connection_url", url);
        let good = "postgres://u:hunter2@h/d";
        for (stanza, expected) in [
            (Stanza::new("postgresql"), "'connection_url' must be set"),
            (url("postgres://u:hunter2@h:port/d"), "unable to parse"),
            (url("postgres://u:hunter2@h/d?sslmode=sure"), "sslmode"),
            (url("postgres://u:hunter2@h/d?sslrootcert=/nowhere"), "/nowhere"),
            (url(good).with("max_parallel", "many"), "max_parallel must be a whole number"),
            (url(good).with("table", "a.b.c"), "use name or schema.name"),
            (url(good).with("table", "x".repeat(60)), "too long"),
            (url(good).with("skip_create_table", "maybe"), "skip_create_table must be true or false"),
        ] {
            let error = read(&stanza).err().unwrap();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
        assert!(!format!("{:?}", url(good)).contains("hunter2"));
    }

    #[test]
    fn the_environment_gives_the_url_and_names_are_quoted() {
        let stanza = Stanza::new("postgresql").with("table", "a b.c\"d'e").with("max_idle_connections", "2");
        let settings =
            Settings::read(&stanza, &|name| (name == "VAULT_PG_CONNECTION_URL").then(|| "host=h".to_owned()))
                .ok()
                .unwrap();
        assert_eq!((settings.parallel, settings.idle), (DEFAULT_PARALLEL, 2));
        assert_eq!(settings.names.fill("{entries} {versions_text}"), r#""a b"."c""d'e" '"a b"."c""d''e_versions"'"#);
    }
}
