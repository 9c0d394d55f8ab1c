use std::path::PathBuf;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag, hidden};
use crate::server_args::{DevHidden, ServerArgs};
use crate::token_store::TokenStore;

pub static COMMAND: Command = Command {
    name: "server",
    usage: "",
    about: "Start a server.",
    example: "lessor server -dev -dev-root-token-id=root",
    flags: &[
        flag("config", Kind::List, "Configuration file or directory, may be repeated (VAULT_CONFIG_PATH)."),
        flag("dev", Kind::Bool, "In memory, unsealed, with one root token; never for production."),
        flag("dev-root-token-id", Kind::Text, "Root token of dev mode (VAULT_DEV_ROOT_TOKEN_ID)."),
        flag("dev-listen-address", Kind::Text, "Listener of dev mode, 127.0.0.1:8200 (VAULT_DEV_LISTEN_ADDRESS)."),
        flag("dev-no-store-token", Kind::Bool, "Dev mode leaves the stored token alone."),
        flag("dev-tls", Kind::Bool, "Dev mode listens with TLS and a certificate of its own."),
        flag("dev-tls-cert-dir", Kind::Text, "Where dev mode puts that certificate."),
        flag("dev-tls-san", Kind::List, "A name or address that certificate is also for."),
        flag("dev-kv-v1", Kind::Bool, "Dev mode mounts KV version 1 at secret/."),
        flag("log-level", Kind::Text, "trace, debug, info, warn or error (VAULT_LOG_LEVEL)."),
        flag("log-format", Kind::Text, "standard or json (VAULT_LOG_FORMAT)."),
        flag("log-file", Kind::Text, "Log to this file as well."),
        flag("log-rotate-bytes", Kind::Number, "Begin a new log file at this size; 0 is no limit."),
        flag("log-rotate-duration", Kind::Duration, "Begin a new log file after this time, 24h when not given."),
        flag("log-rotate-max-files", Kind::Number, "How many old log files are kept: 0 all, -1 none."),
        flag("recovery", Kind::Bool, "Start only to repair a storage that cannot be unsealed."),
        flag("exit-on-core-shutdown", Kind::Bool, "End the process when the core shuts down."),
        hidden("dev-auto-seal", Kind::Bool),
        flag("dev-cluster-json", Kind::Text, "Dev mode writes its addresses and keys to this file, as JSON."),
        hidden("dev-ha", Kind::Bool),
        hidden("dev-latency", Kind::Duration),
        hidden("dev-latency-jitter", Kind::Number),
        hidden("dev-leased-kv", Kind::Bool),
        hidden("dev-plugin-dir", Kind::Text),
        hidden("dev-plugin-init", Kind::Bool),
        hidden("dev-skip-init", Kind::Bool),
        hidden("dev-three-node", Kind::Bool),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

/// Names of the levels, the last ones being other names of warn and error.
const LOG_LEVELS: [&str; 7] = ["trace", "debug", "info", "warn", "error", "warning", "err"];

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let pick = |flag: &str, var: &str| args.text(flag).or_else(|| ctx.env.get(var)).map(str::to_owned);
    let path = |flag: &str| args.text(flag).map(PathBuf::from);
    let mut config_paths: Vec<PathBuf> = args.list("config").iter().map(PathBuf::from).collect();
    // Any -dev-* value implies dev mode only where the field's server does: for none of them.
    let dev = args.is("dev") || args.is("dev-tls");
    if config_paths.is_empty() && !dev {
        config_paths.extend(ctx.env.get("CONFIG_PATH").map(PathBuf::from));
    }
    if config_paths.is_empty() && !dev {
        return Err(Failure::local("Must specify at least one config path using -config")
            .hint("\"lessor server -dev\" starts a server to try things out"));
    }
    if let Some(level) = pick("log-level", "LOG_LEVEL")
        && !LOG_LEVELS.contains(&level.to_lowercase().as_str())
    {
        return Err(Failure::local(format!("Unknown log level: {level:?}: use trace, debug, info, warn or error")));
    }
    if let Some(format) = pick("log-format", "LOG_FORMAT")
        && !matches!(format.as_str(), "standard" | "json" | "unspecified")
    {
        return Err(Failure::local(format!("Unknown log format: {format:?}: use standard or json")));
    }
    let token_path = match TokenStore::find(&ctx.env) {
        Ok(TokenStore::File(path)) => Some(path),
        // A helper program is not run by a server; without a home directory there is no file.
        Ok(TokenStore::Program(_)) | Err(_) => None,
    };
    let parsed = ServerArgs {
        config_paths,
        dev,
        dev_root_token_id: pick("dev-root-token-id", "DEV_ROOT_TOKEN_ID"),
        dev_listen_address: pick("dev-listen-address", "DEV_LISTEN_ADDRESS"),
        dev_no_store_token: args.is("dev-no-store-token"),
        dev_tls: args.is("dev-tls"),
        dev_tls_cert_dir: path("dev-tls-cert-dir"),
        dev_tls_san: args.list("dev-tls-san").to_vec(),
        dev_kv_v1: args.is("dev-kv-v1"),
        log_level: pick("log-level", "LOG_LEVEL"),
        log_format: pick("log-format", "LOG_FORMAT"),
        log_file: path("log-file"),
        log_rotate_bytes: args.number("log-rotate-bytes").and_then(|bytes| u64::try_from(bytes).ok()),
        log_rotate_duration: args.duration("log-rotate-duration"),
        log_rotate_max_files: args.number("log-rotate-max-files"),
        recovery: args.is("recovery"),
        exit_on_core_shutdown: args.is("exit-on-core-shutdown"),
        dev_hidden: DevHidden {
            plugin_dir: path("dev-plugin-dir"),
            plugin_init: args.is("dev-plugin-init"),
            ha: args.is("dev-ha"),
            leased_kv: args.is("dev-leased-kv"),
            latency: args.duration("dev-latency").unwrap_or_default(),
            latency_jitter: args.number("dev-latency-jitter").unwrap_or(0),
            auto_seal: args.is("dev-auto-seal"),
            skip_init: args.is("dev-skip-init"),
            three_node: args.is("dev-three-node"),
            cluster_json: path("dev-cluster-json"),
        },
        token_path,
    };
    let server = ctx.builtins.server.clone();
    server(parsed).await.map_err(Failure::local)?;
    Ok(0)
}
