use lessor_client::Request;

use crate::command::{Command, Outcome, arity, mount};
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "secrets disable",
    usage: "PATH",
    about: "Unmount a secrets engine. All its leases are revoked and its data is deleted.",
    example: "lessor secrets disable db/",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = mount(&args.rest[0]);
    let request = Request::delete(&format!("sys/mounts/{}", path.trim_end_matches('/')));
    let what = format!("Error disabling secrets engine at {path}");
    if let Some(answer) = ctx.call(&what, request).await? {
        ctx.show_warnings(&answer);
    }
    ctx.say(&format!("Success! Disabled the secrets engine (if it existed) at: {path}"));
    Ok(0)
}
