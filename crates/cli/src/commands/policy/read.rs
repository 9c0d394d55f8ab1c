use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "policy read",
    usage: "NAME",
    about: "Print a policy.",
    example: "lessor policy read reader",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let name = args.rest[0].trim().to_lowercase();
    let request = Request::get(&format!("sys/policies/acl/{name}"));
    let what = format!("Error reading policy named {name}");
    let answer = ctx.find(&what, request).await?.unwrap_or_default();
    let text = answer["data"]["policy"].as_str().unwrap_or_default();
    if text.is_empty() {
        return Err(Failure::remote(format!("No policy named: {name}")));
    }
    if ctx.is_table() {
        ctx.say(text.trim());
    } else {
        ctx.show_value(&json!({"policy": text}));
    }
    Ok(0)
}
