use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::show;

pub static COMMAND: Command = Command {
    name: "audit list",
    usage: "",
    about: "List the enabled audit devices.",
    example: "lessor audit list -detailed",
    flags: &[flag("detailed", Kind::Bool, "Show replication and options as well.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let answer = ctx.expect("Error listing audits", Request::get("sys/audit")).await?;
    let devices = mounts::entries(&answer);
    if devices.is_empty() && ctx.is_table() {
        ctx.say("No audit devices are enabled.");
        return Err(Failure::quiet(2));
    }
    let detailed = args.is("detailed");
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|(path, device)| {
            let text = |key: &str| device[key].as_str().unwrap_or_default().to_owned();
            let mut row = vec![path.clone(), text("type"), text("description")];
            if detailed {
                let local = device["local"] == true;
                row.push(if local { "local" } else { "replicated" }.to_owned());
                let options = device["options"].as_object().into_iter().flatten();
                let pairs: Vec<String> = options.map(|(key, value)| format!("{key}={}", show(value))).collect();
                row.push(pairs.join(" "));
            }
            row
        })
        .collect();
    let header: &[&str] = if detailed {
        &["Path", "Type", "Description", "Replication", "Options"]
    } else {
        &["Path", "Type", "Description"]
    };
    let data = Value::Object(devices.into_iter().collect());
    ctx.show_columns(header, &rows, &data);
    Ok(0)
}
