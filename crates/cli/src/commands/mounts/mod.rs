//! What the commands about secrets engines and auth methods share.

pub mod enable;
pub mod list;

use std::time::Duration;

use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::Outcome;
use crate::context::Ctx;
use crate::duration;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};
use crate::output::show;

pub const DESCRIPTION: Flag = flag("description", Kind::Text, "What it is for.");
pub const DEFAULT_TTL: Flag = flag("default-lease-ttl", Kind::Duration, "Lease TTL when neither role nor request say.");
pub const MAX_TTL: Flag = flag("max-lease-ttl", Kind::Duration, "Longest lease TTL.");
pub const VISIBILITY: Flag =
    flag("listing-visibility", Kind::Text, "unauth or hidden: whether logged-out users see the mount.");
pub const OPTIONS: Flag = flag("options", Kind::Map, "Option as key=value, may be repeated.");
pub const PLUGIN_VERSION: Flag = flag("plugin-version", Kind::Text, "Version of the plugin.");
pub const HMAC_REQUEST: Flag =
    flag("audit-non-hmac-request-keys", Kind::List, "Request key the audit log shows in clear, may be repeated.");
pub const HMAC_RESPONSE: Flag =
    flag("audit-non-hmac-response-keys", Kind::List, "Answer key the audit log shows in clear, may be repeated.");
pub const PASSTHROUGH: Flag =
    flag("passthrough-request-headers", Kind::List, "Request header handed to the engine, may be repeated.");
pub const RESPONSE_HEADERS: Flag =
    flag("allowed-response-headers", Kind::List, "Header the engine may answer with, may be repeated.");
pub const MANAGED_KEYS: Flag =
    flag("allowed-managed-keys", Kind::List, "Managed key the mount may use, may be repeated.");
pub const TOKEN_KEY: Flag = flag("identity-token-key", Kind::Text, "Key that signs identity tokens of the engine.");
pub const LOCAL: Flag = flag("local", Kind::Bool, "Only on this cluster.");
pub const SEAL_WRAP: Flag = flag("seal-wrap", Kind::Bool, "Wrap critical values with the seal.");
pub const ENTROPY: Flag = flag("external-entropy-access", Kind::Bool, "Let the engine use the seal's entropy.");

/// The lists every mount may have.
const LISTS: [(&str, &str); 5] = [
    ("audit-non-hmac-request-keys", "audit_non_hmac_request_keys"),
    ("audit-non-hmac-response-keys", "audit_non_hmac_response_keys"),
    ("passthrough-request-headers", "passthrough_request_headers"),
    ("allowed-response-headers", "allowed_response_headers"),
    ("allowed-managed-keys", "allowed_managed_keys"),
];

/// The texts every mount may have.
const TEXTS: [(&str, &str); 4] = [
    ("listing-visibility", "listing_visibility"),
    ("plugin-version", "plugin_version"),
    ("identity-token-key", "identity_token_key"),
    ("token-type", "token_type"),
];

/// The mounts of an answer, sorted by path.
pub fn entries(answer: &Value) -> Vec<(String, Value)> {
    let source = if answer["data"].is_object() { &answer["data"] } else { answer };
    let mut found: Vec<(String, Value)> = source
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(path, value)| path.ends_with('/') && value.is_object())
        .map(|(path, value)| (path.clone(), completed(value)))
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Some servers leave out what they do not know; clients show it empty.
fn completed(mount: &Value) -> Value {
    let mut mount = mount.clone();
    if mount["deprecation_status"].is_null() && mount["accessor"].is_string() {
        mount["deprecation_status"] = json!("");
    }
    mount
}

/// Type of the mount the command line names: TYPE itself, or the plugin's name for the type `plugin`.
pub fn kind_of<'a>(args: &'a Args, given: &'a str) -> Result<&'a str, Failure> {
    match (given, args.text("plugin-name")) {
        ("plugin", Some(name)) => Ok(name),
        ("plugin", None) => Err(Failure::local("Missing plugin name for TYPE plugin: use -plugin-name")),
        _ => Ok(given),
    }
}

/// The body that enables a mount of this type; clients send the TTLs even when they are not given.
pub fn enable_body(args: &Args, kind: &str) -> Value {
    let mut config = Map::new();
    for (flag, key) in [("default-lease-ttl", "default_lease_ttl"), ("max-lease-ttl", "max_lease_ttl")] {
        config.insert(key.into(), json!(duration::full(args.duration(flag).unwrap_or_default())));
    }
    config.insert("force_no_cache".into(), json!(args.is("force-no-cache")));
    put_settings(&mut config, args);
    let options = options(args);
    json!({
        "type": kind,
        "description": args.text("description").unwrap_or_default(),
        "config": config,
        "local": args.is("local"),
        "seal_wrap": args.is("seal-wrap"),
        "external_entropy_access": args.is("external-entropy-access"),
        "options": if options.is_empty() { Value::Null } else { Value::Object(options) },
    })
}

/// The body that changes a mount: only what was given.
pub fn tune_body(args: &Args) -> Map<String, Value> {
    let mut body = Map::new();
    put_text(&mut body, args, "description", "description");
    put_duration(&mut body, args, "default-lease-ttl", "default_lease_ttl");
    put_duration(&mut body, args, "max-lease-ttl", "max_lease_ttl");
    put_settings(&mut body, args);
    let options = options(args);
    if !options.is_empty() {
        body.insert("options".into(), Value::Object(options));
    }
    body
}

fn put_settings(body: &mut Map<String, Value>, args: &Args) {
    for (flag, key) in TEXTS {
        put_text(body, args, flag, key);
    }
    for (flag, key) in LISTS {
        if args.has(flag) {
            // An empty value clears the list.
            body.insert(key.to_owned(), json!(args.comma_list(flag)));
        }
    }
}

fn options(args: &Args) -> Map<String, Value> {
    let mut options = args.map("options");
    if let Some(version) = args.text("version") {
        options.insert("version".into(), json!(version));
    }
    options
}

/// Puts a duration flag into `body` as the server wants it, when it was given.
pub fn put_duration(body: &mut Map<String, Value>, args: &Args, flag: &str, key: &str) {
    if let Some(value) = args.duration(flag) {
        body.insert(key.to_owned(), json!(duration::full(value)));
    }
}

fn put_text(body: &mut Map<String, Value>, args: &Args, flag: &str, key: &str) {
    if let Some(value) = args.text(flag) {
        body.insert(key.to_owned(), json!(value));
    }
}

/// The detailed row of a mount; `eighth` is what stands where secrets engines and auth methods differ.
pub fn details(path: &str, mount: &Value, eighth: &str) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        value => show(value),
    };
    let kind = mount["type"].as_str().unwrap_or_default();
    let fixed = matches!(kind, "system" | "cubbyhole" | "ns_system" | "ns_cubbyhole");
    let ttl = |key: &str| match mount["config"][key].as_i64() {
        _ if fixed => "n/a".to_owned(),
        Some(seconds) if seconds != 0 => seconds.to_string(),
        _ => "system".to_owned(),
    };
    let options = match &mount["options"] {
        Value::Null => "map[]".to_owned(),
        options => show(options),
    };
    vec![
        path.to_owned(),
        kind.to_owned(),
        text(&mount["accessor"]),
        ttl("default_lease_ttl"),
        ttl("max_lease_ttl"),
        eighth.to_owned(),
        if mount["local"] == true { "local" } else { "replicated" }.to_owned(),
        (mount["seal_wrap"] == true).to_string(),
        (mount["external_entropy_access"] == true).to_string(),
        options,
        text(&mount["description"]),
        text(&mount["uuid"]),
        text(&mount["plugin_version"]),
        text(&mount["running_plugin_version"]),
        text(&mount["running_sha256"]),
        text(&mount["deprecation_status"]),
    ]
}

/// Pause between two looks at a move's status.
const POLL: Duration = Duration::from_millis(500);
/// After this long the command ends; the server goes on by itself.
const LIMIT: Duration = Duration::from_secs(600);

/// Moves a mount and waits until the server is done; `noun` names what is moved.
pub async fn remount(ctx: &mut Ctx, noun: &str, from: &str, to: &str) -> Outcome {
    let request = Request::post("sys/remount", json!({"from": from, "to": to}));
    let what = format!("Error moving {noun} {from} to {to}");
    let answer = ctx.call(&what, request).await?.unwrap_or_default();
    let Some(id) = answer["data"]["migration_id"].as_str().or(answer["migration_id"].as_str()).map(str::to_owned)
    else {
        // Servers that move at once give no migration to wait for.
        ctx.say(&format!("Success! Moved {noun} {from} to: {to}"));
        return Ok(0);
    };
    ctx.say(&format!("Started moving {noun} {from} to {to}, with migration ID {id}"));
    let wait = async {
        loop {
            let request = Request::get(&format!("sys/remount/status/{id}"));
            let answer = ctx.expect("Error checking migration status", request).await?;
            match answer["data"]["migration_info"]["status"].as_str() {
                Some("in-progress") => tokio::time::sleep(POLL).await,
                Some("success") => {
                    ctx.say(&format!("Success! Finished moving {noun} {from} to {to}, with migration ID {id}"));
                    return Ok(0);
                }
                _ => {
                    return Err(Failure::remote(format!(
                        "Failure! Error encountered moving {noun} {from} to {to}, with migration ID {id}"
                    )));
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| {
        Err(Failure::remote("The migration is still in progress")
            .hint("\"lessor read sys/remount/status/<migration id>\" shows how far it is"))
    })
}
