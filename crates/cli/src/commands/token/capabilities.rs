use lessor_client::Request;
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::show;

pub static COMMAND: Command = Command {
    name: "token capabilities",
    usage: "[TOKEN] PATH",
    about: "Show what a token may do on a path.",
    example: "lessor token capabilities database/creds/reader",
    flags: &[flag("accessor", Kind::Bool, "The first argument is an accessor.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    if args.rest.is_empty() {
        return Err(Failure::local("Not enough arguments (expected 1-2, got 0)"));
    }
    arity(args, 1, 2)?;
    let (path, request) = match args.rest.as_slice() {
        [path] if args.is("accessor") => {
            return Err(Failure::local(format!("Not enough arguments with -accessor: expected ACCESSOR {path}")));
        }
        [path] => {
            let token = ctx.token().await?;
            let token = token.as_ref().map_or("", |token| token.expose());
            (path, Request::post("sys/capabilities-self", json!({"path": path, "token": token})))
        }
        [accessor, path] if args.is("accessor") => {
            (path, Request::post("sys/capabilities-accessor", json!({"path": path, "accessor": accessor})))
        }
        [token, path, ..] => (path, Request::post("sys/capabilities", json!({"path": path, "token": token}))),
        [] => return Err(Failure::local("Not enough arguments")),
    };
    let answer = ctx.expect("Error listing capabilities", request).await?;
    let data = if answer["data"].is_object() { &answer["data"] } else { &answer };
    let list = match &data[path.as_str()] {
        Value::Null => &data["capabilities"],
        list => list,
    };
    let mut names: Vec<String> = list.as_array().into_iter().flatten().map(show).collect();
    names.sort_unstable();
    if ctx.is_table() {
        ctx.say(&names.join(", "));
    } else {
        ctx.show_value(&json!(names));
    }
    Ok(0)
}
