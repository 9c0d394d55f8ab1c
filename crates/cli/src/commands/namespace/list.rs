use lessor_client::Request;
use serde_json::Value;

use super::show;
use crate::command::{Command, Outcome, arity, clean};
use crate::commands::list::show_details;
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output;

pub static COMMAND: Command = Command {
    name: "namespace list",
    usage: "",
    about: "List the namespaces below the one in use.",
    example: "lessor namespace list -detailed",
    flags: &[flag("detailed", Kind::Bool, "Show the details the server has about each.")],
    run: |ctx, args| Box::pin(list(ctx, args)),
};

pub static SCAN: Command = Command {
    name: "namespace scan",
    usage: "",
    about: "List the namespaces below the one in use, as deep as it goes.",
    example: "lessor namespace scan -detailed",
    flags: &[flag("detailed", Kind::Bool, "Show the details the server has about each.")],
    run: |ctx, args| Box::pin(scan(ctx, args)),
};

pub static LOOKUP: Command = Command {
    name: "namespace lookup",
    usage: "PATH",
    about: "Show a namespace.",
    example: "lessor namespace lookup team-a",
    flags: &[flag("field", Kind::Text, "Print only this field.")],
    run: |ctx, args| Box::pin(lookup(ctx, args)),
};

async fn list(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let found = ctx.find("Error listing namespaces", Request::list("sys/namespaces")).await?;
    show_all(ctx, args, found)
}

async fn scan(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let mut found = ctx.find("Error scanning namespaces", Request::scan("sys/namespaces")).await?;
    // Servers name them as they find them: level by level, or in no order.
    if let Some(keys) = found.as_mut().and_then(|secret| secret["data"]["keys"].as_array_mut()) {
        keys.sort_by_key(output::show);
    }
    show_all(ctx, args, found)
}

fn show_all(ctx: &mut Ctx, args: &Args, found: Option<Value>) -> Outcome {
    let empty = |secret: &Value| secret["data"]["keys"].as_array().is_none_or(Vec::is_empty);
    match found.filter(|secret| !empty(secret)) {
        Some(secret) if args.is("detailed") && ctx.is_table() => show_details(ctx, &secret),
        Some(secret) if args.is("detailed") => ctx.show_value(&secret["data"]["key_info"]),
        Some(secret) => ctx.show_keys(&secret),
        None if ctx.is_table() => return Err(Failure::remote("No namespaces found")),
        None => {
            ctx.say("{}");
            return Err(Failure::quiet(2));
        }
    }
    Ok(0)
}

async fn lookup(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = clean(&args.rest[0]);
    match ctx.find("Error looking up namespace", Request::get(&format!("sys/namespaces/{path}"))).await? {
        Some(answer) => show(ctx, &answer, args.text("field")),
        None => Err(Failure::remote("Namespace not found")),
    }
}
