use lessor_client::Request;
use serde_json::Value;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::{columns, show};

pub static COMMAND: Command = Command {
    name: "operator usage",
    usage: "",
    about: "Show how many clients used the server, by namespace.",
    example: "lessor operator usage -start-time=2026-10-01T00:00:00Z",
    flags: &[
        flag("start-time", Kind::Text, "Begin of the report, in RFC 3339 or seconds since 1970."),
        flag("end-time", Kind::Text, "End of the report."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let mut request = Request::get("sys/internal/counters/activity");
    for (flag, key) in [("start-time", "start_time"), ("end-time", "end_time")] {
        if let Some(time) = args.text(flag) {
            request = request.query(key, time);
        }
    }
    let answer = ctx.call("Error retrieving client counts", request).await?;
    let Some(answer) = answer.filter(|answer| answer["data"].is_object()) else {
        return Err(Failure::remote("No data is available."));
    };
    if !ctx.is_table() {
        ctx.show_secret(&answer);
        return Ok(0);
    }
    ctx.show_warnings(&answer);
    let data = &answer["data"];
    ctx.say(&format!("Period start: {}\nPeriod end: {}\n", show(&data["start_time"]), show(&data["end_time"])));
    let mut rows: Vec<Vec<String>> = data["by_namespace"].as_array().into_iter().flatten().map(row).collect();
    rows.sort();
    if data["total"].is_object() {
        rows.push(counts("Total", &data["total"]));
    }
    ctx.say(&columns(&["Namespace path", "Distinct entities", "Non-Entity tokens", "Active clients"], &rows));
    Ok(0)
}

fn row(namespace: &Value) -> Vec<String> {
    let path = match namespace["namespace_path"].as_str() {
        None | Some("") => "[root]",
        Some(path) => path,
    };
    counts(path, &namespace["counts"])
}

fn counts(name: &str, counts: &Value) -> Vec<String> {
    let first = |keys: [&str; 2]| keys.iter().find_map(|key| counts[*key].as_u64()).unwrap_or(0).to_string();
    vec![
        name.to_owned(),
        first(["entity_clients", "distinct_entities"]),
        first(["non_entity_clients", "non_entity_tokens"]),
        first(["clients", "clients"]),
    ]
}
