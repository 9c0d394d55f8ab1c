use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;
use crate::output::{key_value, show};

pub static COMMAND: Command = Command {
    name: "operator key-status",
    usage: "",
    about: "Show the key that storage is encrypted with.",
    example: "lessor operator key-status",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

pub static ROTATE: Command = Command {
    name: "operator rotate",
    usage: "",
    about: "Add a key that storage is encrypted with from now on.",
    example: "lessor operator rotate",
    flags: &[],
    run: |ctx, args| Box::pin(rotate(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let answer = ctx.expect("Error reading key status", Request::get("sys/key-status")).await?;
    if !ctx.is_table() {
        ctx.show_value(&answer["data"]);
        return Ok(0);
    }
    let data = &answer["data"];
    let rows = [
        ("Key Term".to_owned(), show(&data["term"])),
        ("Install Time".to_owned(), show(&data["install_time"])),
        ("Encryption Count".to_owned(), show(&data["encryptions"])),
    ];
    ctx.say(&key_value(&rows));
    Ok(0)
}

async fn rotate(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    ctx.call("Error rotating key", Request::put("sys/rotate", Value::Null)).await?;
    if ctx.is_table() {
        ctx.say("Success! Rotated key\n");
    }
    run(ctx, args).await
}
