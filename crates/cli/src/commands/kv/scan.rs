use super::{MOUNT, find};
use crate::command::{Command, Outcome, arity};
use crate::commands::scan::scan;
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "kv scan",
    usage: "PATH",
    about: "List all secrets below a path, as deep as it goes.",
    example: "lessor kv scan secret/app",
    flags: &[MOUNT],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let place = find(ctx, args, args.rest.first().map_or("", String::as_str)).await?;
    scan(ctx, place.at("metadata").trim_end_matches('/'), "entries").await
}
