use lessor_client::Request;
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;
use crate::output::{columns, show};

pub static COMMAND: Command = Command {
    name: "operator members",
    usage: "",
    about: "List the nodes of the cluster.",
    example: "lessor operator members",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let answer = ctx.expect("Error reading HA status", Request::get("sys/ha-status")).await?;
    let nodes = answer["data"]["nodes"].as_array().or(answer["nodes"].as_array()).cloned().unwrap_or_default();
    if !ctx.is_table() {
        ctx.show_value(&json!({ "Nodes": nodes }));
        return Ok(0);
    }
    let zones = nodes.iter().any(|node| node["redundancy_zone"].as_str().is_some_and(|zone| !zone.is_empty()));
    let mut fields = vec![
        ("Host Name", "hostname"),
        ("API Address", "api_address"),
        ("Cluster Address", "cluster_address"),
        ("Active Node", "active_node"),
        ("Version", "version"),
        ("Upgrade Version", "upgrade_version"),
    ];
    if zones {
        fields.push(("Redundancy Zone", "redundancy_zone"));
    }
    fields.push(("Last Echo", "last_echo"));
    let header: Vec<&str> = fields.iter().map(|(title, _)| *title).collect();
    let cell = |node: &Value, key: &str| match &node[key] {
        Value::Null => String::new(),
        value => show(value),
    };
    let row = |node: &Value| fields.iter().map(|(_, key)| cell(node, key)).collect();
    let rows: Vec<Vec<String>> = nodes.iter().map(row).collect();
    ctx.say(&columns(&header, &rows));
    Ok(0)
}
