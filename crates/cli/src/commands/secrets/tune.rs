use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity, mount};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "secrets tune",
    usage: "PATH",
    about: "Change the settings of a mounted secrets engine; what is not given stays.",
    example: "lessor secrets tune -default-lease-ttl=1h db/",
    flags: &[
        mounts::DESCRIPTION,
        mounts::DEFAULT_TTL,
        mounts::MAX_TTL,
        mounts::VISIBILITY,
        mounts::OPTIONS,
        flag("version", Kind::Number, "Version of the engine: 2 turns versioning on for kv."),
        mounts::PLUGIN_VERSION,
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
    let path = mount(&args.rest[0]);
    let at = format!("sys/mounts/{}/tune", path.trim_end_matches('/'));
    let request = Request::post(&at, Value::Object(mounts::tune_body(args)));
    if let Some(answer) = ctx.call(&format!("Error tuning secrets engine {path}"), request).await? {
        ctx.show_warnings(&answer);
    }
    ctx.say(&format!("Success! Tuned the secrets engine at: {path}"));
    Ok(0)
}
