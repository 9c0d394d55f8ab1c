use lessor_client::{Method, Request};
use serde_json::Value;

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, aliased, flag};

static FLAGS: &[Flag] = &[
    aliased("force", "f", Kind::Bool, "Write although there is no data."),
    flag("field", Kind::Text, "Print only this field of the answer."),
];

pub static COMMAND: Command = Command {
    name: "write",
    usage: "PATH [key=value ...]",
    about: "Write data, configuration or credentials. key=@file and key=- take the value from a file or stdin, @file.json and - take the whole object.",
    example: "lessor write database/roles/reader db_name=app creation_statements=@reader.sql",
    flags: FLAGS,
    run: |ctx, args| Box::pin(run(ctx, args, Method::Put)),
};

pub static PATCH: Command = Command {
    name: "patch",
    usage: "PATH [key=value ...]",
    about: "Change some fields and leave the others as they are.",
    example: "lessor patch pki/roles/web max_ttl=72h",
    flags: FLAGS,
    run: |ctx, args| Box::pin(run(ctx, args, Method::Patch)),
};

async fn run(ctx: &mut Ctx, args: &Args, method: Method) -> Outcome {
    let Some((path, words)) = args.rest.split_first() else {
        return Err(Failure::local("Not enough arguments (expected 1, got 0)"));
    };
    if words.is_empty() && !args.is("force") {
        return Err(Failure::local("Must supply data or use -force"));
    }
    let path = clean(path);
    let body = if words.is_empty() { Value::Null } else { Value::Object(ctx.parse_data(words)?) };
    let what = format!("Error writing data to {path}");
    match ctx.call(&what, Request::new(method, &path).body(body)).await? {
        Some(secret) => ctx.show_secret_or_field(&secret, args.text("field")),
        None => {
            if ctx.is_table() {
                ctx.say(&format!("Success! Data written to: {path}"));
            }
            Ok(0)
        }
    }
}
