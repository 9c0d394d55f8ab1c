//! Configuration files: HCL 1 or JSON, several of them one after the other.
use lessor_core::barrier::Key;
use lessor_engine::duration;
use lessor_hcl::{Block, Body};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("error loading configuration from {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no HCL, or a value is of the wrong type.
    #[error("error loading configuration from {}: {source}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: lessor_hcl::Error,
    },
    /// A setting makes no sense.
    #[error("error loading configuration from {}: {reason}", path.display())]
    Value {
        /// Which.
        path: PathBuf,
        /// What would.
        reason: String,
    },
    /// Something that has to be there is not.
    #[error("{0}")]
    Missing(&'static str),
}

/// `storage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageConfig {
    /// Nothing survives the process.
    Memory,
    /// One directory.
    Embedded(PathBuf),
}

/// `listener "tcp"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: String,
    /// Certificate chain and key, unless TLS is disabled.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// `seal`.
#[derive(Clone)]
pub enum Seal {
    /// Key shares.
    Shamir,
    /// A key from a file or the environment.
    Static(Key),
}

/// All files together.
#[derive(Clone)]
pub struct Config {
    /// Where records lie.
    pub storage: Option<StorageConfig>,
    /// Where requests arrive.
    pub listeners: Vec<Listener>,
    /// How it is unsealed.
    pub seal: Seal,
    /// System default of lease TTLs.
    pub default_lease_ttl: Option<Duration>,
    /// System maximum of lease TTLs.
    pub max_lease_ttl: Option<Duration>,
    /// Shown by status endpoints.
    pub cluster_name: Option<String>,
    /// trace, debug, info, warn or error.
    pub log_level: Option<String>,
    /// `standard` or `json`.
    pub log_format: Option<String>,
    /// Starts without revoking anything; Lessor's own.
    pub paused: bool,
    /// Settings nobody reads, for a warning.
    pub unknown: Vec<String>,
}

/// Settings of Vault that have a meaning there and none here.
const WITHOUT_EFFECT: &[&str] = &[
    "api_addr",
    "cluster_addr",
    "disable_mlock",
    "disable_cache",
    "cache_size",
    "ui",
    "pid_file",
    "plugin_directory",
    "raw_storage_endpoint",
    "telemetry",
    "disable_clustering",
    "ha_storage",
    "ha_backend",
    "service_registration",
    "license_path",
    "user_lockout",
];
const KNOWN: &[&str] = &[
    "storage",
    "backend",
    "listener",
    "seal",
    "default_lease_ttl",
    "max_lease_ttl",
    "cluster_name",
    "log_level",
    "log_format",
    "start_paused",
];

impl Default for Config {
    fn default() -> Self {
        Self {
            storage: None,
            listeners: Vec::new(),
            seal: Seal::Shamir,
            default_lease_ttl: None,
            max_lease_ttl: None,
            cluster_name: None,
            log_level: None,
            log_format: None,
            paused: false,
            unknown: Vec::new(),
        }
    }
}

impl Config {
    /// Reads files, and every `.hcl` and `.json` of directories, in their order; later values win, lists grow.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file.
    pub fn load(paths: &[PathBuf]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for path in paths {
            for file in files(path)? {
                let text = std::fs::read_to_string(&file)
                    .map_err(|source| ConfigError::Read { path: file.clone(), source })?;
                let body =
                    lessor_hcl::parse(&text).map_err(|source| ConfigError::Syntax { path: file.clone(), source })?;
                config.merge(&body).map_err(|fault| fault.of(&file))?;
            }
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.storage.is_none() {
            return Err(ConfigError::Missing(
                "a storage backend must be specified: storage \"embedded\" { path = \"/var/lib/lessor\" }",
            ));
        }
        if self.listeners.is_empty() {
            return Err(ConfigError::Missing(
                "no listener is configured: listener \"tcp\" { address = \"127.0.0.1:8200\" ... }",
            ));
        }
        let max = self.max_lease_ttl.unwrap_or(lessor_core::settings::SYSTEM_TTL);
        if self.default_lease_ttl.is_some_and(|default| default > max) {
            return Err(ConfigError::Missing("default_lease_ttl is longer than max_lease_ttl"));
        }
        Ok(())
    }

    fn merge(&mut self, body: &Body) -> Result<(), Fault> {
        for name in ["storage", "backend"] {
            if let Some(block) = body.blocks(name, 1)?.first() {
                self.storage = Some(storage(block)?);
            }
        }
        for block in body.blocks("listener", 1)? {
            self.listeners.push(listener(&block)?);
        }
        if let Some(block) = body.blocks("seal", 1)?.first() {
            self.seal = seal(block)?;
        }
        let known: Vec<&str> = KNOWN.iter().chain(WITHOUT_EFFECT).copied().collect();
        self.unknown.extend(body.unknown(&known).map(|item| item.name().to_owned()));
        for (name, place) in
            [("default_lease_ttl", &mut self.default_lease_ttl), ("max_lease_ttl", &mut self.max_lease_ttl)]
        {
            if let Some(text) = body.string(name)? {
                *place = Some(duration::parse(text).map_err(|error| Fault::Value(format!("{name}: {error}")))?);
            }
        }
        for (name, place) in [
            ("cluster_name", &mut self.cluster_name),
            ("log_level", &mut self.log_level),
            ("log_format", &mut self.log_format),
        ] {
            if let Some(text) = body.string(name)? {
                *place = Some(text.to_owned());
            }
        }
        if let Some(paused) = body.bool("start_paused")? {
            self.paused = paused;
        }
        Ok(())
    }
}

enum Fault {
    Syntax(lessor_hcl::Error),
    Value(String),
}

impl From<lessor_hcl::Error> for Fault {
    fn from(error: lessor_hcl::Error) -> Self {
        Self::Syntax(error)
    }
}

impl Fault {
    fn of(self, path: &Path) -> ConfigError {
        let path = path.to_owned();
        match self {
            Self::Syntax(source) => ConfigError::Syntax { path, source },
            Self::Value(reason) => ConfigError::Value { path, reason },
        }
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let fail = |source| ConfigError::Read { path: path.to_owned(), source };
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fail)? {
        let file = entry.map_err(fail)?.path();
        if file.extension().is_some_and(|end| end == "hcl" || end == "json") {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

fn storage(block: &Block<'_>) -> Result<StorageConfig, Fault> {
    match block.label(0).unwrap_or_default() {
        "inmem" => Ok(StorageConfig::Memory),
        "embedded" | "file" | "raft" => match block.body.string("path")? {
            Some(path) => Ok(StorageConfig::Embedded(PathBuf::from(path))),
            None => Err(Fault::Value("storage: 'path' must be set".into())),
        },
        other => Err(Fault::Value(format!("unknown storage type {other}: use embedded or inmem"))),
    }
}

fn listener(block: &Block<'_>) -> Result<Listener, Fault> {
    if block.label(0) != Some("tcp") {
        return Err(Fault::Value("unknown listener type: use tcp".into()));
    }
    let address = block.body.string("address")?.unwrap_or("127.0.0.1:8200").to_owned();
    if block.body.bool("tls_disable")?.unwrap_or_default() {
        return Ok(Listener { address, tls: None });
    }
    match (block.body.string("tls_cert_file")?, block.body.string("tls_key_file")?) {
        (Some(certificate), Some(key)) => Ok(Listener { address, tls: Some((certificate.into(), key.into())) }),
        _ => {
            Err(Fault::Value("listener: 'tls_cert_file' and 'tls_key_file' must be set, or tls_disable = true".into()))
        }
    }
}

fn seal(block: &Block<'_>) -> Result<Seal, Fault> {
    match block.label(0).unwrap_or_default() {
        "shamir" => Ok(Seal::Shamir),
        "static" => {
            let text = block.body.string("current_key")?;
            static_key(text.ok_or_else(|| Fault::Value("seal: 'current_key' must be set".into()))?)
        }
        other => Err(Fault::Value(format!("unknown seal type {other}: use shamir or static"))),
    }
}

/// 32 bytes, raw, hexadecimal or base64; `env://VAR` and `file:///path` name where they stand.
fn static_key(text: &str) -> Result<Seal, Fault> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let bytes = if let Some(name) = text.strip_prefix("env://") {
        let value = std::env::var(name);
        value.map_err(|_| Fault::Value(format!("seal: the environment has no {name}")))?.into_bytes()
    } else if let Some(path) = text.strip_prefix("file://") {
        std::fs::read(path).map_err(|error| Fault::Value(format!("seal: {path}: {error}")))?
    } else {
        text.as_bytes().to_vec()
    };
    let trimmed = bytes.trim_ascii();
    let plain = [Some(bytes.clone()), hex::decode(trimmed).ok(), STANDARD.decode(trimmed).ok()];
    let key = plain.into_iter().flatten().find_map(|bytes| Key::from_bytes(&bytes));
    key.map(Seal::Static)
        .ok_or_else(|| Fault::Value("seal: the key is not 32 bytes, raw, hexadecimal or base64".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(&[file.path().to_owned()]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_configuration_of_vault_is_read() {
        let config = load(
            "storage \"raft\" { path = \"/data\" node_id = \"a\" }\n listener \"tcp\" { address = \"0.0.0.0:8200\" tls_disable = 1 }\n\
             api_addr = \"http://x\"\n disable_mlock = true\n max_lease_ttl = \"10h\"\n frobnicate = 1",
        )
        .unwrap();
        assert_eq!(config.storage, Some(StorageConfig::Embedded("/data".into())));
        assert_eq!(config.listeners, [Listener { address: "0.0.0.0:8200".into(), tls: None }]);
        assert_eq!(config.max_lease_ttl, Some(Duration::from_secs(36_000)));
        assert_eq!(config.unknown, ["frobnicate"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(load("").err().unwrap().contains("a storage backend must be specified"));
        let listener = load("storage \"inmem\" {}\n listener \"tcp\" {}").err().unwrap();
        assert!(listener.contains("tls_cert_file"), "{listener}");
        assert!(load("storage \"papyrus\" {}").err().unwrap().contains("unknown storage type papyrus"));
        assert!(load("seal \"static\" { current_key = \"short\" }").err().unwrap().contains("32 bytes"));
    }
}
