use lessor_client::{Method, Request};
use serde_json::json;

use crate::command::{Command, Outcome, mount};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "audit enable",
    usage: "TYPE [key=value ...]",
    about: "Enable an audit device.",
    example: "lessor audit enable file file_path=/var/log/lessor-audit.log",
    flags: &[
        flag("path", Kind::Text, "Where to enable it, its type when not given."),
        flag("description", Kind::Text, "What it is for."),
        flag("local", Kind::Bool, "Only on this cluster."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let Some((kind, words)) = args.rest.split_first() else {
        return Err(Failure::local(
            "Error enabling audit device: audit type missing. Valid types include 'file', 'socket' and 'syslog'.",
        ));
    };
    let options = ctx.parse_data(words)?;
    let path = mount(args.text("path").unwrap_or(kind));
    let body = json!({
        "type": kind,
        "description": args.text("description").unwrap_or_default(),
        "options": options,
        "local": args.is("local"),
    });
    let request = Request::new(Method::Put, &format!("sys/audit/{}", path.trim_end_matches('/')));
    ctx.call("Error enabling audit device", request.body(body)).await?;
    ctx.say(&format!("Success! Enabled the {kind} audit device at: {path}"));
    Ok(0)
}
