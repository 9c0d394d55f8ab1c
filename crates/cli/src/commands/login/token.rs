use lessor_client::{Request, Token};
use serde_json::{Map, Value};

use super::secret_of;
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::Args;

/// Checks a token, given as an argument, as `token=...`, on stdin or at the terminal.
pub async fn login(ctx: &mut Ctx, args: &Args) -> Result<Value, Failure> {
    ctx.take_wrap_ttl();
    let data = pairs(ctx, &args.rest)?;
    let text = |key: &str| data.get(key).and_then(Value::as_str).map(str::to_owned);
    let given = match text("token") {
        Some(token) => token,
        None if ctx.interactive && ctx.io.input_is_terminal => ctx.io.ask("Token (will be hidden): ")?,
        None => {
            return Err(Failure::remote("Error authenticating: there is no terminal to ask for a token")
                .hint("give it as an argument, or pass - to read it from stdin"));
        }
    };
    let token = Token::new(&given);
    if token.is_empty() {
        return Err(Failure::remote("Error authenticating: a token must be passed to auth"));
    }
    ctx.set_token(Some(token.clone()));
    if text("lookup").as_deref() == Some("false") {
        return Ok(secret_of(&token, &Value::Null));
    }
    let request = Request::get("auth/token/lookup-self");
    let answer = ctx.expect("Error authenticating: error looking up token", request).await?;
    Ok(secret_of(&token, &answer["data"]))
}

/// `TOKEN`, `-` and `key=value` words.
fn pairs(ctx: &mut Ctx, words: &[String]) -> Result<Map<String, Value>, Failure> {
    let bare = words.first().filter(|word| !word.contains('='));
    let rest = if bare.is_some() { &words[1..] } else { words };
    let wrong = |why: String| Failure::local(format!("Error parsing configuration: {why}"));
    let mut data = ctx.parse_pairs(rest).map_err(wrong)?;
    if let Some(bare) = bare {
        let token = if bare == "-" { ctx.io.read_input()? } else { bare.clone() };
        data.insert("token".into(), Value::String(token));
    }
    Ok(data)
}
