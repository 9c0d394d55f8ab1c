//! From options to a running server, and back down.
use crate::api::router;
use crate::config::{Config, ConfigError, Listener, Seal, StorageConfig};
use crate::options::Options;
use crate::{dev, signals};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_core::mount::Factories;
use lessor_core::node::{Core, Parts};
use lessor_core::seal::SealKind;
use lessor_core::settings::Settings;
use lessor_engine::SystemClock;
use lessor_storage::{CachedStorage, EmbeddedStorage, MemoryStorage, Storage};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

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
    /// Unsealing, or dev mode.
    #[error("{0}")]
    Start(String),
    /// Signals.
    #[error("signals cannot be listened for: {0}")]
    Signals(#[from] std::io::Error),
}

/// Bytes of stored records, encrypted as they are, kept in memory.
const CACHE: usize = 32 << 20;
const GRACE: Duration = Duration::from_secs(10);

/// Runs until SIGINT or SIGTERM. `announce` is called once requests are served, with dev mode's root token.
///
/// # Errors
/// Why it could not start.
pub async fn run(
    options: Options,
    factories: Factories,
    announce: impl FnOnce(&str, Option<&str>),
) -> Result<(), ServerError> {
    let config = configuration(&options)?;
    start_logging(&options, &config);
    for name in &config.unknown {
        tracing::warn!("unknown or unsupported field {name} found in configuration");
    }
    let (storage, storage_type) = open_storage(&config)?;
    let defaults = Settings::default();
    let settings = Settings {
        default_ttl: config.default_lease_ttl.unwrap_or(defaults.default_ttl),
        max_ttl: config.max_lease_ttl.unwrap_or(defaults.max_ttl),
        paused: config.paused,
        cluster_name: config.cluster_name.clone().unwrap_or(defaults.cluster_name),
        storage_type,
        ..Settings::default()
    };
    let seal = match &config.seal {
        Seal::Shamir => SealKind::Shamir,
        Seal::Static(key) => SealKind::Static(key.clone()),
    };
    let core = Core::new(Parts { storage, seal, clock: Arc::new(SystemClock), settings, factories });
    core.start().await.map_err(|error| ServerError::Start(error.to_string()))?;
    // Dev mode is ready before its first client can ask.
    let text = if options.dev {
        let dev = dev::start(&core, &options).await.map_err(ServerError::Start)?;
        Some((dev_text(&config, &dev), dev.token))
    } else {
        None
    };
    let handle = Handle::new();
    let mut serving = tokio::task::JoinSet::new();
    for listener in &config.listeners {
        serving.spawn(bind(listener.clone(), Arc::clone(&core), handle.clone()).await?);
    }
    match &text {
        Some((text, token)) => announce(text, Some(token.expose())),
        None => announce(&server_text(&config), None),
    }
    let mut hangup = signal(SignalKind::hangup())?;
    let stop = signals::stop();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            done = &mut stop => break done?,
            Some(_) = hangup.recv() => {
                if let Ok(active) = core.active() {
                    active.audit.reopen().await;
                }
            }
            Some(ended) = serving.join_next() => {
                let reason = format!("{ended:?}");
                return Err(ServerError::Start(format!("a listener ended: {reason}")));
            }
        }
    }
    handle.graceful_shutdown(Some(GRACE));
    while serving.join_next().await.is_some() {}
    core.seal().await;
    Ok(())
}

fn configuration(options: &Options) -> Result<Config, ConfigError> {
    if !options.dev {
        return Config::load(&options.config_paths);
    }
    let address = options.dev_address.clone().unwrap_or_else(|| "127.0.0.1:8200".to_owned());
    Ok(Config {
        storage: Some(StorageConfig::Memory),
        listeners: vec![Listener { address, tls: None }],
        ..Config::default()
    })
}

fn start_logging(options: &Options, config: &Config) {
    let level = options.log_level.as_ref().or(config.log_level.as_ref()).map_or("info", String::as_str);
    let level = level.parse().unwrap_or(tracing::Level::INFO);
    let format = options.log_format.as_ref().or(config.log_format.as_ref()).map(String::as_str);
    let lines = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(std::io::stderr);
    // A subscriber that is there already (a test's) stays.
    let _ = if format == Some("json") { lines.json().try_init() } else { lines.try_init() };
}

fn open_storage(config: &Config) -> Result<(Arc<dyn Storage>, String), ServerError> {
    match &config.storage {
        Some(StorageConfig::Embedded(path)) => {
            let storage = Arc::new(EmbeddedStorage::open(path)?);
            Ok((Arc::new(CachedStorage::new(storage, CACHE)), "embedded".to_owned()))
        }
        _ => Ok((Arc::new(MemoryStorage::new()), "inmem".to_owned())),
    }
}

type Serving = std::pin::Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

async fn bind(listener: Listener, core: Arc<Core>, handle: Handle<SocketAddr>) -> Result<Serving, ServerError> {
    let fail = |reason: String| ServerError::Listener { address: listener.address.clone(), reason };
    let socket = tokio::net::TcpListener::bind(&listener.address).await.map_err(|error| fail(error.to_string()))?;
    let socket = socket.into_std().map_err(|error| fail(error.to_string()))?;
    let service = router(core).into_make_service_with_connect_info::<SocketAddr>();
    let Some((certificate, key)) = &listener.tls else {
        let server = axum_server::from_tcp(socket).map_err(|error| fail(error.to_string()))?;
        return Ok(Box::pin(server.handle(handle).serve(service)));
    };
    // Only a provider that is there already makes this fail, and then it is the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tls = RustlsConfig::from_pem_file(certificate, key).await.map_err(|error| fail(error.to_string()))?;
    let server = axum_server::from_tcp_rustls(socket, tls).map_err(|error| fail(error.to_string()))?;
    Ok(Box::pin(server.handle(handle).serve(service)))
}

fn server_text(config: &Config) -> String {
    let listeners: Vec<String> = config
        .listeners
        .iter()
        .map(|listener| {
            let tls = if listener.tls.is_some() { "enabled" } else { "disabled" };
            format!("              Listener: tcp (addr: \"{}\", tls: \"{tls}\")", listener.address)
        })
        .collect();
    let version = Settings::default().version;
    format!(
        "==> Lessor server configuration:\n\n{}\n               Version: Lessor v{version}\n\n==> Lessor server started!",
        listeners.join("\n")
    )
}

fn dev_text(config: &Config, dev: &dev::Dev) -> String {
    let address = config.listeners.first().map_or("127.0.0.1:8200", |listener| &listener.address);
    format!(
        "{}\n\nWARNING! dev mode is enabled! It keeps everything in memory and starts unsealed, with one key share.\n\n\
         You may need to set the following environment variables:\n\n    $ export VAULT_ADDR='http://{address}'\n\n\
         The unseal key and root token are displayed below in case you want to seal/unseal or re-authenticate.\n\n\
         Unseal Key: {}\nRoot Token: {}\n\nDevelopment mode should NOT be used in production installations!\n",
        server_text(config),
        STANDARD.encode(&dev.share),
        dev.token.expose()
    )
}
