use super::{MOUNT, find};
use crate::command::{Command, Outcome, arity};
use crate::commands::list::list;
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "kv list",
    usage: "PATH",
    about: "List the secrets below a path.",
    example: "lessor kv list secret/app",
    flags: &[MOUNT],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let place = find(ctx, args, args.rest.first().map_or("", String::as_str)).await?;
    let path = place.at("metadata");
    let path = path.trim_end_matches('/');
    list(ctx, path, &format!("Error listing {path}")).await
}
