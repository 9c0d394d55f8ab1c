//! The `lessor` program: the command line, with the server and the engines of this build.
use lessor_cli::{Builtins, ConfigReport, DevHidden, MigrateArgs, ServerArgs, write_token_file};
use lessor_engine::Factory;
use lessor_server::{Config, Factories, Migration, Options, migrate_storage};
use lessor_storage::Kinds;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Every engine of this build; leaving one out is deleting its line.
fn engines() -> Vec<Arc<dyn Factory>> {
    vec![
        lessor_engine_aws::factory(),
        lessor_engine_database::factory(),
        Arc::new(lessor_engine_kv::KvFactory),
        lessor_engine_pki::factory(),
        lessor_engine_kubernetes::factory(),
        lessor_engine_rabbitmq::factory(),
        lessor_engine_ldap::factory(),
        lessor_engine_ldap::openldap_factory(),
        lessor_engine_ldap::ad_factory(),
        lessor_engine_ssh::factory(),
        lessor_engine_totp::factory(),
        lessor_engine_transit::factory(),
    ]
}

/// Every auth method of this build; leaving one out is deleting its line.
fn methods() -> Vec<Arc<dyn Factory>> {
    vec![
        Arc::new(lessor_auth_approle::ApproleFactory),
        Arc::new(lessor_auth_cert::CertFactory),
        Arc::new(lessor_auth_userpass::UserpassFactory::default()),
        Arc::new(lessor_auth_aws::AwsFactory),
        Arc::new(lessor_auth_azure::AzureFactory),
        Arc::new(lessor_auth_gcp::GcpFactory),
        Arc::new(lessor_auth_github::GithubFactory),
        Arc::new(lessor_auth_jwt::JwtFactory::jwt()),
        Arc::new(lessor_auth_jwt::JwtFactory::oidc()),
        Arc::new(lessor_auth_kubernetes::KubernetesFactory),
        Arc::new(lessor_auth_ldap::LdapFactory),
    ]
}

/// Every storage engine of this build; leaving one out is deleting its line.
fn storages() -> Kinds {
    Kinds::default().with(Arc::new(lessor_storage_etcd::EtcdKind)).with(Arc::new(lessor_storage_postgres::PostgresKind))
}

async fn server(args: ServerArgs) -> Result<(), String> {
    let stored = args.token_path.clone().filter(|_| args.dev && !args.dev_no_store_token);
    if args.recovery || args.dev_hidden != DevHidden::default() {
        return Err("-recovery and the -dev- switches for tests of servers are not part of this version".to_owned());
    }
    let options = Options {
        config_paths: args.config_paths,
        dev: args.dev,
        dev_root_token: args.dev_root_token_id,
        dev_address: args.dev_listen_address,
        dev_kv_v1: args.dev_kv_v1,
        dev_tls: args.dev_tls,
        dev_tls_cert_dir: args.dev_tls_cert_dir,
        log_level: args.log_level,
        log_format: args.log_format,
        log_file: args.log_file,
        dev_tls_san: args.dev_tls_san,
        log_rotate_bytes: args.log_rotate_bytes,
        log_rotate_duration: args.log_rotate_duration,
        log_rotate_max_files: args.log_rotate_max_files,
        storages: storages(),
    };
    let announce = |text: &str, token: Option<&str>| {
        use std::io::Write;
        // Whoever closed the pipe does not want to read it.
        let _ = writeln!(std::io::stdout(), "{text}");
        if let (Some(path), Some(token)) = (&stored, token)
            && let Err(error) = write_token_file(path, token)
        {
            tracing::warn!(%error, "the root token is not stored for the command line");
        }
    };
    let factories = Factories { engines: engines(), methods: methods() };
    lessor_server::run(options, factories, announce).await.map_err(|error| error.to_string())
}

fn check_config(paths: &[PathBuf]) -> Result<ConfigReport, String> {
    let kinds = storages();
    let config = Config::load(paths, &kinds).map_err(|error| error.to_string())?;
    let embedded = |kind: &str| kinds.find(kind).is_ok_and(|kind| kind.labels()[0] == "embedded");
    let stanza = config.storage.map(|storage| storage.stanza).filter(|stanza| embedded(&stanza.kind));
    let storage = stanza.and_then(|stanza| stanza.text("path").map(PathBuf::from));
    let listeners = config.listeners.into_iter().map(|listener| {
        let files = listener.tls.map(|tls| (tls.certificate, tls.key));
        (listener.at.to_string(), files)
    });
    Ok(ConfigReport { warnings: config.warnings, listeners: listeners.collect(), storage })
}

async fn migrate(args: MigrateArgs) -> Result<String, String> {
    let migration = Migration { start: args.start, reset: args.reset };
    let done = migrate_storage(&args.config, &migration, &storages()).await.map_err(|error| error.to_string())?;
    let (copied, present, verified) = (done.copied, done.present, done.verified);
    Ok(format!("{copied} keys were copied, {present} were there already; all {verified} were read again and compared."))
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            use std::io::Write;
            // There is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let builtins = Builtins {
        server: Arc::new(|args| Box::pin(server(args))),
        check_config: Arc::new(check_config),
        migrate: Arc::new(|args| Box::pin(migrate(args))),
    };
    let code = runtime.block_on(lessor_cli::run(std::env::args_os().collect(), builtins));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
