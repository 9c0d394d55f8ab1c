//! Flags every command that talks to a server takes, and the client they make.

use std::path::PathBuf;
use std::time::Duration;

use lessor_client::{Config, PemSource, RateLimit, SrvLookup, TlsSettings, Token};

use crate::Environment;
use crate::duration;
use crate::flags::{Args, Flag, Kind, aliased, flag};

pub static GLOBAL: &[Flag] = &[
    flag("address", Kind::Text, "Address of the server (VAULT_ADDR)."),
    flag("agent-address", Kind::Text, "Address of an agent, used instead of the server's (VAULT_AGENT_ADDR)."),
    flag("ca-cert", Kind::Text, "File with CA certificates to trust (VAULT_CACERT)."),
    flag("ca-path", Kind::Text, "Directory with CA certificates to trust (VAULT_CAPATH)."),
    flag("client-cert", Kind::Text, "File with the client certificate (VAULT_CLIENT_CERT)."),
    flag("client-key", Kind::Text, "File with the client certificate's key (VAULT_CLIENT_KEY)."),
    flag(
        "tls-server-name",
        Kind::Text,
        "Name to send and check instead of the address's host (VAULT_TLS_SERVER_NAME).",
    ),
    flag("tls-skip-verify", Kind::Bool, "Accept any server certificate (VAULT_SKIP_VERIFY)."),
    aliased("namespace", "ns", Kind::Text, "Namespace of the request (VAULT_NAMESPACE)."),
    flag("wrap-ttl", Kind::Duration, "Wrap the answer in a token that lives this long (VAULT_WRAP_TTL)."),
    flag("mfa", Kind::List, "MFA credentials, may be repeated (VAULT_MFA)."),
    flag("header", Kind::Map, "Further header as key=value, may be repeated; not X-Vault-*."),
    flag("policy-override", Kind::Bool, "Override a soft-mandatory policy."),
    flag("disable-redirects", Kind::Bool, "Do not follow a redirect (VAULT_DISABLE_REDIRECTS)."),
    flag("unlock-key", Kind::Text, "Key that unlocks a locked namespace."),
    flag("non-interactive", Kind::Bool, "Never ask at the terminal."),
    flag("output-curl-string", Kind::Bool, "Print the request as a curl command instead of sending it."),
    flag("output-policy", Kind::Bool, "Print the policy the request needs instead of sending it."),
    flag("format", Kind::Text, "table, json, yaml, pretty, or raw for read (VAULT_FORMAT)."),
];

/// Builds the client's settings: flags win over the environment.
pub fn config(args: &Args, env: &Environment) -> Result<Config, String> {
    let pick = |flag: &str, var: &str| args.text(flag).or_else(|| env.get(var)).map(str::to_owned);
    let file = |flag: &str, var: &str| pick(flag, var).map(|path| PemSource::File(PathBuf::from(path)));
    let bytes = |var: &str| env.get(var).map(|text| PemSource::Text(text.to_owned()));
    let mut config = Config::default();
    if let Some(address) = pick("agent-address", "AGENT_ADDR").or_else(|| pick("address", "ADDR")) {
        config.address = address;
    }
    config.token = env.get("TOKEN").map(Token::new);
    config.namespace = pick("namespace", "NAMESPACE");
    config.wrap_ttl = match pick("wrap-ttl", "WRAP_TTL") {
        Some(text) => Some(duration::full(duration::parse(&text)?)),
        None => None,
    };
    config.mfa = match args.list("mfa") {
        [] => env.get("MFA").map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        given => given.to_vec(),
    };
    config.policy_override = args.is("policy-override");
    config.headers = headers(args, env)?;
    config.tls = TlsSettings {
        ca_cert: file("ca-cert", "CACERT").or_else(|| bytes("CACERT_BYTES")),
        ca_path: pick("ca-path", "CAPATH").map(PathBuf::from),
        client_cert: file("client-cert", "CLIENT_CERT").or_else(|| bytes("CLIENT_CERT_BYTES")),
        client_key: file("client-key", "CLIENT_KEY").or_else(|| bytes("CLIENT_KEY_BYTES")),
        server_name: pick("tls-server-name", "TLS_SERVER_NAME"),
        skip_verify: args.boolean("tls-skip-verify").unwrap_or_else(|| env.is_true("SKIP_VERIFY")),
    };
    if let Some(limit) = env.get("CLIENT_TIMEOUT") {
        config.timeout = duration::parse(limit)?;
        if config.timeout.is_zero() {
            // Zero means "no limit" to the field's clients; a day is as good and still ends.
            config.timeout = Duration::from_secs(86_400);
        }
    }
    // A person at a terminal is not kept waiting: retries happen only when asked for.
    config.max_retries = match env.get("MAX_RETRIES") {
        Some(text) => text.parse().map_err(|_| format!("VAULT_MAX_RETRIES: {text:?} is no number"))?,
        None => 0,
    };
    config.follow_redirects = !args.boolean("disable-redirects").unwrap_or_else(|| env.is_true("DISABLE_REDIRECTS"));
    config.srv_lookup = env.is_true("SRV_LOOKUP").then(SrvLookup::default);
    config.rate_limit = match env.get("RATE_LIMIT") {
        Some(text) => {
            let wrong = || format!("VAULT_RATE_LIMIT: {text:?} is no rate of requests per second, such as 10 or 10:50");
            Some(RateLimit::parse(text).ok_or_else(wrong)?)
        }
        None => None,
    };
    config.proxy = env.get("PROXY_ADDR").or_else(|| env.get("HTTP_PROXY")).map(str::to_owned);
    Ok(config)
}

fn headers(args: &Args, env: &Environment) -> Result<Vec<(String, String)>, String> {
    let mut out: Vec<(String, String)> = Vec::new();
    if let Some(text) = env.get("HEADERS") {
        let map: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|error| format!("VAULT_HEADERS is no JSON object: {error}"))?;
        out.extend(map.into_iter().map(|(k, v)| (k, v.as_str().unwrap_or_default().to_owned())));
    }
    for pair in args.list("header") {
        if let Some((name, value)) = pair.split_once('=') {
            out.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    match out.iter().find(|(name, _)| name.to_lowercase().starts_with("x-vault-")) {
        Some((name, _)) => {
            Err(format!("failed to setup Headers[{name}]: Header starting by 'X-Vault-' are for internal usage only"))
        }
        None => Ok(out),
    }
}
