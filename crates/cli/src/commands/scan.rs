use crate::command::{Command, Outcome, arity, clean};
use crate::commands::list::{AFTER, DETAILED, LIMIT, page, show_found};
use crate::context::Ctx;
use crate::flags::Args;
use lessor_client::Request;

pub static COMMAND: Command = Command {
    name: "scan",
    usage: "PATH",
    about: "List all keys below a path, as deep as it goes.",
    example: "lessor scan secret/metadata/team",
    flags: &[AFTER, DETAILED, LIMIT],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = clean(&args.rest[0]);
    let found = ctx.find(&format!("Error scanning {path}"), page(Request::scan(&path), args)).await?;
    show_found(ctx, &path, "value", found, args.is("detailed"))
}

/// Scans `path` and prints the keys; where nothing is, there is no `what`: exit code 2.
pub async fn scan(ctx: &mut Ctx, path: &str, what: &str) -> Outcome {
    let found = ctx.find(&format!("Error scanning {path}"), Request::scan(path)).await?;
    show_found(ctx, path, what, found, false)
}
