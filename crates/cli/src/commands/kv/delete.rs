use lessor_client::Request;
use serde_json::json;

use super::{MOUNT, find, need_versions, versions};
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "kv delete",
    usage: "PATH",
    about: "Delete the latest version of a secret, or some versions; both can be undone.",
    example: "lessor kv delete -versions=1,2 secret/app",
    flags: &[MOUNT, flag("versions", Kind::List, "Versions to delete, the latest when not given.")],
    run: |ctx, args| Box::pin(delete(ctx, args)),
};

pub static UNDELETE: Command = Command {
    name: "kv undelete",
    usage: "PATH",
    about: "Take back the deletion of versions.",
    example: "lessor kv undelete -versions=2 secret/app",
    flags: &[MOUNT, flag("versions", Kind::List, "Versions to bring back.")],
    run: |ctx, args| Box::pin(versioned(ctx, args, "undelete")),
};

pub static DESTROY: Command = Command {
    name: "kv destroy",
    usage: "PATH",
    about: "Remove versions for good.",
    example: "lessor kv destroy -versions=1 secret/app",
    flags: &[MOUNT, flag("versions", Kind::List, "Versions to remove.")],
    run: |ctx, args| Box::pin(versioned(ctx, args, "destroy")),
};

async fn delete(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let place = find(ctx, args, &args.rest[0]).await?;
    let versions = versions(args);
    let at = place.at("data");
    let request = if versions.is_empty() || !place.versioned {
        Request::delete(&at)
    } else {
        Request::put(&place.at("delete"), json!({ "versions": versions }))
    };
    ctx.call(&format!("Error deleting {at}"), request).await?;
    if ctx.is_table() {
        ctx.say(&format!("Success! Data deleted (if it existed) at: {at}"));
    }
    Ok(0)
}

async fn versioned(ctx: &mut Ctx, args: &Args, what: &str) -> Outcome {
    arity(args, 1, 1)?;
    let versions = versions(args);
    if versions.is_empty() {
        return Err(Failure::local(format!(
            "No versions provided, use the \"-versions\" flag to specify the version to {what}."
        )));
    }
    let place = find(ctx, args, &args.rest[0]).await?;
    let name = if what == "undelete" { "Undelete" } else { "Destroy" };
    need_versions(&place, Failure::local(format!("{name} not supported on KV Version 1")))?;
    let at = place.at(what);
    let request = Request::put(&at, json!({ "versions": versions }));
    ctx.call(&format!("Error writing data to {at}"), request).await?;
    if ctx.is_table() {
        ctx.say(&format!("Success! Data written to: {at}"));
    }
    Ok(0)
}
