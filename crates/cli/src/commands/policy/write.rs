use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "policy write",
    usage: "NAME PATH",
    about: "Upload a policy from a file, or from stdin when PATH is -.",
    example: "lessor policy write reader reader.hcl",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 2, 2)?;
    let given = args.rest[0].trim();
    let name = given.to_lowercase();
    if name != given {
        ctx.warn(&format!("Policy name was converted from {given:?} to {name:?}"));
    }
    let path = args.rest[1].trim();
    let text = if path == "-" {
        ctx.io.read_input()?
    } else {
        std::fs::read_to_string(path)
            .map_err(|error| Failure::remote(format!("Error opening policy file: open {path}: {}", reason(&error))))?
    };
    let request = Request::put(&format!("sys/policies/acl/{name}"), json!({"policy": text}));
    if let Some(answer) = ctx.call("Error uploading policy", request).await? {
        ctx.show_warnings(&answer);
    }
    ctx.say(&format!("Success! Uploaded policy: {name}"));
    Ok(0)
}
