use lessor_client::Request;

use crate::command::{Command, Outcome, arity, mount};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "secrets enable",
    usage: "TYPE",
    about: "Mount a secrets engine.",
    example: "lessor secrets enable -path=db -max-lease-ttl=24h database",
    flags: &[
        flag("path", Kind::Text, "Where to mount it, its type when not given."),
        mounts::DESCRIPTION,
        mounts::DEFAULT_TTL,
        mounts::MAX_TTL,
        mounts::VISIBILITY,
        mounts::OPTIONS,
        flag("version", Kind::Number, "Version of the engine: 1 or 2 for kv."),
        flag("plugin-name", Kind::Text, "Name of the plugin for TYPE plugin."),
        mounts::PLUGIN_VERSION,
        mounts::LOCAL,
        mounts::SEAL_WRAP,
        mounts::ENTROPY,
        flag("force-no-cache", Kind::Bool, "Do not cache the engine's storage."),
        mounts::HMAC_REQUEST,
        mounts::HMAC_RESPONSE,
        mounts::PASSTHROUGH,
        mounts::RESPONSE_HEADERS,
        mounts::MANAGED_KEYS,
        mounts::TOKEN_KEY,
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let given = args.rest[0].trim();
    let kind = mounts::kind_of(args, given)?;
    let path = mount(args.text("path").unwrap_or(kind));
    let request = Request::post(&format!("sys/mounts/{}", path.trim_end_matches('/')), mounts::enable_body(args, kind));
    if let Some(answer) = &ctx.call("Error enabling", request).await? {
        ctx.show_warnings(answer);
    }
    let what = if given == "plugin" { format!("the {kind} plugin") } else { format!("the {kind} secrets engine") };
    ctx.say(&format!("Success! Enabled {what} at: {path}"));
    Ok(0)
}
