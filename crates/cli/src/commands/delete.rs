use lessor_client::Request;

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::show;

pub static COMMAND: Command = Command {
    name: "delete",
    usage: "PATH [key=value ...]",
    about: "Delete a secret or configuration. Data becomes query parameters.",
    example: "lessor delete database/roles/reader",
    flags: &[flag("field", Kind::Text, "Print only this field of the answer.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let Some((path, words)) = args.rest.split_first() else {
        return Err(Failure::local("Not enough arguments (expected at least 1, got 0)"));
    };
    let path = clean(path);
    let mut request = Request::delete(&path);
    for (key, value) in &ctx.parse_data(words)? {
        request = request.query(key, &show(value));
    }
    match ctx.call(&format!("Error deleting {path}"), request).await? {
        Some(secret) if !secret["data"].is_null() || !secret["warnings"].is_null() => {
            ctx.show_secret_or_field(&secret, args.text("field"))
        }
        _ => {
            if ctx.is_table() {
                ctx.say(&format!("Success! Data deleted (if it existed) at: {path}"));
            }
            Ok(0)
        }
    }
}
