use crate::command::{Command, Outcome, arity, mount};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "secrets move",
    usage: "SOURCE DESTINATION",
    about: "Move a secrets engine to another path. All leases of the old path are revoked.",
    example: "lessor secrets move db/ database/",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 2, 2)?;
    mounts::remount(ctx, "secrets engine", &mount(&args.rest[0]), &mount(&args.rest[1])).await
}
