use lessor_client::{Error, Request};
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::duration;
use crate::flags::{Args, Kind, flag};
use crate::output::{key_value, show};

pub static GET: Command = Command {
    name: "operator raft autopilot get-config",
    usage: "",
    about: "Show the settings of the autopilot.",
    example: "lessor operator raft autopilot get-config",
    flags: &[flag("dr-token", Kind::Text, "Operation token of a disaster recovery secondary.")],
    run: |ctx, args| Box::pin(get(ctx, args)),
};

pub static SET: Command = Command {
    name: "operator raft autopilot set-config",
    usage: "",
    about: "Change the settings of the autopilot; what is not given stays.",
    example: "lessor operator raft autopilot set-config -cleanup-dead-servers=true -min-quorum=3",
    flags: &[
        flag("cleanup-dead-servers", Kind::Bool, "Remove nodes that are gone for long."),
        flag("last-contact-threshold", Kind::Duration, "Silence after which a node counts as unhealthy."),
        flag("dead-server-last-contact-threshold", Kind::Duration, "Silence after which a node counts as gone."),
        flag("max-trailing-logs", Kind::Number, "Log entries a healthy node may be behind."),
        flag("min-quorum", Kind::Number, "Nodes that are never removed."),
        flag("server-stabilization-time", Kind::Duration, "How long a new node must be healthy before it votes."),
        flag("disable-upgrade-migration", Kind::Bool, "Leave nodes of a newer version without a vote."),
    ],
    run: |ctx, args| Box::pin(set(ctx, args)),
};

pub static STATE: Command = Command {
    name: "operator raft autopilot state",
    usage: "",
    about: "Show how healthy the nodes are.",
    example: "lessor operator raft autopilot state",
    flags: &[flag("dr-token", Kind::Text, "Operation token of a disaster recovery secondary.")],
    run: |ctx, args| Box::pin(state(ctx, args)),
};

const CONFIGURATION: &str = "sys/storage/raft/autopilot/configuration";

/// The answer's data; `None` where the storage has no autopilot.
async fn read(ctx: &mut Ctx, path: &str, what: &str) -> Result<Option<Value>, crate::failure::Failure> {
    match ctx.send(Request::get(path)).await? {
        Ok(response) => Ok(response.json.map(|json| json["data"].clone()).filter(|data| !data.is_null())),
        Err(Error::Api(api)) if api.status == 404 => Ok(None),
        Err(error) => Err(ctx.failure(what, &error).await),
    }
}

async fn get(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let Some(data) = read(ctx, CONFIGURATION, "Error checking autopilot configuration").await? else { return Ok(0) };
    if !ctx.is_table() {
        ctx.show_value(&data);
        return Ok(0);
    }
    let titles = [
        ("Cleanup Dead Servers", "cleanup_dead_servers"),
        ("Last Contact Threshold", "last_contact_threshold"),
        ("Dead Server Last Contact Threshold", "dead_server_last_contact_threshold"),
        ("Server Stabilization Time", "server_stabilization_time"),
        ("Min Quorum", "min_quorum"),
        ("Max Trailing Logs", "max_trailing_logs"),
        ("Disable Upgrade Migration", "disable_upgrade_migration"),
    ];
    let rows: Vec<(String, String)> = titles
        .iter()
        .filter(|(_, key)| !data[*key].is_null())
        .map(|(title, key)| ((*title).to_owned(), show(&data[*key])))
        .collect();
    ctx.say(&key_value(&rows));
    Ok(0)
}

async fn set(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let mut body: Map<String, Value> = Map::new();
    for flag in ["cleanup-dead-servers", "disable-upgrade-migration"] {
        if let Some(value) = args.boolean(flag) {
            body.insert(flag.replace('-', "_"), json!(value));
        }
    }
    for flag in ["last-contact-threshold", "dead-server-last-contact-threshold", "server-stabilization-time"] {
        if let Some(value) = args.duration(flag) {
            body.insert(flag.replace('-', "_"), json!(duration::full(value)));
        }
    }
    for flag in ["max-trailing-logs", "min-quorum"] {
        if let Some(value) = args.number(flag) {
            body.insert(flag.replace('-', "_"), json!(value));
        }
    }
    ctx.call("Error updating autopilot configuration", Request::post(CONFIGURATION, Value::Object(body))).await?;
    Ok(0)
}

async fn state(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let what = "Error checking autopilot state";
    let Some(data) = read(ctx, "sys/storage/raft/autopilot/state", what).await? else { return Ok(0) };
    if !ctx.is_table() {
        ctx.show_value(&data);
        return Ok(0);
    }
    let mut lines = Vec::new();
    let mut line = |depth: usize, key: &str, value: &Value| {
        let width = 32_usize.saturating_sub(3 * depth);
        lines.push(format!("{}{:width$}{}", "   ".repeat(depth), format!("{key}:"), show(value)));
    };
    line(0, "Healthy", &data["healthy"]);
    line(0, "Failure Tolerance", &data["failure_tolerance"]);
    line(0, "Leader", &data["leader"]);
    line(0, "Voters", &data["voters"]);
    for (id, server) in data["servers"].as_object().into_iter().flatten() {
        line(0, "Server", &json!(id));
        for (title, key) in [
            ("Name", "name"),
            ("Address", "address"),
            ("Status", "status"),
            ("Node Status", "node_status"),
            ("Healthy", "healthy"),
            ("Last Contact", "last_contact"),
            ("Last Term", "last_term"),
            ("Last Index", "last_index"),
            ("Version", "version"),
        ] {
            if !server[key].is_null() {
                line(1, title, &server[key]);
            }
        }
    }
    ctx.say(&lines.join("\n"));
    Ok(0)
}
