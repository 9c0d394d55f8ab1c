use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity, mount};
use crate::commands::mounts::{LISTS, put_duration, put_list, put_text};
use crate::context::Ctx;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "secrets tune",
    usage: "PATH",
    about: "Change the settings of a mounted secrets engine; what is not given stays.",
    example: "lessor secrets tune -default-lease-ttl=1h db/",
    flags: &[
        flag("description", Kind::Text, "What it is for."),
        flag("default-lease-ttl", Kind::Duration, "Lease TTL when neither role nor request say."),
        flag("max-lease-ttl", Kind::Duration, "Longest lease TTL."),
        flag("listing-visibility", Kind::Text, "unauth or hidden: whether logged-out users see the mount."),
        flag("options", Kind::Map, "Option as key=value, may be repeated."),
        flag("version", Kind::Number, "Version of the engine: 2 turns versioning on for kv."),
        flag("plugin-version", Kind::Text, "Version of the plugin to run after the next reload."),
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
    let path = mount(&args.rest[0]);
    let mut body: Map<String, Value> = Map::new();
    put_text(&mut body, args, "description", "description");
    put_duration(&mut body, args, "default-lease-ttl", "default_lease_ttl");
    put_duration(&mut body, args, "max-lease-ttl", "max_lease_ttl");
    put_text(&mut body, args, "listing-visibility", "listing_visibility");
    put_text(&mut body, args, "plugin-version", "plugin_version");
    put_text(&mut body, args, "identity-token-key", "identity_token_key");
    put_list(&mut body, args, "allowed-managed-keys", "allowed_managed_keys");
    for (flag, key) in LISTS {
        put_list(&mut body, args, flag, key);
    }
    let mut options = args.map("options");
    if let Some(version) = args.text("version") {
        options.insert("version".into(), json!(version));
    }
    if !options.is_empty() {
        body.insert("options".into(), Value::Object(options));
    }
    let at = format!("sys/mounts/{}/tune", path.trim_end_matches('/'));
    let what = format!("Error tuning secrets engine {path}");
    if let Some(answer) = ctx.call(&what, Request::post(&at, Value::Object(body))).await? {
        ctx.show_warnings(&answer);
    }
    ctx.say(&format!("Success! Tuned the secrets engine at: {path}"));
    Ok(0)
}
