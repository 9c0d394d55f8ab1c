use crate::command::{Command, Outcome};
use crate::context::Ctx;

pub static COMMAND: Command = Command {
    name: "print token",
    usage: "",
    about: "Print the token requests would carry.",
    example: "lessor print token",
    flags: &[],
    run: |ctx, _| Box::pin(run(ctx)),
};

async fn run(ctx: &mut Ctx) -> Outcome {
    let token = ctx.token().await?;
    let text = token.as_ref().map_or("", |token| token.expose());
    ctx.say(text);
    Ok(0)
}
