use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;
use crate::output::show;

pub static COMMAND: Command = Command {
    name: "policy list",
    usage: "",
    about: "List the policies.",
    example: "lessor policy list",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let answer = ctx.expect("Error listing policies", Request::list("sys/policies/acl")).await?;
    let keys = answer["data"]["keys"].as_array().cloned().unwrap_or_default();
    if ctx.is_table() {
        for key in &keys {
            ctx.say(&show(key));
        }
    } else {
        ctx.show_value(&Value::Array(keys));
    }
    Ok(0)
}
