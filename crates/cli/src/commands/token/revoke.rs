use lessor_client::{Method, Request};
use serde_json::json;

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "token revoke",
    usage: "[TOKEN | ACCESSOR | PATH]",
    about: "Revoke a token with its children and leases.",
    example: "lessor token revoke -self",
    flags: &[
        flag("accessor", Kind::Bool, "The argument is an accessor."),
        flag("self", Kind::Bool, "Revoke the token in use."),
        flag("mode", Kind::Text, "orphan leaves the children alive; path revokes all tokens of an auth path."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let mode = args.text("mode").unwrap_or_default();
    let (own, accessor) = (args.is("self"), args.is("accessor"));
    match (own, args.rest.len()) {
        (true, 0) | (false, 1) => {}
        (true, count) => {
            return Err(Failure::local(format!("Too many arguments with -self (expected 0, got {count})")));
        }
        (false, 0) => return Err(Failure::local("Not enough arguments (expected 1 or -self, got 0)")),
        (false, count) => return Err(Failure::local(format!("Too many arguments (expected 1 or -self, got {count})"))),
    }
    let target = args.rest.first().map(|text| text.trim()).unwrap_or_default();
    let request = match (mode, own, accessor) {
        ("", true, false) => Request::put("auth/token/revoke-self", json!(null)),
        ("", false, true) => Request::post("auth/token/revoke-accessor", json!({"accessor": target})),
        ("", false, false) => Request::put("auth/token/revoke", json!({"token": target})),
        ("orphan", false, false) => Request::put("auth/token/revoke-orphan", json!({"token": target})),
        ("path", false, false) => Request::new(Method::Put, &format!("sys/leases/revoke-prefix/{}", clean(target))),
        ("" | "orphan" | "path", _, _) => {
            let first = if own { "self" } else { "accessor" };
            let second = if own && accessor { "accessor" } else { "mode" };
            return Err(Failure::local(format!("Cannot use -{first} with -{second}!")));
        }
        _ => return Err(Failure::local(format!("Invalid mode: {mode}"))),
    };
    ctx.call("Error revoking token", request).await?;
    ctx.say("Success! Revoked token (if it existed)");
    Ok(0)
}
