use lessor_client::{Request, Token};
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "unwrap",
    usage: "[TOKEN]",
    about: "Fetch what a wrapping token holds; it can be fetched once.",
    example: "lessor unwrap hvs.CAESI...",
    flags: &[flag("field", Kind::Text, "Print only this field.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let given = args.rest.first().map(String::as_str).or_else(|| ctx.env.get("UNWRAP_TOKEN"));
    let given = given.map(str::to_owned);
    let own = ctx.token().await?;
    let request = match (given, own) {
        (Some(wrapping), Some(_)) => Request::put("sys/wrapping/unwrap", json!({"token": wrapping})),
        // Without a token of one's own the wrapping token is the credential.
        (Some(wrapping), None) => Request::put("sys/wrapping/unwrap", Value::Null).token(Token::new(&wrapping)),
        (None, _) => Request::put("sys/wrapping/unwrap", Value::Null),
    };
    match ctx.call("Error unwrapping", request.unwrapped()).await? {
        Some(secret) => ctx.show_secret_or_field(&secret, args.text("field")),
        None => Err(Failure::remote("Could not find wrapped response")),
    }
}
