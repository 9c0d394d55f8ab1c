use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "secrets list",
    usage: "",
    about: "List the mounted secrets engines.",
    example: "lessor secrets list -detailed",
    flags: &[flag("detailed", Kind::Bool, "Show TTLs, options and versions as well.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

const DETAILS: [&str; 16] = [
    "Path",
    "Plugin",
    "Accessor",
    "Default TTL",
    "Max TTL",
    "Force No Cache",
    "Replication",
    "Seal Wrap",
    "External Entropy Access",
    "Options",
    "Description",
    "UUID",
    "Version",
    "Running Version",
    "Running SHA256",
    "Deprecation Status",
];

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let answer = ctx.expect("Error listing secrets engines", Request::get("sys/mounts")).await?;
    let found = mounts::entries(&answer);
    let detailed = args.is("detailed");
    let text = |mount: &Value, key: &str| mount[key].as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|(path, mount)| {
            if detailed {
                let no_cache = (mount["config"]["force_no_cache"] == true).to_string();
                return mounts::details(path, mount, &no_cache);
            }
            vec![path.clone(), text(mount, "type"), text(mount, "accessor"), text(mount, "description")]
        })
        .collect();
    let header: &[&str] = if detailed { &DETAILS } else { &["Path", "Type", "Accessor", "Description"] };
    let data = Value::Object(found.into_iter().collect());
    ctx.show_columns(header, &rows, &data);
    Ok(0)
}
