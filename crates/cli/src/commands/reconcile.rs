use lessor_client::Request;
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity, clean};
use crate::context::Ctx;
use crate::flags::{Args, Kind, flag};
use crate::output::{columns, show};

pub static COMMAND: Command = Command {
    name: "reconcile",
    usage: "MOUNT",
    about: "Compare a mount's leases with the accounts that exist on its targets. Orphans exist without a lease, missing ones have a lease but no account.",
    example: "lessor reconcile database -remove",
    flags: &[flag("remove", Kind::Bool, "Remove the orphans.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let mount = clean(&args.rest[0]);
    let remove = args.is("remove");
    let request = Request::post(&format!("sys/reconcile/{mount}"), json!({"remove": remove}));
    let answer = ctx.expect(&format!("Error reconciling {mount}"), request).await?;
    if !ctx.is_table() {
        ctx.show_secret(&answer);
        return Ok(0);
    }
    ctx.show_warnings(&answer);
    let data = &answer["data"];
    let orphans = rows(&data["orphans"], &["id", "name", "target"]);
    let missing = rows(&data["missing"], &["lease_id", "name"]);
    if orphans.is_empty() && missing.is_empty() {
        ctx.say(&format!("Success! Every lease of {mount}/ has its account and no other was found"));
        return Ok(0);
    }
    if !orphans.is_empty() {
        let text = columns(&["Orphan", "Name", "Target"], &orphans);
        ctx.say(&format!("{text}\n"));
    }
    if !missing.is_empty() {
        let text = columns(&["Lease without account", "Name"], &missing);
        ctx.say(&format!("{text}\n"));
    }
    let removed = data["removed"].as_u64().unwrap_or(0);
    ctx.say(&format!("{} orphans, {} leases without account, {removed} removed", orphans.len(), missing.len()));
    if !remove && !orphans.is_empty() {
        ctx.warn(&format!("\nHint: \"lessor reconcile {mount} -remove\" removes the orphans"));
    }
    Ok(0)
}

fn rows(list: &Value, keys: &[&str]) -> Vec<Vec<String>> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let cell = |item: &Value, key: &str| match &item[key] {
        Value::Null => String::new(),
        value => show(value),
    };
    items.iter().map(|item| keys.iter().map(|key| cell(item, key)).collect()).collect()
}
