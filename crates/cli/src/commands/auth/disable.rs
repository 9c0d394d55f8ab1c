use lessor_client::Request;

use crate::command::{Command, Outcome, arity, mount};
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "auth disable",
    usage: "PATH",
    about: "Unmount an auth method. Every token it issued is revoked.",
    example: "lessor auth disable staff/",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = mount(&args.rest[0]);
    let request = Request::delete(&format!("sys/auth/{}", path.trim_end_matches('/')));
    if let Some(answer) = ctx.call(&format!("Error disabling auth method at {path}"), request).await? {
        ctx.show_warnings(&answer);
    }
    ctx.say(&format!("Success! Disabled the auth method (if it existed) at: {path}"));
    Ok(0)
}
