use lessor_client::Request;
use serde_json::{Value, json};

use crate::command::{Command, Outcome, arity, clean};
use crate::context::Ctx;
use crate::flags::Args;
use crate::output::show;

pub static LOCK: Command = Command {
    name: "namespace lock",
    usage: "[PATH]",
    about: "Refuse every request to a namespace and those below it, the one in use when none is given.",
    example: "lessor namespace lock team-a",
    flags: &[],
    run: |ctx, args| Box::pin(lock(ctx, args)),
};

pub static UNLOCK: Command = Command {
    name: "namespace unlock",
    usage: "[PATH]",
    about: "Take back a lock. Without -unlock-key the token needs the sudo capability.",
    example: "lessor namespace unlock -unlock-key=dFH3nq2jMsLEUWBkqIKTBS team-a",
    flags: &[],
    run: |ctx, args| Box::pin(unlock(ctx, args)),
};

fn place(args: &Args, verb: &str) -> String {
    match args.rest.first().map(|path| clean(path)).filter(|path| !path.is_empty()) {
        Some(path) => format!("sys/namespaces/api-lock/{verb}/{path}"),
        None => format!("sys/namespaces/api-lock/{verb}"),
    }
}

async fn lock(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let request = Request::put(&place(args, "lock"), Value::Null);
    let answer = ctx.expect("Error locking namespace", request).await?;
    if !ctx.is_table() {
        ctx.show_secret(&answer);
        return Ok(0);
    }
    let key = show(&answer["data"]["unlock_key"]);
    ctx.say(&format!(
        "Unlock Key: {key}\n\nNamespace is now locked. Please securely store the unlock key printed above.\n\
         You must supply the unlock key to re-enable access to the namespace.\n\
         If the unlock key is lost, sudo capability is required to unlock the namespace without it."
    ));
    Ok(0)
}

async fn unlock(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let key = args.text("unlock-key");
    let body = key.map_or(Value::Null, |key| json!({ "unlock_key": key }));
    let request = Request::put(&place(args, "unlock"), body);
    let answer = ctx.call("Error unlocking namespace", request).await?;
    match &answer {
        Some(answer) if !ctx.is_table() => ctx.show_secret(answer),
        _ if key.is_none() => ctx.warn("Namespace unlocked using sudo capabilities"),
        _ => ctx.say("Namespace unlocked"),
    }
    Ok(0)
}
