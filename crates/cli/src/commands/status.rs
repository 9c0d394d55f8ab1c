use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::flags::Args;
use crate::output::{key_value, show};

pub static COMMAND: Command = Command {
    name: "status",
    usage: "",
    about: "Show whether the server is sealed. Exit code 0 is unsealed, 2 sealed, 1 an error.",
    example: "lessor status",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let seal = match ctx.send(Request::get("sys/seal-status")).await? {
        Ok(response) => response.json.unwrap_or_default(),
        Err(error) => {
            let mut failure = ctx.failure("Error checking seal status", &error).await;
            failure.code = 1;
            return Err(failure);
        }
    };
    show_status(ctx, &seal).await
}

/// Prints the seal status with what is known about the leader; the exit code says sealed or not.
pub async fn show_status(ctx: &mut Ctx, seal: &Value) -> Outcome {
    let leader = match ctx.probe(Request::get("sys/leader")).await? {
        Ok(response) => response.json.unwrap_or_default(),
        // A sealed server does not say; whether it is one of several follows from its storage.
        Err(_) => json!({"ha_enabled": matches!(seal["storage_type"].as_str(), Some("raft" | "consul"))}),
    };
    let sealed = seal["sealed"].as_bool().unwrap_or(true);
    if ctx.is_table() {
        let text = key_value(&rows(seal, &leader));
        ctx.say(&text);
    } else {
        let merged = merged(seal, &leader);
        ctx.show_value(&merged);
    }
    Ok(if sealed { 2 } else { 0 })
}

fn merged(seal: &Value, leader: &Value) -> Value {
    let mut out: Map<String, Value> = seal.as_object().cloned().unwrap_or_default();
    out.entry("build_date").or_insert_with(|| Value::from(""));
    for key in [
        "ha_enabled",
        "is_self",
        "active_time",
        "leader_address",
        "leader_cluster_address",
        "raft_committed_index",
        "raft_applied_index",
    ] {
        if let Some(value) = leader.get(key) {
            out.insert(key.to_owned(), value.clone());
        }
    }
    Value::Object(out)
}

fn rows(seal: &Value, leader: &Value) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let given = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let sealed = seal["sealed"].as_bool().unwrap_or(true);
    let recovery = seal["recovery_seal"].as_bool().unwrap_or(false);
    let mut row = |key: &str, value: String| rows.push((key.to_owned(), value));
    let kind = if recovery { "Recovery Seal Type" } else { "Seal Type" };
    if recovery && given(&seal["recovery_seal_type"]) {
        row("Seal Type", text(&seal["type"]));
        row(kind, text(&seal["recovery_seal_type"]));
    } else {
        row(kind, text(&seal["type"]));
    }
    row("Initialized", show(&seal["initialized"]));
    row("Sealed", sealed.to_string());
    row(if recovery { "Total Recovery Shares" } else { "Total Shares" }, show(&seal["n"]));
    row("Threshold", show(&seal["t"]));
    if sealed {
        row("Unseal Progress", format!("{}/{}", show(&seal["progress"]), show(&seal["t"])));
        row("Unseal Nonce", text(&seal["nonce"]));
    }
    if seal["migration"] == true {
        row("Seal Migration in Progress", "true".into());
    }
    row("Version", text(&seal["version"]));
    for (key, name) in [("build_date", "Build Date"), ("commit_date", "Commit Date")] {
        if given(&seal[key]) {
            row(name, text(&seal[key]));
        }
    }
    row("Storage Type", text(&seal["storage_type"]));
    if let Some(removed) = seal.get("removed_from_cluster").filter(|value| value.is_boolean()) {
        row("Removed From Cluster", show(removed));
    }
    if given(&seal["cluster_name"]) && given(&seal["cluster_id"]) {
        row("Cluster Name", text(&seal["cluster_name"]));
        row("Cluster ID", text(&seal["cluster_id"]));
    }
    let ha = leader["ha_enabled"].as_bool().unwrap_or(false);
    row("HA Enabled", ha.to_string());
    if ha && !sealed {
        row("HA Cluster", text(&leader["leader_cluster_address"]));
        if leader["is_self"] == true {
            row("HA Mode", "active".into());
            if given(&leader["active_time"]) && !text(&leader["active_time"]).starts_with("0001-") {
                row("Active Since", text(&leader["active_time"]));
            }
        } else {
            row("HA Mode", "standby".into());
            let address = text(&leader["leader_address"]);
            let address = if address.is_empty() { "<none>".to_owned() } else { address };
            row("Active Node Address", address);
        }
    }
    for (key, name) in [("raft_committed_index", "Raft Committed Index"), ("raft_applied_index", "Raft Applied Index")]
    {
        if let Some(index) = leader[key].as_u64().filter(|index| *index > 0) {
            row(name, index.to_string());
        }
    }
    rows
}
