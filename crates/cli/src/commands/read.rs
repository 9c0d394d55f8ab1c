use lessor_client::Request;

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::{Format, show};

pub static COMMAND: Command = Command {
    name: "read",
    usage: "PATH [key=value ...]",
    about: "Read a secret, credentials or configuration. Data becomes query parameters.",
    example: "lessor read database/creds/reader",
    flags: &[flag("field", Kind::Text, "Print only this field.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let Some((path, data)) = args.rest.split_first() else {
        return Err(Failure::local("Not enough arguments (expected 1, got 0)"));
    };
    let path = clean(path);
    let mut request = Request::get(&path);
    let data = ctx.parse_data(data)?;
    for (key, value) in &data {
        match value.as_array() {
            Some(items) => {
                for item in items {
                    request = request.query(key, &show(item));
                }
            }
            None => request = request.query(key, &show(value)),
        }
    }
    let what = format!("Error reading {path}");
    if ctx.format == Format::Raw {
        return match ctx.send(request).await? {
            Ok(response) => {
                ctx.io.raw(response.raw());
                Ok(0)
            }
            Err(error) => Err(ctx.failure(&what, &error).await),
        };
    }
    match ctx.find(&what, request).await? {
        Some(secret) => ctx.show_secret_or_field(&secret, args.text("field")),
        None => Err(ctx.nothing_at("value", &path)),
    }
}
