use lessor_client::Request;
use serde_json::Value;

use super::{MOUNT, find};
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::kv;

pub static COMMAND: Command = Command {
    name: "kv get",
    usage: "PATH",
    about: "Read a secret.",
    example: "lessor kv get -mount=secret app/database",
    flags: &[
        MOUNT,
        flag("version", Kind::Number, "Version to read, the latest when not given."),
        flag("field", Kind::Text, "Print only this field of the data."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let place = find(ctx, args, &args.rest[0]).await?;
    let path = place.at("data");
    let mut request = Request::get(&path);
    if let Some(version) = args.text("version").filter(|_| place.versioned) {
        request = request.query("version", version);
    }
    let Some(secret) = ctx.find(&format!("Error reading {path}"), request).await? else {
        return Err(ctx.nothing_at("value", &path));
    };
    if secret["wrap_info"].is_object() {
        return ctx.show_secret_or_field(&secret, args.text("field"));
    }
    let data = if place.versioned { &secret["data"]["data"] } else { &secret["data"] };
    if let Some(name) = args.text("field") {
        if place.versioned && !data.is_object() {
            return Err(Failure::remote(format!("No data found at {path}")));
        }
        if name == "data" && data.get(name).is_none() {
            return ctx.show_bare(data);
        }
        return match data.get(name) {
            Some(value) => ctx.show_bare(value),
            None => Err(Failure::local(format!("Field {name:?} not present in map"))),
        };
    }
    if !ctx.is_table() {
        ctx.show_secret(&secret);
        return Ok(0);
    }
    ctx.show_warnings(&secret);
    if place.versioned {
        ctx.say(&kv::path_section("Secret Path", &path));
        let metadata = &secret["data"]["metadata"];
        if metadata.is_object() {
            let more = if data.is_object() { "\n" } else { "" };
            ctx.say(&format!("{}{more}", kv::section("Metadata", metadata)));
        }
    }
    if data != &Value::Null {
        ctx.say(&kv::section("Data", data));
    }
    Ok(0)
}
