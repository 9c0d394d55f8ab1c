use lessor_client::Request;

use crate::command::{Command, Outcome, arity, clean};
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "audit disable",
    usage: "PATH",
    about: "Disable an audit device.",
    example: "lessor audit disable file",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = clean(&args.rest[0]);
    ctx.call("Error disabling audit device", Request::delete(&format!("sys/audit/{path}"))).await?;
    ctx.say(&format!("Success! Disabled audit device (if it was enabled) at: {path}/"));
    Ok(0)
}
