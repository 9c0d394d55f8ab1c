use lessor_client::{Error, Method, Request};
use serde_json::{Map, Value, json};

use super::{MOUNT, Place, find, need_versions, show_written};
use crate::command::{Command, Outcome};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "kv put",
    usage: "PATH key=value ...",
    about: "Write a secret, replacing all of its data.",
    example: "lessor kv put secret/app user=app password=@password.txt",
    flags: &[
        MOUNT,
        flag("cas", Kind::Number, "Write only if this is the current version; 0 only if there is none."),
        flag("field", Kind::Text, "Print only this field of the answer."),
    ],
    run: |ctx, args| Box::pin(put(ctx, args)),
};

pub static PATCH: Command = Command {
    name: "kv patch",
    usage: "PATH key=value ...",
    about: "Change some keys of a secret and leave the others.",
    example: "lessor kv patch secret/app password=@password.txt",
    flags: &[
        MOUNT,
        flag("cas", Kind::Number, "Write only if this is the current version."),
        flag("field", Kind::Text, "Print only this field of the answer."),
        flag("method", Kind::Text, "patch, or rw to read and write; patch first when not given."),
        flag("remove-data", Kind::List, "Key to remove, may be repeated."),
    ],
    run: |ctx, args| Box::pin(patch(ctx, args)),
};

fn options(args: &Args) -> Map<String, Value> {
    let mut options = Map::new();
    if let Some(cas) = args.number("cas").filter(|cas| *cas >= 0) {
        options.insert("cas".to_owned(), json!(cas));
    }
    options
}

fn split(args: &Args) -> Result<(&String, &[String]), Failure> {
    args.rest.split_first().ok_or_else(|| Failure::local("Not enough arguments (expected >1, got 0)"))
}

async fn put(ctx: &mut Ctx, args: &Args) -> Outcome {
    let (path, words) = split(args)?;
    if words.is_empty() {
        return Err(Failure::local("Must supply data"));
    }
    let data = ctx.parse_data(words)?;
    let place = find(ctx, args, path).await?;
    let at = place.at("data");
    let body = if place.versioned { json!({ "data": data, "options": options(args) }) } else { Value::Object(data) };
    match ctx.call(&format!("Error writing data to {at}"), Request::put(&at, body)).await? {
        Some(secret) if place.versioned => show_written(ctx, &place, &secret, args.text("field")),
        Some(secret) => ctx.show_secret_or_field(&secret, args.text("field")),
        None => {
            if ctx.is_table() {
                ctx.say(&format!("Success! Data written to: {at}"));
            }
            Ok(0)
        }
    }
}

async fn patch(ctx: &mut Ctx, args: &Args) -> Outcome {
    let (path, words) = split(args)?;
    let removed = args.comma_list("remove-data");
    if words.is_empty() && removed.is_empty() {
        return Err(Failure::local("Must supply data"));
    }
    let mut data = ctx.parse_data(words)?;
    for key in removed {
        data.insert(key, Value::Null);
    }
    let place = find(ctx, args, path).await?;
    need_versions(&place, Failure::remote("K/V engine mount must be version 2 for patch support"))?;
    let written = match args.text("method") {
        Some("rw") => read_write(ctx, &place, args, data).await?,
        Some("patch") => match merge(ctx, &place, args, &data).await? {
            Ok(secret) => secret,
            Err(error) => return Err(failure(ctx, &place, &error).await),
        },
        None => match merge(ctx, &place, args, &data).await? {
            Ok(secret) => secret,
            // An old server, or a policy without the patch capability.
            Err(Error::Api(api)) if matches!(api.status, 403 | 405) => read_write(ctx, &place, args, data).await?,
            Err(error) => return Err(failure(ctx, &place, &error).await),
        },
        Some(other) => return Err(Failure::remote(format!("Unsupported method provided to -method flag: {other}"))),
    };
    show_written(ctx, &place, &written, args.text("field"))
}

async fn failure(ctx: &mut Ctx, place: &Place, error: &Error) -> Failure {
    let at = place.at("data");
    ctx.failure(&format!("Error writing data to {at}"), error).await
}

async fn merge(
    ctx: &mut Ctx,
    place: &Place,
    args: &Args,
    data: &Map<String, Value>,
) -> Result<Result<Value, Error>, Failure> {
    let body = json!({ "data": data, "options": options(args) });
    let answer = ctx.send(Request::new(Method::Patch, &place.at("data")).body(body)).await?;
    Ok(answer.map(|response| response.json.unwrap_or_default()))
}

/// Reads the current version, changes it, and writes it only if nobody else wrote meanwhile.
async fn read_write(ctx: &mut Ctx, place: &Place, args: &Args, changes: Map<String, Value>) -> Result<Value, Failure> {
    let at = place.at("data");
    let found = ctx.find(&format!("Error doing pre-read at {at}"), Request::get(&at)).await?;
    let secret = found.ok_or_else(|| Failure::remote(format!("No value found at {at}")))?;
    let Some(mut data) = secret["data"]["data"].as_object().cloned() else {
        return Err(Failure::remote(format!("No data found at {at}: its latest version is deleted")));
    };
    for (key, value) in changes {
        if value.is_null() {
            data.remove(&key);
        } else {
            data.insert(key, value);
        }
    }
    let mut options = options(args);
    options.entry("cas").or_insert_with(|| secret["data"]["metadata"]["version"].clone());
    let body = json!({ "data": data, "options": options });
    ctx.expect(&format!("Error writing data to {at}"), Request::put(&at, body)).await
}
