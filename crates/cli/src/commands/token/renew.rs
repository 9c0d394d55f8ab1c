use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, aliased, flag};

pub static COMMAND: Command = Command {
    name: "token renew",
    usage: "[TOKEN | ACCESSOR]",
    about: "Renew a token, the one in use when none is given.",
    example: "lessor token renew -increment=2h",
    flags: &[
        flag("accessor", Kind::Bool, "The argument is an accessor."),
        aliased("increment", "i", Kind::Duration, "How long to live from now; the server may give less."),
        flag("field", Kind::Text, "Print only this field."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let mut body = Map::new();
    body.insert("increment".into(), json!(args.duration("increment").unwrap_or_default().as_secs()));
    let request = match (args.rest.first(), args.is("accessor")) {
        (None, true) => return Err(Failure::local("Not enough arguments with -accessor (expected 1, got 0)")),
        (None, false) => Request::put("auth/token/renew-self", Value::Object(body)),
        (Some(accessor), true) => {
            body.insert("accessor".into(), json!(accessor.trim()));
            Request::post("auth/token/renew-accessor", Value::Object(body))
        }
        (Some(token), false) => {
            body.insert("token".into(), json!(token.trim()));
            Request::put("auth/token/renew", Value::Object(body))
        }
    };
    let answer = ctx.expect("Error renewing token", request).await?;
    ctx.show_secret_or_field(&answer, args.text("field"))
}
