use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::commands::mounts;
use crate::context::Ctx;
use crate::flags::{Args, Kind, flag};
use crate::output::show;

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
                return details(path, mount);
            }
            vec![path.clone(), text(mount, "type"), text(mount, "accessor"), text(mount, "description")]
        })
        .collect();
    let header: &[&str] = if detailed { &DETAILS } else { &["Path", "Type", "Accessor", "Description"] };
    let data = Value::Object(found.into_iter().collect());
    ctx.show_columns(header, &rows, &data);
    Ok(0)
}

fn details(path: &str, mount: &Value) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        value => show(value),
    };
    let kind = mount["type"].as_str().unwrap_or_default();
    let fixed = matches!(kind, "system" | "cubbyhole" | "ns_system" | "ns_cubbyhole");
    let ttl = |key: &str| match mount["config"][key].as_i64() {
        _ if fixed => "n/a".to_owned(),
        Some(seconds) if seconds != 0 => seconds.to_string(),
        _ => "system".to_owned(),
    };
    let options = match &mount["options"] {
        Value::Null => "map[]".to_owned(),
        options => show(options),
    };
    vec![
        path.to_owned(),
        kind.to_owned(),
        text(&mount["accessor"]),
        ttl("default_lease_ttl"),
        ttl("max_lease_ttl"),
        (mount["config"]["force_no_cache"] == true).to_string(),
        if mount["local"] == true { "local" } else { "replicated" }.to_owned(),
        (mount["seal_wrap"] == true).to_string(),
        (mount["external_entropy_access"] == true).to_string(),
        options,
        text(&mount["description"]),
        text(&mount["uuid"]),
        text(&mount["plugin_version"]),
        text(&mount["running_plugin_version"]),
        text(&mount["running_sha256"]),
        text(&mount["deprecation_status"]),
    ]
}
