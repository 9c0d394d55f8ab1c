use lessor_client::{Method, Request};
use serde_json::{Map, Value, json};

use super::show;
use crate::command::{Command, Outcome, arity, clean, mount};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, flag};

const CUSTOM: Flag = flag("custom-metadata", Kind::Map, "Text kept with the namespace as key=value, may be repeated.");
const FIELD: Flag = flag("field", Kind::Text, "Print only this field.");

pub static CREATE: Command = Command {
    name: "namespace create",
    usage: "PATH",
    about: "Create a namespace below the one in use.",
    example: "lessor namespace create team-a",
    flags: &[CUSTOM, FIELD],
    run: |ctx, args| Box::pin(create(ctx, args)),
};

pub static PATCH: Command = Command {
    name: "namespace patch",
    usage: "PATH",
    about: "Change the custom metadata of a namespace.",
    example: "lessor namespace patch -custom-metadata=owner=web team-a",
    flags: &[CUSTOM, flag("remove-custom-metadata", Kind::List, "Key to remove, may be repeated."), FIELD],
    run: |ctx, args| Box::pin(patch(ctx, args)),
};

pub static DELETE: Command = Command {
    name: "namespace delete",
    usage: "PATH",
    about: "Delete a namespace with everything in it. Its leases are revoked.",
    example: "lessor namespace delete team-a",
    flags: &[],
    run: |ctx, args| Box::pin(delete(ctx, args)),
};

async fn create(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let body = json!({ "custom_metadata": args.map("custom-metadata") });
    let request = Request::post(&format!("sys/namespaces/{}", clean(&args.rest[0])), body);
    let answer = ctx.expect("Error creating namespace", request).await?;
    show(ctx, &answer, args.text("field"))
}

async fn patch(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let mut custom: Map<String, Value> = args.map("custom-metadata");
    for key in args.comma_list("remove-custom-metadata") {
        custom.insert(key, Value::Null);
    }
    if custom.is_empty() {
        return Err(Failure::local("Must supply at least one of -custom-metadata or -remove-custom-metadata"));
    }
    let request = Request::new(Method::Patch, &format!("sys/namespaces/{}", clean(&args.rest[0])))
        .body(json!({ "custom_metadata": custom }));
    match ctx.find("Error patching namespace", request).await? {
        Some(answer) => show(ctx, &answer, args.text("field")),
        None => Err(Failure::remote("Namespace not found")),
    }
}

async fn delete(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let path = mount(&args.rest[0]);
    let request = Request::delete(&format!("sys/namespaces/{}", clean(&path)));
    match ctx.call("Error deleting namespace", request).await? {
        Some(answer) if answer["data"]["status"].is_string() => {
            ctx.say(&format!("Success! Namespace deletion scheduled: {path}"));
        }
        // The server that deletes in the background says so; one that answers only with a warning
        // had nothing to delete.
        Some(answer) if answer["warnings"].is_array() => ctx.warn(&crate::output::show(&answer["warnings"][0])),
        _ => ctx.say(&format!("Success! Namespace deleted at: {path}")),
    }
    Ok(0)
}
