use lessor_client::Request;
use serde_json::{Value, json};

use super::{MOUNT, find, need_versions};
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "kv rollback",
    usage: "PATH",
    about: "Write an old version of a secret as the newest one.",
    example: "lessor kv rollback -version=2 secret/app",
    flags: &[MOUNT, flag("version", Kind::Number, "Version to go back to.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let Some(version) = args.number("version").filter(|version| *version > 0) else {
        return Err(Failure::local("Version flag must be specified"));
    };
    let place = find(ctx, args, &args.rest[0]).await?;
    need_versions(&place, Failure::remote("K/V engine mount must be version 2 for rollback support"))?;
    let at = place.at("data");
    let missing = || Failure::remote(format!("No value found at {at}"));
    let latest = ctx.find(&format!("Error doing pre-read at {at}"), Request::get(&at)).await?.ok_or_else(missing)?;
    let current = latest["data"]["metadata"]["version"].clone();
    let request = Request::get(&at).query("version", &version.to_string());
    let old = ctx.find(&format!("Error doing pre-read at {at}"), request).await?.ok_or_else(missing)?;
    let data = old["data"]["data"].clone();
    if data == Value::Null {
        return Err(Failure::remote("Cannot roll back to a version that has been deleted"));
    }
    let body = json!({ "data": data, "options": { "cas": current } });
    let written = ctx.expect(&format!("Error writing data to {at}"), Request::put(&at, body)).await?;
    ctx.show_secret(&written);
    Ok(0)
}
