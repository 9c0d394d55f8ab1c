use lessor_client::Request;

use crate::command::{Command, Outcome, arity, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::Args;
use crate::output::show;

pub static COMMAND: Command = Command {
    name: "path-help",
    usage: "PATH",
    about: "Show the server's help for a path.",
    example: "lessor path-help database/roles/reader",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = clean(&args.rest[0]);
    let request = Request::get(&path).query("help", "1");
    let help = ctx.expect("Error retrieving help", request).await?;
    if !ctx.is_table() {
        ctx.show_value(&help);
        return Ok(0);
    }
    let text = match help.get("help").or_else(|| help.get("data").and_then(|d| d.get("help"))) {
        Some(text) => show(text),
        None => return Err(Failure::remote(format!("No help found at {path}"))),
    };
    ctx.say(text.trim_end());
    Ok(0)
}
