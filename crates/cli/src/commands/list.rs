use lessor_client::Request;
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};
use crate::output::show;

/// The flag of the commands that list.
pub const DETAILED: Flag = flag("detailed", Kind::Bool, "Show the details the server has about each key.");

/// The flags of the commands that list a page at a time.
pub const AFTER: Flag = flag("after", Kind::Text, "Begin behind this key.");
pub const LIMIT: Flag = flag("limit", Kind::Number, "Show at most so many keys; 0 or less is all.");

/// Adds what was asked for by [`AFTER`] and [`LIMIT`].
pub fn page(request: Request, args: &Args) -> Request {
    let request = match args.text("after") {
        Some(after) => request.query("after", after),
        None => request,
    };
    match args.number("limit").filter(|limit| *limit > 0) {
        Some(limit) => request.query("limit", &limit.to_string()),
        None => request,
    }
}

pub static COMMAND: Command = Command {
    name: "list",
    usage: "PATH",
    about: "List the keys below a path.",
    example: "lessor list database/roles",
    flags: &[AFTER, DETAILED, LIMIT],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = clean(&args.rest[0]);
    let found = ctx.find(&format!("Error listing {path}"), page(Request::list(&path), args)).await?;
    show_found(ctx, &path, "value", found, args.is("detailed"))
}

/// Lists `path` and prints the keys; nothing there is exit code 2.
pub async fn list(ctx: &mut Ctx, path: &str, what: &str) -> Outcome {
    let found = ctx.find(what, Request::list(path)).await?;
    show_found(ctx, path, "value", found, false)
}

/// Prints the keys of an answer; where there are none, there is no `what`: exit code 2.
pub fn show_found(ctx: &mut Ctx, path: &str, what: &str, found: Option<Value>, detailed: bool) -> Outcome {
    let empty = |secret: &Value| secret["data"]["keys"].as_array().is_none_or(Vec::is_empty);
    match found {
        Some(secret) if !empty(&secret) => {
            if detailed && ctx.is_table() && secret["data"]["key_info"].is_object() {
                show_details(ctx, &secret);
            } else if detailed && !ctx.is_table() {
                let data = json!(secret["data"]);
                ctx.show_value(&data);
            } else {
                ctx.show_keys(&secret);
            }
            Ok(0)
        }
        other => {
            if let Some(secret) = &other {
                ctx.show_warnings(secret);
            }
            if ctx.is_table() {
                return Err(ctx.nothing_at(what, path));
            }
            ctx.say("{}");
            Err(Failure::quiet(2))
        }
    }
}

pub fn show_details(ctx: &mut Ctx, secret: &Value) {
    let info = &secret["data"]["key_info"];
    let keys = secret["data"]["keys"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for details in info.as_object().into_iter().flatten().map(|(_, details)| details) {
        for (name, _) in details.as_object().into_iter().flatten() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names.sort_unstable();
    let mut header = vec!["Keys"];
    header.extend(names.iter().map(String::as_str));
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let details = &info[show(key).as_str()];
            let cells = names.iter().map(|name| match &details[name.as_str()] {
                Value::Null => String::new(),
                value => show(value),
            });
            std::iter::once(show(key)).chain(cells).collect()
        })
        .collect();
    ctx.show_warnings(secret);
    ctx.show_columns(&header, &rows, info);
}
