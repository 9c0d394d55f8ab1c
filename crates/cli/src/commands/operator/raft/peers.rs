use lessor_client::{Error, Request};
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::columns;

pub static LIST: Command = Command {
    name: "operator raft list-peers",
    usage: "",
    about: "List the nodes that hold the storage.",
    example: "lessor operator raft list-peers",
    flags: &[],
    run: |ctx, args| Box::pin(list(ctx, args)),
};

pub static REMOVE: Command = Command {
    name: "operator raft remove-peer",
    usage: "SERVER_ID",
    about: "Remove a node from the cluster.",
    example: "lessor operator raft remove-peer node3",
    flags: &[flag("dr-token", Kind::Text, "Operation token of a disaster recovery secondary.")],
    run: |ctx, args| Box::pin(remove(ctx, args)),
};

pub static PROMOTE: Command = Command {
    name: "operator raft promote",
    usage: "SERVER_ID",
    about: "Give a node a vote.",
    example: "lessor operator raft promote node3",
    flags: &[],
    run: |ctx, args| Box::pin(vote(ctx, args, "promote")),
};

pub static DEMOTE: Command = Command {
    name: "operator raft demote",
    usage: "SERVER_ID",
    about: "Take a node's vote.",
    example: "lessor operator raft demote node3",
    flags: &[],
    run: |ctx, args| Box::pin(vote(ctx, args, "demote")),
};

async fn list(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let what = "Error reading the raft cluster configuration";
    let answer = match ctx.send(Request::get("sys/storage/raft/configuration")).await? {
        Ok(response) => response.json.unwrap_or_default(),
        // Storage that is no cluster has no such path.
        Err(Error::Api(api)) if api.status == 404 => {
            return Err(Failure::remote("No raft cluster configuration found"));
        }
        Err(error) => return Err(ctx.failure(what, &error).await),
    };
    if !ctx.is_table() {
        ctx.show_secret(&answer);
        return Ok(0);
    }
    let servers = answer["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |server: &Value| {
        let state = if server["leader"] == true { "leader" } else { "follower" };
        let voter = (server["voter"] == true).to_string();
        vec![text(&server["node_id"]), text(&server["address"]), state.to_owned(), voter]
    };
    let rows: Vec<Vec<String>> = servers.iter().map(row).collect();
    ctx.say(&columns(&["Node", "Address", "State", "Voter"], &rows));
    Ok(0)
}

async fn remove(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let mut body = json!({ "server_id": args.rest[0].trim() });
    if let Some(token) = args.text("dr-token") {
        body["dr_operation_token"] = json!(token);
    }
    let request = Request::put("sys/storage/raft/remove-peer", body);
    ctx.call("Error removing the peer from raft cluster", request).await?;
    ctx.say("Peer removed successfully!");
    Ok(0)
}

async fn vote(ctx: &mut Ctx, args: &Args, verb: &str) -> Outcome {
    arity(args, 1, 1)?;
    let body = json!({ "server_id": args.rest[0].trim() });
    let request = Request::put(&format!("sys/storage/raft/{verb}"), body);
    ctx.call(&format!("Error trying to {verb} the peer"), request).await?;
    ctx.say(&format!("Peer {verb}d successfully!"));
    Ok(0)
}
