use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::{Args, Flag, Kind, flag};

/// Shared by the commands that change a mounted auth method.
pub const TOKEN_TYPE: Flag = flag("token-type", Kind::Text, "service, batch, default-service or default-batch.");

pub static COMMAND: Command = Command {
    name: "auth list",
    usage: "",
    about: "List the mounted auth methods.",
    example: "lessor auth list -detailed",
    flags: &[flag("detailed", Kind::Bool, "Show TTLs, options and versions as well.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

const DETAILS: [&str; 16] = [
    "Path",
    "Plugin",
    "Accessor",
    "Default TTL",
    "Max TTL",
    "Token Type",
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
    let answer = ctx.expect("Error listing enabled authentications", Request::get("sys/auth")).await?;
    let found = mounts::entries(&answer);
    let detailed = args.is("detailed");
    let text = |mount: &Value, key: &str| mount[key].as_str().unwrap_or_default().to_owned();
    let row = |path: &String, mount: &Value| {
        if detailed {
            return mounts::details(path, mount, mount["config"]["token_type"].as_str().unwrap_or_default());
        }
        let keys = ["type", "accessor", "description", "plugin_version"];
        std::iter::once(path.clone()).chain(keys.iter().map(|key| text(mount, key))).collect()
    };
    let rows: Vec<Vec<String>> = found.iter().map(|(path, mount)| row(path, mount)).collect();
    let header: &[&str] = if detailed { &DETAILS } else { &["Path", "Type", "Accessor", "Description", "Version"] };
    let data = Value::Object(found.into_iter().collect());
    ctx.show_columns(header, &rows, &data);
    Ok(0)
}
