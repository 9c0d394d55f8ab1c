use lessor_client::Request;
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, aliased, flag};
use crate::output::{key_value, show};

pub static COMMAND: Command = Command {
    name: "operator rekey",
    usage: "[KEY]",
    about: "Make new key shares. Begin with -init; then holders of the present shares give theirs, with the nonce.",
    example: "lessor operator rekey -init -key-shares=5 -key-threshold=3",
    flags: &[
        flag("init", Kind::Bool, "Begin."),
        aliased("key-shares", "n", Kind::Number, "How many key shares to make, 5 when not given."),
        aliased("key-threshold", "t", Kind::Number, "How many of them unseal, 3 when not given."),
        flag("nonce", Kind::Text, "Names the operation; asked from the server when not given."),
        flag("status", Kind::Bool, "Show how it goes."),
        flag("cancel", Kind::Bool, "Forget the shares given so far, and the operation."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

const WHAT: &str = "Error rekeying";

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    if args.is("cancel") {
        ctx.call(WHAT, Request::delete("sys/rekey/init")).await?;
        ctx.say("Success! Canceled rekeying (if it was started)");
        return Ok(0);
    }
    if args.is("init") {
        let number = |flag: &str, default: i64| args.number(flag).unwrap_or(default);
        let body = json!({ "secret_shares": number("key-shares", 5), "secret_threshold": number("key-threshold", 3) });
        let status = ctx.expect(WHAT, Request::put("sys/rekey/init", body)).await?;
        return show_status(ctx, &status);
    }
    let status = ctx.expect(WHAT, Request::get("sys/rekey/init")).await?;
    if args.is("status") {
        return show_status(ctx, &status);
    }
    if status["started"] != true {
        return Err(Failure::local("No rekey is in progress. Start a rekey operation with -init."));
    }
    let nonce = args.text("nonce").map_or_else(|| show(&status["nonce"]), str::to_owned);
    let key = match args.rest.first() {
        Some(key) => key.trim().to_owned(),
        None => ctx.io.ask(&format!("Rekey operation nonce: {nonce}\nUnseal Key (will be hidden): "))?,
    };
    let answer = ctx.expect(WHAT, Request::put("sys/rekey/update", json!({ "key": key, "nonce": nonce }))).await?;
    if answer["complete"] != true {
        return show_status(ctx, &answer);
    }
    if !ctx.is_table() {
        ctx.show_value(&answer);
        return Ok(0);
    }
    let keys = answer["keys_base64"].as_array().cloned().unwrap_or_default();
    for (at, key) in keys.iter().enumerate() {
        ctx.say(&format!("Key {}: {}", at + 1, show(key)));
    }
    ctx.say(&format!("\nOperation nonce: {}\n", show(&answer["nonce"])));
    ctx.say("The old key shares unseal nothing any more. Please securely distribute the ones printed above.");
    Ok(0)
}

fn show_status(ctx: &mut Ctx, status: &Value) -> Outcome {
    if !ctx.is_table() {
        ctx.show_value(status);
        return Ok(0);
    }
    let mut rows = vec![("Nonce".to_owned(), show(&status["nonce"])), ("Started".to_owned(), show(&status["started"]))];
    if status["started"] == true {
        rows.push((
            "Rekey Progress".to_owned(),
            format!("{}/{}", show(&status["progress"]), show(&status["required"])),
        ));
        rows.push(("New Shares".to_owned(), show(&status["n"])));
        rows.push(("New Threshold".to_owned(), show(&status["t"])));
    }
    rows.push(("Verification Required".to_owned(), show(&status["verification_required"])));
    ctx.say(&key_value(&rows));
    Ok(0)
}
