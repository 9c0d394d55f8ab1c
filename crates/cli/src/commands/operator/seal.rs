use lessor_client::{Method, Request};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "operator seal",
    usage: "",
    about: "Seal the server: it forgets its keys and answers nothing until it is unsealed.",
    example: "lessor operator seal",
    flags: &[],
    run: |ctx, args| Box::pin(seal(ctx, args)),
};

pub static STEP_DOWN: Command = Command {
    name: "operator step-down",
    usage: "",
    about: "Give up leadership. Where every node is active there is none, and nothing happens.",
    example: "lessor operator step-down",
    flags: &[],
    run: |ctx, args| Box::pin(step_down(ctx, args)),
};

async fn seal(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    ctx.call("Error sealing", Request::new(Method::Put, "sys/seal")).await?;
    ctx.say("Success! Vault is sealed.");
    Ok(0)
}

async fn step_down(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    ctx.call("Error stepping down", Request::new(Method::Put, "sys/step-down")).await?;
    let address = ctx.config().address.clone();
    ctx.say(&format!("Success! Stepped down: {address}"));
    Ok(0)
}
