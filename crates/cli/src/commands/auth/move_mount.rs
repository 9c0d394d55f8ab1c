use crate::command::{Command, Outcome, arity, mount};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "auth move",
    usage: "SOURCE DESTINATION",
    about: "Move an auth method to another path; both paths begin with auth/. Tokens it issued are revoked.",
    example: "lessor auth move auth/userpass/ auth/staff/",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 2, 2)?;
    mounts::remount(ctx, "auth method", &mount(&args.rest[0]), &mount(&args.rest[1])).await
}
