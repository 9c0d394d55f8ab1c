use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity, mount};
use crate::commands::mounts::{LISTS, put_list, put_text};
use crate::context::Ctx;
use crate::duration;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "secrets enable",
    usage: "TYPE",
    about: "Mount a secrets engine.",
    example: "lessor secrets enable -path=db -max-lease-ttl=24h database",
    flags: &[
        flag("path", Kind::Text, "Where to mount it, its type when not given."),
        flag("description", Kind::Text, "What it is for."),
        flag("default-lease-ttl", Kind::Duration, "Lease TTL when neither role nor request say."),
        flag("max-lease-ttl", Kind::Duration, "Longest lease TTL."),
        flag("listing-visibility", Kind::Text, "unauth or hidden: whether logged-out users see the mount."),
        flag("options", Kind::Map, "Option as key=value, may be repeated."),
        flag("version", Kind::Number, "Version of the engine: 1 or 2 for kv."),
        flag("plugin-name", Kind::Text, "Name of the plugin for TYPE plugin."),
        flag("plugin-version", Kind::Text, "Version of the plugin."),
        flag("local", Kind::Bool, "Only on this cluster."),
        flag("seal-wrap", Kind::Bool, "Wrap critical values with the seal."),
        flag("external-entropy-access", Kind::Bool, "Let the engine use the seal's entropy."),
        flag("force-no-cache", Kind::Bool, "Do not cache the engine's storage."),
        flag("audit-non-hmac-request-keys", Kind::List, "Request key the audit log shows in clear, may be repeated."),
        flag("audit-non-hmac-response-keys", Kind::List, "Answer key the audit log shows in clear, may be repeated."),
        flag("passthrough-request-headers", Kind::List, "Request header handed to the engine, may be repeated."),
        flag("allowed-response-headers", Kind::List, "Header the engine may answer with, may be repeated."),
        flag("allowed-managed-keys", Kind::List, "Managed key the mount may use, may be repeated."),
        flag("identity-token-key", Kind::Text, "Key that signs identity tokens of the engine."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let given = args.rest[0].trim();
    let kind = match (given, args.text("plugin-name")) {
        ("plugin", Some(name)) => name,
        ("plugin", None) => return Err(Failure::local("Missing plugin name for TYPE plugin: use -plugin-name")),
        _ => given,
    };
    let path = mount(args.text("path").unwrap_or(kind));
    let mut config = Map::new();
    for (flag, key) in [("default-lease-ttl", "default_lease_ttl"), ("max-lease-ttl", "max_lease_ttl")] {
        config.insert(key.into(), json!(duration::full(args.duration(flag).unwrap_or_default())));
    }
    config.insert("force_no_cache".into(), json!(args.is("force-no-cache")));
    put_text(&mut config, args, "listing-visibility", "listing_visibility");
    put_text(&mut config, args, "plugin-version", "plugin_version");
    put_text(&mut config, args, "identity-token-key", "identity_token_key");
    put_list(&mut config, args, "allowed-managed-keys", "allowed_managed_keys");
    for (flag, key) in LISTS {
        put_list(&mut config, args, flag, key);
    }
    let mut options = args.map("options");
    if let Some(version) = args.text("version") {
        options.insert("version".into(), json!(version));
    }
    let options = if options.is_empty() { Value::Null } else { Value::Object(options) };
    let body = json!({
        "type": kind,
        "description": args.text("description").unwrap_or_default(),
        "config": config,
        "local": args.is("local"),
        "seal_wrap": args.is("seal-wrap"),
        "external_entropy_access": args.is("external-entropy-access"),
        "options": options,
    });
    let request = Request::post(&format!("sys/mounts/{}", path.trim_end_matches('/')), body);
    let answer = ctx.call("Error enabling", request).await?;
    if let Some(answer) = &answer {
        ctx.show_warnings(answer);
    }
    let what = if given == "plugin" { format!("the {kind} plugin") } else { format!("the {kind} secrets engine") };
    ctx.say(&format!("Success! Enabled {what} at: {path}"));
    Ok(0)
}
