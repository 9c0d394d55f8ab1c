use lessor_client::{Method, Request};
use serde_json::{Map, Value, json};

use super::{MOUNT, find, need_versions};
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::duration;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};
use crate::output::kv;

const MAX: Flag = flag("max-versions", Kind::Number, "How many versions are kept.");
const CAS: Flag = flag("cas-required", Kind::Bool, "Whether writes must name the current version.");
const AFTER: Flag = flag("delete-version-after", Kind::Duration, "Delete versions of that age.");
const CUSTOM: Flag = flag("custom-metadata", Kind::Map, "Text kept beside the secret as key=value, may be repeated.");

pub static GET: Command = Command {
    name: "kv metadata get",
    usage: "PATH",
    about: "Show what is kept beside a secret's versions.",
    example: "lessor kv metadata get secret/app",
    flags: &[MOUNT, flag("field", Kind::Text, "Print only this field of the answer.")],
    run: |ctx, args| Box::pin(get(ctx, args)),
};

pub static PUT: Command = Command {
    name: "kv metadata put",
    usage: "PATH",
    about: "Write settings and custom metadata of a secret.",
    example: "lessor kv metadata put -max-versions=5 -custom-metadata=owner=web secret/app",
    flags: &[MOUNT, MAX, CAS, AFTER, CUSTOM],
    run: |ctx, args| Box::pin(write(ctx, args, Method::Put)),
};

pub static PATCH: Command = Command {
    name: "kv metadata patch",
    usage: "PATH",
    about: "Change some settings and custom metadata of a secret.",
    example: "lessor kv metadata patch -remove-custom-metadata=owner secret/app",
    flags: &[
        MOUNT,
        MAX,
        CAS,
        AFTER,
        CUSTOM,
        flag("remove-custom-metadata", Kind::List, "Key to remove, may be repeated."),
    ],
    run: |ctx, args| Box::pin(write(ctx, args, Method::Patch)),
};

pub static DELETE: Command = Command {
    name: "kv metadata delete",
    usage: "PATH",
    about: "Remove a secret with all its versions.",
    example: "lessor kv metadata delete secret/app",
    flags: &[MOUNT],
    run: |ctx, args| Box::pin(delete(ctx, args)),
};

async fn get(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let place = find(ctx, args, &args.rest[0]).await?;
    need_versions(&place, Failure::local("Metadata not supported on KV Version 1"))?;
    let at = place.at("metadata");
    let Some(secret) = ctx.find(&format!("Error reading {at}"), Request::get(&at)).await? else {
        return Err(ctx.nothing_at("value", &at));
    };
    if let Some(name) = args.text("field") {
        return ctx.show_field(&secret, name);
    }
    if !ctx.is_table() {
        ctx.show_secret(&secret);
        return Ok(0);
    }
    let Value::Object(mut data) = secret["data"].clone() else { return Ok(0) };
    let versions = data.remove("versions").unwrap_or_default();
    ctx.say(&kv::path_section("Metadata Path", &at));
    ctx.say(&kv::section("Metadata", &Value::Object(data)));
    let mut numbers: Vec<(u64, &Value)> = versions
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(number, version)| Some((number.parse().ok()?, version)))
        .collect();
    numbers.sort_unstable_by_key(|(number, _)| *number);
    for (number, version) in numbers {
        ctx.say("");
        ctx.say(&kv::section(&format!("Version {number}"), version));
    }
    Ok(0)
}

fn body(args: &Args) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(max) = args.number("max-versions") {
        body.insert("max_versions".to_owned(), json!(max));
    }
    if let Some(required) = args.boolean("cas-required") {
        body.insert("cas_required".to_owned(), json!(required));
    }
    if let Some(after) = args.duration("delete-version-after") {
        body.insert("delete_version_after".to_owned(), json!(duration::full(after)));
    }
    let mut custom = args.map("custom-metadata");
    for key in args.comma_list("remove-custom-metadata") {
        custom.insert(key, Value::Null);
    }
    if !custom.is_empty() {
        body.insert("custom_metadata".to_owned(), Value::Object(custom));
    }
    body
}

async fn write(ctx: &mut Ctx, args: &Args, method: Method) -> Outcome {
    arity(args, 1, 1)?;
    let place = find(ctx, args, &args.rest[0]).await?;
    need_versions(&place, Failure::local("Metadata not supported on KV Version 1"))?;
    let at = place.at("metadata");
    let request = Request::new(method, &at).body(Value::Object(body(args)));
    if let Some(answer) = ctx.call(&format!("Error writing data to {at}"), request).await? {
        ctx.show_warnings(&answer);
    }
    if ctx.is_table() {
        ctx.say(&format!("Success! Data written to: {at}"));
    }
    Ok(0)
}

async fn delete(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let place = find(ctx, args, &args.rest[0]).await?;
    need_versions(&place, Failure::local("Metadata not supported on KV Version 1"))?;
    let at = place.at("metadata");
    ctx.call(&format!("Error deleting {at}"), Request::delete(&at)).await?;
    if ctx.is_table() {
        ctx.say(&format!("Success! Data deleted (if it existed) at: {at}"));
    }
    Ok(0)
}
