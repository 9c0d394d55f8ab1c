use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, aliased, flag};

pub static COMMAND: Command = Command {
    name: "lease revoke",
    usage: "ID",
    about: "Revoke a lease, or all leases below a prefix: what they stand for is destroyed.",
    example: "lessor lease revoke -prefix database/creds/reader",
    flags: &[
        flag("prefix", Kind::Bool, "Take ID as a prefix and revoke all leases below it."),
        aliased("force", "f", Kind::Bool, "Forget the leases even when the target refuses; needs -prefix."),
        flag("sync", Kind::Bool, "Wait until it is done."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 1, 1)?;
    let id = args.rest[0].trim().to_owned();
    let at = clean(&id);
    let (prefix, force, sync) = (args.is("prefix"), args.is("force"), args.is("sync"));
    if force && !prefix {
        return Err(Failure::local("Specifying -force requires also specifying -prefix"));
    }
    if force {
        ctx.warn("Warning! Force-removing leases can cause Vault to become out of sync with\nsecret engines!");
        let request = Request::put(&format!("sys/leases/revoke-force/{at}"), json!(null));
        let what = format!("Error force revoking leases with prefix {id}");
        ctx.call(&what, request).await?;
        ctx.say(&format!("Success! Force revoked any leases with prefix: {id}"));
        return Ok(0);
    }
    let (verb, what, done) = if prefix {
        (
            "revoke-prefix",
            format!("Error revoking leases with prefix {id}"),
            format!("Success! Revoked any leases with prefix: {id}"),
        )
    } else {
        ("revoke", format!("Error revoking lease {id}"), format!("Success! Revoked lease: {id}"))
    };
    let request = Request::put(&format!("sys/leases/{verb}/{at}"), json!({"sync": sync}));
    ctx.call(&what, request).await?;
    ctx.say(if sync { &done } else { "All revocation operations queued successfully!" });
    Ok(0)
}
