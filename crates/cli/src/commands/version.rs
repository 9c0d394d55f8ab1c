use crate::command::{Command, Outcome};
use crate::context::Ctx;

pub static COMMAND: Command = Command {
    name: "version",
    usage: "",
    about: "Print the version.",
    example: "lessor version",
    flags: &[],
    run: |ctx, _| Box::pin(async move { run(ctx) }),
};

fn run(ctx: &mut Ctx) -> Outcome {
    ctx.say(&format!("Lessor v{}", env!("CARGO_PKG_VERSION")));
    Ok(0)
}
