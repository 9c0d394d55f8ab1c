//! From options to a running server, and back down.
use crate::config::{Address, Config, ConfigError, Gates, Listener, Metrics, SealSetup};
use crate::dev::{self, Dev};
use crate::edge::{Edge, Process, Swap};
use crate::listen::Listening;
use crate::logging::{self, Logging};
use crate::options::Options;
use crate::pid_file::PidFile;
use crate::signals::{Signals, Told};
use crate::telemetry::Kept;
use crate::traces::Traces;
use crate::{banner, dev_tls, telemetry};
use hyper::header::HeaderValue;
use lessor_core::logs::Logs;
use lessor_core::metrics::Figures;
use lessor_core::mount::Factories;
use lessor_core::node::{Core, Parts};
use lessor_core::settings::Settings;
use lessor_engine::{Secret, SystemClock};
use lessor_storage::{Opened, Stanza};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The storage.
    #[error("Error initializing storage: {0}")]
    Storage(#[from] lessor_storage::Error),
    /// A listener.
    #[error("Error initializing listener on {address}: {reason}")]
    Listener {
        /// Where.
        address: String,
        /// Why not.
        reason: String,
    },
    /// Unsealing, logs, or dev mode.
    #[error("{0}")]
    Start(String),
    /// Signals.
    #[error("signals cannot be listened for: {0}")]
    Signals(#[from] std::io::Error),
}

/// Runs until SIGINT or SIGTERM. `announce` is called once requests are served, with dev mode's root token.
///
/// # Errors
/// Why it could not start.
pub async fn run(
    options: Options,
    factories: Factories,
    announce: impl FnOnce(&str, Option<&str>),
) -> Result<(), ServerError> {
    // A signal that arrives during the start waits for its end.
    let mut signals = Signals::new()?;
    let running = start(options, factories).await?;
    announce(&running.banner, running.root_token.as_ref().map(Secret::expose));
    loop {
        match signals.next().await {
            Told::Reload => running.reload().await,
            Told::Look => running.look(),
            Told::Stop => break,
        }
    }
    running.stop().await;
    Ok(())
}

/// A server that serves.
pub struct Running {
    core: Arc<Core>,
    options: Options,
    listening: Vec<Arc<Listening>>,
    process: Arc<Process>,
    stop: CancellationToken,
    tasks: TaskTracker,
    banner: String,
    root_token: Option<Secret>,
    logging: Logging,
    _pid_file: Option<PidFile>,
    _dev_folder: Option<tempfile::TempDir>,
}

/// Starts a server; it serves when this returns.
///
/// # Errors
/// Why it could not start.
pub async fn start(options: Options, factories: Factories) -> Result<Running, ServerError> {
    // Engines and clients of this process build on it. Only one that is there already makes this fail: the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut config = configuration(&options)?;
    let log = logging::merged(&options, &config.log).map_err(ServerError::Start)?;
    let logging = logging::start(&log, options.log_level.is_some()).map_err(ServerError::Start)?;
    let (dev_folder, authority) = dev_certificate(&options, &mut config)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let pid_file = config.pid_file.as_deref().map(PidFile::write).transpose().map_err(ServerError::Start)?;
    let kept = telemetry::start(&config.telemetry);
    let core = core(&config, &options, factories, kept.clone(), logging.levels()).await?;
    core.start().await.map_err(|error| ServerError::Start(error.to_string()))?;
    // Dev mode is ready before its first client can ask.
    let dev = match options.dev {
        true => Some(dev::start(&core, &options).await.map_err(ServerError::Start)?),
        false => None,
    };
    let traces = config.telemetry.otlp_endpoint.as_deref().map(Traces::to).transpose().map_err(ServerError::Start)?;
    let (traces, exporter) = traces.unzip();
    let process = Arc::new(Process { hostname: hostname(&config), requests: Swap::new(log.requests), traces });
    let listening = listen(&config, &core, &process).await?;
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    for one in &listening {
        tasks.spawn(Arc::clone(one).run(stop.clone(), tasks.clone()));
    }
    if let Some(kept) = kept {
        tasks.spawn(kept.upkeep(stop.clone()));
    }
    if let Some(exporter) = exporter {
        tasks.spawn(exporter.run(stop.clone()));
    }
    let banner = banner(&listening, &core, authority.as_deref(), dev.as_ref());
    let root_token = dev.map(|dev| dev.token);
    Ok(Running {
        core,
        options,
        listening,
        process,
        stop,
        tasks,
        banner,
        root_token,
        logging,
        _pid_file: pid_file,
        _dev_folder: dev_folder,
    })
}

impl Running {
    /// The node.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }
    /// Where it listens, in the order of the configuration, ports filled in.
    pub fn addresses(&self) -> Vec<String> {
        self.listening.iter().map(|one| one.address()).collect()
    }
    /// Dev mode's root token.
    pub fn root_token(&self) -> Option<&Secret> {
        self.root_token.as_ref()
    }
    /// Reads the files again and takes over what may change while it runs: certificates, response headers, the log
    /// level, the logging of requests and declared audit devices. Audit files are opened anew. Of files that cannot be
    /// used nothing is taken over but the certificates.
    pub async fn reload(&self) {
        let fresh = configuration(&self.options);
        let fresh = fresh.inspect_err(|error| tracing::error!(%error, "the configuration is not reloaded")).ok();
        for (place, one) in self.listening.iter().enumerate() {
            one.reload(fresh.as_ref().and_then(|config| same(&config.listeners, place, one.listener())));
        }
        if let Some(config) = fresh {
            self.logging.reload(config.log.level);
            self.process.requests.set(config.log.requests);
            if let Err(error) = self.core.declare_audit(config.audit).await {
                tracing::error!(%error, "the declared audit devices stay as they were");
            }
        }
        if let Ok(active) = self.core.active() {
            active.audit.reopen().await;
        }
        tracing::info!("reloaded");
    }
    /// Logs what the node is doing: the requests under way, and for how long.
    pub fn look(&self) {
        let sealed = self.core.active().is_err();
        tracing::info!(sealed, requests = %self.core.under_way(), "what is under way");
    }
    /// Accepts nothing more, lets requests that are under way end, and seals.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.core.seal().await;
    }
}

/// The listener of the files that was read again for this one: at its place, or at its address.
fn same<'a>(fresh: &'a [Listener], place: usize, old: &Listener) -> Option<&'a Listener> {
    let same = |listener: &&Listener| listener.at == old.at;
    fresh.get(place).filter(same).or_else(|| fresh.iter().find(same))
}

fn configuration(options: &Options) -> Result<Config, ConfigError> {
    let mut config = match options.dev {
        true => dev_configuration(options)?,
        false => Config::load(&options.config_paths, &options.storages)?,
    };
    config.apply_environment(|name| std::env::var(name).ok());
    if config.api_addr.as_ref().is_none_or(String::is_empty) {
        derive_api_addr(&mut config, options.dev);
    }
    Ok(config)
}

/// Storage and the first listener are dev mode's own; the rest may come from files.
fn dev_configuration(options: &Options) -> Result<Config, ConfigError> {
    let mut config = Config::read(&options.config_paths)?;
    let address = options.dev_address.clone().unwrap_or_else(|| "127.0.0.1:8200".to_owned());
    config.storage = Some(Stanza::new("inmem").into());
    config.seal = SealSetup::default();
    let gates = Gates { metrics: Metrics { open: true, ..Metrics::default() }, ..Gates::default() };
    config.listeners.insert(0, Listener { gates, ..Listener::plain(address) });
    Ok(config)
}

fn derive_api_addr(config: &mut Config, dev: bool) {
    let tcp = config.listeners.iter().find_map(|listener| match &listener.at {
        Address::Tcp(address) => Some((address, listener.tls.is_some())),
        Address::Unix(_) => None,
    });
    let Some((address, tls)) = tcp else { return };
    let derived = format!("{}://{address}", if tls { "https" } else { "http" });
    if !dev {
        config.warnings.push(format!("no `api_addr` value specified in config or in VAULT_API_ADDR: using {derived}"));
    }
    config.api_addr = Some(derived);
}

/// The certificate of `-dev-tls`: its folder, if that ends with the server, and the file to trust.
fn dev_certificate(
    options: &Options,
    config: &mut Config,
) -> Result<(Option<tempfile::TempDir>, Option<PathBuf>), ServerError> {
    if !(options.dev && options.dev_tls) {
        return Ok((None, None));
    }
    let private = match &options.dev_tls_cert_dir {
        Some(_) => None,
        None => Some(tempfile::tempdir()?),
    };
    let folder = options.dev_tls_cert_dir.clone().or_else(|| private.as_ref().map(|made| made.path().to_owned()));
    let folder = folder.unwrap_or_default();
    let tls = dev_tls::generate(&folder, &options.dev_tls_san).map_err(ServerError::Start)?;
    if let Some(listener) = config.listeners.first_mut() {
        listener.tls = Some(tls);
    }
    Ok((private, Some(folder.join(dev_tls::CA))))
}

/// What `sys/config/state/sanitized` shows of the configuration beside core's own part.
fn shown(config: &Config) -> Map<String, Value> {
    let listener = |listener: &Listener| {
        let (kind, address) = match &listener.at {
            Address::Tcp(address) => ("tcp", address.clone()),
            Address::Unix(socket) => ("unix", socket.path.display().to_string()),
        };
        json!({ "type": kind, "config": { "address": address, "tls_disable": listener.tls.is_none() } })
    };
    let listeners: Vec<Value> = config.listeners.iter().map(listener).collect();
    Map::from_iter([("listeners".to_owned(), json!(listeners))])
}

async fn core(
    config: &Config,
    options: &Options,
    factories: Factories,
    kept: Option<Arc<Kept>>,
    logs: Option<Arc<dyn Logs>>,
) -> Result<Arc<Core>, ServerError> {
    let stanza = config.storage.clone().map_or_else(|| Stanza::new("inmem"), |storage| storage.stanza);
    let Opened { storage, name } = options.storages.open(&stanza).await?;
    let defaults = Settings::default();
    let settings = Settings {
        default_ttl: config.default_lease_ttl.unwrap_or(defaults.default_ttl),
        max_ttl: config.max_lease_ttl.unwrap_or(defaults.max_ttl),
        paused: config.paused,
        cluster_name: config.cluster_name.clone().unwrap_or(defaults.cluster_name),
        storage_type: name.to_owned(),
        api_addr: config.api_addr.clone().unwrap_or_default(),
        raw_storage_endpoint: config.raw_storage_endpoint,
        introspection_endpoint: config.introspection_endpoint,
        open_rekey: config.open_rekey,
        open_generate_root: config.open_generate_root,
        ui: config.ui,
        lockouts: config.lockouts.clone(),
        audit: config.audit.clone(),
        telemetry: config.telemetry.clone(),
        figures: kept.map(|kept| kept as Arc<dyn Figures>),
        shown: shown(config),
        logs,
        ..Settings::default()
    };
    let seal = config.seal.build().map_err(|error| ServerError::Start(error.to_string()))?;
    Ok(Core::new(Parts { storage, seal, clock: Arc::new(SystemClock), settings, factories }))
}

fn hostname(config: &Config) -> Option<HeaderValue> {
    let name = config.hostname_header.then(nix::unistd::gethostname)?.ok()?;
    HeaderValue::from_bytes(name.as_encoded_bytes()).ok()
}

async fn listen(config: &Config, core: &Arc<Core>, process: &Arc<Process>) -> Result<Vec<Arc<Listening>>, ServerError> {
    let mut listening = Vec::new();
    for listener in &config.listeners {
        let fail = |reason| ServerError::Listener { address: listener.at.to_string(), reason };
        let edge = Arc::new(Edge::new(Arc::clone(core), listener.clone(), Arc::clone(process)));
        listening.push(Listening::open(edge).await.map_err(fail)?);
    }
    Ok(listening)
}

fn banner(listening: &[Arc<Listening>], core: &Core, authority: Option<&std::path::Path>, dev: Option<&Dev>) -> String {
    let server = banner::server(listening, &core.settings().version);
    let address = listening.first().map(|one| one.address()).unwrap_or_default();
    dev.map_or_else(|| server.clone(), |dev| banner::dev(&server, &address, authority, dev))
}
