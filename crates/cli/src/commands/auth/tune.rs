use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity, mount};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "auth tune",
    usage: "PATH",
    about: "Change the settings of a mounted auth method; what is not given stays.",
    example: "lessor auth tune -max-lease-ttl=12h staff/",
    flags: &[
        mounts::DESCRIPTION,
        mounts::DEFAULT_TTL,
        mounts::MAX_TTL,
        mounts::VISIBILITY,
        mounts::OPTIONS,
        flag("version", Kind::Number, "Version of the auth method."),
        super::list::TOKEN_TYPE,
        mounts::PLUGIN_VERSION,
        mounts::HMAC_REQUEST,
        mounts::HMAC_RESPONSE,
        mounts::PASSTHROUGH,
        mounts::RESPONSE_HEADERS,
        mounts::TOKEN_KEY,
        flag("user-lockout-threshold", Kind::Number, "Failed logins until a user is locked out."),
        flag("user-lockout-duration", Kind::Duration, "How long a user stays locked out."),
        flag("user-lockout-counter-reset-duration", Kind::Duration, "When failed logins are forgotten."),
        flag("user-lockout-disable", Kind::Bool, "Never lock a user out."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

/// What the server is told about locking users out, if anything was given.
fn lockout(args: &Args) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(threshold) = args.text("user-lockout-threshold") {
        config.insert("lockout_threshold".into(), json!(threshold));
    }
    mounts::put_duration(&mut config, args, "user-lockout-duration", "lockout_duration");
    let reset = "user-lockout-counter-reset-duration";
    mounts::put_duration(&mut config, args, reset, "lockout_counter_reset_duration");
    if let Some(disable) = args.boolean("user-lockout-disable") {
        config.insert("lockout_disable".into(), json!(disable));
    }
    config
}

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = mount(&args.rest[0]);
    let mut body = mounts::tune_body(args);
    let lockout = lockout(args);
    if !lockout.is_empty() {
        body.insert("user_lockout_config".into(), Value::Object(lockout));
    }
    // The path below sys/mounts needs no sudo capability, the one below sys/auth does.
    let at = format!("sys/mounts/auth/{}/tune", path.trim_end_matches('/'));
    let request = Request::post(&at, Value::Object(body));
    if let Some(answer) = ctx.call(&format!("Error tuning auth method {path}"), request).await? {
        ctx.show_warnings(&answer);
    }
    ctx.say(&format!("Success! Tuned the auth method at: {path}"));
    Ok(0)
}
