use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity, mount};
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "kv enable-versioning",
    usage: "MOUNT",
    about: "Make a mount keep versions.",
    example: "lessor kv enable-versioning kv",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = mount(&args.rest[0]);
    let body = json!({
        "options": { "version": "2" }, "default_lease_ttl": "", "max_lease_ttl": "", "force_no_cache": false,
    });
    let request = Request::post(&format!("sys/mounts/{}/tune", path.trim_end_matches('/')), body);
    ctx.call(&format!("Error tuning secrets engine {path}"), request).await?;
    ctx.say(&format!("Success! Tuned the secrets engine at: {path}"));
    Ok(0)
}
