//! Configuration files: HCL 1 or JSON, several of them one after the other.
mod gates;
mod headers;
mod listener;
mod log;
mod migrate;
mod places;
mod seal;
mod stanzas;
mod storage;
mod tls;
mod value;

pub use gates::{Gates, Metrics};
pub use headers::ResponseHeaders;
pub use listener::{
    Address, Decoder, Forwarded, JsonLimits, Limits, Listener, ProxyBehaviour, ProxyProtocol, Redact, UnixSocket,
};
pub use log::LogConfig;
pub(crate) use log::parse_level;
pub use migrate::MigrateConfig;
pub use seal::SealSetup;
pub use storage::StorageSetup;
pub(crate) use tls::suite;
pub use tls::{ClientCertificates, Tls, Versions};

use lessor_core::audit::Declared;
use lessor_core::settings::{Lockouts, TelemetryConfig};
use lessor_hcl::Body;
use lessor_storage::Kinds;
use places::{KNOWN, Places};
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
    /// Something that has to be there is not, or two settings do not go together.
    #[error("{0}")]
    Missing(&'static str),
}

/// All files together.
#[derive(Clone, Default)]
pub struct Config {
    /// Where records lie.
    pub storage: Option<StorageSetup>,
    /// Where requests arrive.
    pub listeners: Vec<Listener>,
    /// How it is unsealed.
    pub seal: SealSetup,
    /// System default of lease TTLs.
    pub default_lease_ttl: Option<Duration>,
    /// System maximum of lease TTLs.
    pub max_lease_ttl: Option<Duration>,
    /// Bound of requests on listeners that name none of their own.
    pub request_duration: Option<Duration>,
    /// Shown by status endpoints.
    pub cluster_name: Option<String>,
    /// Where clients reach this node.
    pub api_addr: Option<String>,
    /// What is logged, and where to.
    pub log: LogConfig,
    /// Holds the process id while the server runs.
    pub pid_file: Option<PathBuf>,
    /// Puts the host's name into every answer.
    pub hostname_header: bool,
    /// Lets holders of key shares rekey without a token.
    pub open_rekey: bool,
    /// Lets holders of key shares generate a root token without a token.
    pub open_generate_root: bool,
    /// Serves `sys/raw`.
    pub raw_storage_endpoint: bool,
    /// Serves `sys/internal/inspect`.
    pub introspection_endpoint: bool,
    /// Serves the web UI.
    pub ui: bool,
    /// `telemetry`.
    pub telemetry: TelemetryConfig,
    /// `user_lockout`.
    pub lockouts: Lockouts,
    /// Audit devices that the file declares.
    pub audit: Vec<Declared>,
    /// Starts without revoking anything; Lessor's own.
    pub paused: bool,
    /// What is wrong but keeps nobody from starting.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads files, and every `.hcl` and `.json` of directories, in their order; later values win, lists grow.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file. Storage is checked by the kinds there are.
    pub fn load(paths: &[PathBuf], kinds: &Kinds) -> Result<Self, ConfigError> {
        let mut config = Self::read(paths)?;
        if let Some(storage) = &config.storage {
            config.warnings.extend(storage.check(kinds)?);
        }
        config.check()?;
        Ok(config)
    }

    /// The same, with storage and listeners left to the caller (dev mode has its own).
    ///
    /// # Errors
    /// The first thing that is wrong, with its file.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for path in paths {
            for file in files(path)? {
                let text = std::fs::read_to_string(&file)
                    .map_err(|source| ConfigError::Read { path: file.clone(), source })?;
                config.add(&file, &text)?;
            }
        }
        config.seal.fill(&environment).map_err(|fault| fault.of(Path::new("VAULT_SEAL_TYPE")))?;
        Ok(config)
    }

    /// Puts the text of one file over what was read before.
    ///
    /// # Errors
    /// The first thing that is wrong; `file` is what the error names.
    pub fn add(&mut self, file: &Path, text: &str) -> Result<(), ConfigError> {
        let body = lessor_hcl::parse(text).map_err(|source| ConfigError::Syntax { path: file.to_owned(), source })?;
        self.merge(file, &body).map_err(|fault| fault.of(file))
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

    fn merge(&mut self, file: &Path, body: &Body) -> Result<(), Fault> {
        let mut places = Places::new(file);
        places.unknown(body, KNOWN);
        places.duplicates(body);
        for name in ["storage", "backend"] {
            if let Some(block) = body.blocks(name, 1)?.first() {
                self.storage = Some(StorageSetup::read(block, &places)?);
            }
        }
        for family in value::list(body, "enable_unauthenticated_access")? {
            match family.as_str() {
                "rekey" => self.open_rekey = true,
                "generate-root" => self.open_generate_root = true,
                // There are no operation tokens here that could be opened.
                "generate-operation-token" => {}
                other => {
                    let accepted = "use rekey, generate-root or generate-operation-token";
                    return Err(Fault::Value(format!("enable_unauthenticated_access: unknown '{other}': {accepted}")));
                }
            }
        }
        if let Some(duration) = value::duration(body, "default_max_request_duration")? {
            self.request_duration = Some(duration);
        }
        let request_duration = self.request_duration.unwrap_or(Limits::default().request_duration);
        for block in body.blocks("listener", 1)? {
            let listener = listener::listener(&block, request_duration, &mut places)?;
            self.open_rekey |= listener.open_rekey;
            self.open_generate_root |= listener.open_generate_root;
            self.listeners.push(listener);
        }
        self.seal.merge(&body.blocks("seal", 1)?, &environment)?;
        for block in body.blocks("telemetry", 0)? {
            self.telemetry = stanzas::telemetry(&block, &mut places)?;
        }
        for block in body.blocks("user_lockout", 1)? {
            stanzas::lockout(&block, &mut self.lockouts, &mut places)?;
        }
        for block in body.blocks("audit", 2)? {
            self.audit.push(stanzas::audit(&block, &mut places)?);
        }
        self.log.merge(body)?;
        self.values(body)?;
        self.warnings.append(&mut places.warnings);
        Ok(())
    }

    fn values(&mut self, body: &Body) -> Result<(), Fault> {
        for (name, place) in
            [("default_lease_ttl", &mut self.default_lease_ttl), ("max_lease_ttl", &mut self.max_lease_ttl)]
        {
            if let Some(given) = value::duration(body, name)? {
                *place = Some(given);
            }
        }
        for (name, place) in [("cluster_name", &mut self.cluster_name), ("api_addr", &mut self.api_addr)] {
            if let Some(text) = value::text(body, name)? {
                *place = Some(text);
            }
        }
        if let Some(path) = value::text(body, "pid_file")?.filter(|path| !path.is_empty()) {
            self.pid_file = Some(path.into());
        }
        for (name, place) in [
            ("enable_response_header_hostname", &mut self.hostname_header),
            ("raw_storage_endpoint", &mut self.raw_storage_endpoint),
            ("introspection_endpoint", &mut self.introspection_endpoint),
            ("ui", &mut self.ui),
            ("start_paused", &mut self.paused),
        ] {
            if let Some(given) = body.bool(name)? {
                *place = given;
            }
        }
        Ok(())
    }

    /// Puts the variables of the environment over the files, where Vault reads them.
    pub fn apply_environment(&mut self, get: impl Fn(&str) -> Option<String>) {
        let first = |names: &[&str]| names.iter().find_map(|name| variable(name, &get));
        if let Some(address) = first(&["VAULT_API_ADDR", "VAULT_REDIRECT_ADDR", "VAULT_ADVERTISE_ADDR"]) {
            self.api_addr = Some(address);
        }
        if let Some(ui) = first(&["VAULT_UI"]) {
            self.ui = matches!(ui.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True");
        }
    }
}

fn environment(name: &str) -> Option<String> {
    let get = |name: &str| std::env::var(name).ok();
    // These say where the command line goes: a seal takes them only under the name that Vault gives them for seals.
    if matches!(name, "VAULT_ADDR" | "VAULT_TOKEN" | "VAULT_NAMESPACE") { get(name) } else { variable(name, get) }
}

/// A variable of Vault's, which may also be set under the prefix of Lessor or OpenBao; an empty one is not set.
fn variable(name: &str, get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &str| get(name).filter(|value| !value.is_empty());
    let Some(rest) = name.strip_prefix("VAULT_") else { return set(name) };
    ["LESSOR_", "BAO_", "VAULT_"].iter().find_map(|prefix| set(&format!("{prefix}{rest}")))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(&[file.path().to_owned()], &Kinds::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_configuration_of_vault_is_read() {
        let config = load(
            "storage \"raft\" { path = \"/data\" node_id = \"a\" }\n listener \"tcp\" { address = \"0.0.0.0:8200\" tls_disable = 1 }\n\
             api_addr = \"http://x\"\n disable_mlock = true\n max_lease_ttl = \"10h\"\n license_path = \"/l\"\n\
             default_lease_ttl = 60\n ui = \"true\"",
        )
        .unwrap();
        let storage = config.storage.unwrap().stanza;
        assert_eq!((storage.kind.as_str(), storage.text("path")), ("raft", Some("/data")));
        assert_eq!(config.listeners, [Listener::plain("0.0.0.0:8200")]);
        assert_eq!(config.max_lease_ttl, Some(Duration::from_secs(36_000)));
        assert_eq!(config.default_lease_ttl, Some(Duration::from_secs(60)));
        assert_eq!(config.api_addr.as_deref(), Some("http://x"));
        assert!(config.ui);
        assert_eq!(config.warnings, [""; 0]);
    }

    #[test]
    fn what_is_unknown_or_written_twice_is_warned_of_with_its_place() {
        let config = load(
            "storage \"inmem\" { fr = [1, {}] }\nlistener \"tcp\" {\n  tls_disable = 1\n  frobnicate = 1\n}\nfrob = 2\n\
             ui = true\nui = false",
        )
        .unwrap();
        let ends = ["unknown or unsupported field frob found in configuration at ", ":6:1"];
        assert!(config.warnings.iter().any(|text| text.starts_with(ends[0]) && text.ends_with(ends[1])));
        assert!(config.warnings.iter().any(|text| text.contains("field fr found") && text.ends_with(":1:19")));
        assert!(config.warnings.iter().any(|text| text.contains("field frobnicate") && text.ends_with(":4:3")));
        assert!(config.warnings.iter().any(|text| text.contains("ui") && text.ends_with(":8:1")));
        assert!(!config.ui);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(load("").err().unwrap().contains("a storage backend must be specified"));
        let listener = load("storage \"inmem\" {}\n listener \"tcp\" {}").err().unwrap();
        assert!(listener.contains("tls_cert_file"), "{listener}");
        assert!(
            load("storage \"papyrus\" {}").err().unwrap().contains("unknown storage type papyrus: use embedded, inmem")
        );
        assert!(load("storage \"file\" {}").err().unwrap().contains("storage \"file\": 'path' must be set"));
        assert!(load("seal \"static\" { current_key = \"short\" }").err().unwrap().contains("32 bytes"));
        let network = load("listener \"tcp\" { tls_disable = 1\n x_forwarded_for_authorized_addrs = \"10.0.0.0/99\" }");
        assert!(network.err().unwrap().contains("x_forwarded_for_authorized_addrs: '10.0.0.0/99' is no network"));
    }

    #[test]
    fn listeners_take_the_keys_of_vault() {
        let config = load(
            r#"storage "inmem" {}
            default_max_request_duration = "10s"
            listener "tcp" {
              address = "127.0.0.1:1" tls_disable = "true" http_read_timeout = "5s" max_request_size = -1
              max_json_depth = "7" x_forwarded_for_authorized_addrs = "10.0.0.0/8,::1"
              x_forwarded_for_hop_skips = "1" redact_version = 1 proxy_protocol_behavior = "use_always"
              telemetry { unauthenticated_metrics_access = true }
            }
            listener "unix" { address = "/run/l.sock" socket_mode = "0600" socket_user = "root" }"#,
        )
        .unwrap();
        let [tcp, unix] = config.listeners.as_slice() else { panic!("two listeners") };
        assert_eq!(tcp.limits.read, Duration::from_secs(5));
        assert_eq!(tcp.limits.request_size, None);
        assert_eq!(tcp.limits.json.depth, Some(7));
        assert_eq!(tcp.limits.request_duration, Duration::from_secs(10));
        let forwarded = tcp.forwarded.as_ref().unwrap();
        assert_eq!((forwarded.authorized.len(), forwarded.hop_skips), (2, 1));
        assert!(tcp.redact.version && tcp.gates.metrics.open && tcp.proxy_protocol.is_some());
        let Address::Unix(socket) = &unix.at else { panic!("a unix socket") };
        assert_eq!((socket.mode, socket.user.as_deref()), (Some(0o600), Some("root")));
        assert_eq!(unix.tls, None);
    }

    #[test]
    fn stanzas_of_telemetry_lockout_and_audit_are_typed() {
        let config = load(
            r#"storage "inmem" {}
            listener "tcp" { tls_disable = 1 }
            telemetry { prometheus_retention_time = "30s" metrics_prefix = "lessor" prefix_filter = ["-lessor.route"]
              statsd_address = "x:1" }
            user_lockout "all" { lockout_threshold = "3" }
            user_lockout "userpass" { lockout_duration = "1h" }
            audit "file" "to-file" { description = "d" options { file_path = "/tmp/a" mode = "0600" } }"#,
        )
        .unwrap();
        assert_eq!(config.telemetry.prometheus_retention, Duration::from_secs(30));
        assert!(!config.telemetry.keeps("lessor.route.read"));
        let userpass = config.lockouts.of("userpass");
        assert_eq!((userpass.lockout_threshold, userpass.lockout_duration), (3, 3600));
        assert_eq!(config.lockouts.of("ldap").lockout_threshold, 3);
        assert_eq!(config.audit[0].options["file_path"], "/tmp/a");
        assert!(config.warnings.iter().any(|text| text.contains("statsd_address has no effect")));
    }

    #[test]
    fn the_environment_goes_over_the_files() {
        let mut config = Config { api_addr: Some("http://file".into()), ..Config::default() };
        config.apply_environment(|name| (name == "VAULT_REDIRECT_ADDR").then(|| "http://env".to_owned()));
        assert_eq!(config.api_addr.as_deref(), Some("http://env"));
        let ours =
            [("VAULT_API_ADDR", "http://vault"), ("BAO_API_ADDR", "http://bao"), ("LESSOR_API_ADDR", "http://ours")];
        for known in 1..=3 {
            let get =
                |name: &str| ours[..known].iter().find(|(other, _)| *other == name).map(|(_, value)| value.to_string());
            config.apply_environment(get);
            assert_eq!(config.api_addr.as_deref(), Some(ours[known - 1].1));
        }
    }
}
