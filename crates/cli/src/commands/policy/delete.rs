use lessor_client::Request;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "policy delete",
    usage: "NAME",
    about: "Delete a policy.",
    example: "lessor policy delete reader",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let name = args.rest[0].trim().to_lowercase();
    let request = Request::delete(&format!("sys/policies/acl/{name}"));
    ctx.call(&format!("Error deleting {name}"), request).await?;
    ctx.say(&format!("Success! Deleted policy: {name}"));
    Ok(0)
}
