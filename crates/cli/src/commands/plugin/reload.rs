use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::{columns, show};

pub static COMMAND: Command = Command {
    name: "plugin reload",
    usage: "",
    about: "Load a plugin again wherever it is mounted, or at some mounts only.",
    example: "lessor plugin reload -plugin=my-plugin",
    flags: &[
        flag("plugin", Kind::Text, "Name of the plugin."),
        flag("mounts", Kind::List, "Mounts to load it again at, separated by commas."),
        flag("scope", Kind::Text, "global reaches every node; this node only when not given."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

pub static STATUS: Command = Command {
    name: "plugin reload-status",
    usage: "RELOAD_ID",
    about: "Show which nodes loaded a plugin again.",
    example: "lessor plugin reload-status 40c0ed1a-8a5b-3e4c-8d6c-0b8b9e1f2a3d",
    flags: &[],
    run: |ctx, args| Box::pin(status(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let (plugin, mounts) = (args.text("plugin"), args.comma_list("mounts"));
    let scope = args.text("scope").unwrap_or_default();
    let (what, body) = match (plugin, mounts.is_empty()) {
        (None, true) => {
            return Err(Failure::local("Not enough arguments (expected 1, got 0)").hint("give -plugin or -mounts"));
        }
        (Some(_), false) => {
            return Err(Failure::local("Too many arguments (expected 1, got 2)").hint("give -plugin or -mounts"));
        }
        _ if !matches!(scope, "" | "global") => {
            return Err(Failure::local(format!("Invalid reload scope: {scope}")).hint("use global, or leave it out"));
        }
        (Some(name), true) => (format!("plugin: {name}"), json!({ "plugin": name, "scope": scope })),
        (None, false) => (format!("mounts: [{}]", mounts.join(" ")), json!({ "mounts": mounts, "scope": scope })),
    };
    let request = Request::put("sys/plugins/reload/backend", body);
    let answer = ctx.call("Error reloading plugin/mounts", request).await?.unwrap_or_default();
    match answer["data"]["reload_id"].as_str().filter(|_| scope == "global") {
        Some(id) => ctx.say(&format!("Success! Reloading {what}, reload_id: {id}")),
        None => ctx.say(&format!("Success! Reloaded {what}")),
    }
    Ok(0)
}

async fn status(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let request = Request::get("sys/plugins/reload/backend/status").query("reload_id", args.rest[0].trim());
    let answer = ctx.expect("Error retrieving plugin reload status", request).await?;
    if !ctx.is_table() {
        ctx.show_value(&answer["data"]);
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = answer["data"]["results"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(node, result)| {
            let text = |key: &str| result[key].as_str().map(str::to_owned).unwrap_or_default();
            let success = text("error").is_empty();
            vec![node.clone(), show(&result["timestamp"]), success.to_string(), text("error")]
        })
        .collect();
    ctx.say(&columns(&["Server", "Timestamp", "Success", "Message"], &rows));
    Ok(0)
}
