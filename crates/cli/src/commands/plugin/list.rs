use lessor_client::Request;
use serde_json::{Map, Value, json};

use super::{TYPES, kind};
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "plugin list",
    usage: "[TYPE]",
    about: "List the plugins of the catalog: auth, database or secret, all when not given.",
    example: "lessor plugin list secret",
    flags: &[flag("detailed", Kind::Bool, "Show the deprecation status as well.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let wanted = args.rest.first().map(|text| kind(text)).transpose()?;
    let answer = ctx.expect("Error listing available plugins", Request::get("sys/plugins/catalog")).await?;
    let data = &answer["data"];
    let is_wanted = |entry: &&Value| wanted.as_deref().is_none_or(|kind| entry["type"] == kind);
    let mut plugins: Vec<&Value> = data["detailed"].as_array().into_iter().flatten().filter(is_wanted).collect();
    if !ctx.is_table() {
        let shown = by_type(data, wanted.as_deref(), &plugins);
        ctx.show_value(&shown);
        return Ok(0);
    }
    if plugins.is_empty() {
        return Err(Failure::quiet(0));
    }
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    plugins.sort_by_key(|entry| (text(entry, "type"), text(entry, "name")));
    let columns: &[(&str, &str)] = match (args.is("detailed"), &wanted) {
        (true, _) => {
            &[("Name", "name"), ("Type", "type"), ("Version", "version"), ("Deprecation Status", "deprecation_status")]
        }
        (false, None) => &[("Name", "name"), ("Type", "type"), ("Version", "version")],
        (false, Some(_)) => &[("Name", "name"), ("Version", "version")],
    };
    let header: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    let row = |entry: &&Value| columns.iter().map(|(_, key)| text(entry, key)).collect();
    let rows: Vec<Vec<String>> = plugins.iter().map(row).collect();
    ctx.show_columns(&header, &rows, data);
    Ok(0)
}

/// Names by type, and the details of all of them.
fn by_type(data: &Value, wanted: Option<&str>, details: &[&Value]) -> Value {
    let mut out = Map::new();
    for kind in TYPES.iter().filter(|kind| wanted.is_none_or(|wanted| wanted == **kind)) {
        if data[*kind].is_array() {
            out.insert((*kind).to_owned(), data[*kind].clone());
        }
    }
    out.insert("details".to_owned(), json!(details));
    Value::Object(out)
}
