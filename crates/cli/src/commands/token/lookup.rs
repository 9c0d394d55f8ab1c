use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "token lookup",
    usage: "[TOKEN | ACCESSOR]",
    about: "Show policies and lifetime of a token, of the one in use when none is given.",
    example: "lessor token lookup",
    flags: &[
        flag("accessor", Kind::Bool, "The argument is an accessor."),
        flag("field", Kind::Text, "Print only this field."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let request = match (args.rest.first(), args.is("accessor")) {
        (None, true) => return Err(Failure::local("Not enough arguments with -accessor (expected 1, got 0)")),
        (None, false) => Request::get("auth/token/lookup-self"),
        (Some(accessor), true) => Request::post("auth/token/lookup-accessor", json!({"accessor": accessor.trim()})),
        (Some(token), false) => Request::post("auth/token/lookup", json!({"token": token.trim()})),
    };
    let answer = ctx.expect("Error looking up token", request).await?;
    ctx.show_secret_or_field(&answer, args.text("field"))
}
