use std::time::Duration;

use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity, mount};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::Args;

/// Pause between two looks at the migration's status.
const POLL: Duration = Duration::from_millis(500);
/// After this long the command ends; the server goes on by itself.
const LIMIT: Duration = Duration::from_secs(600);

pub static COMMAND: Command = Command {
    name: "secrets move",
    usage: "SOURCE DESTINATION",
    about: "Move a secrets engine to another path. All leases of the old path are revoked.",
    example: "lessor secrets move db/ database/",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 2, 2)?;
    let (from, to) = (mount(&args.rest[0]), mount(&args.rest[1]));
    let request = Request::post("sys/remount", json!({"from": from, "to": to}));
    let what = format!("Error moving secrets engine {from} to {to}");
    let answer = ctx.call(&what, request).await?.unwrap_or_default();
    let Some(id) = answer["data"]["migration_id"].as_str().map(str::to_owned) else {
        // Servers that move at once give no migration to wait for.
        ctx.say(&format!("Success! Moved secrets engine {from} to: {to}"));
        return Ok(0);
    };
    ctx.say(&format!("Started moving secrets engine {from} to {to}, with migration ID {id}"));
    let wait = async {
        loop {
            let request = Request::get(&format!("sys/remount/status/{id}"));
            let answer = ctx.expect("Error checking migration status", request).await?;
            match answer["data"]["migration_info"]["status"].as_str() {
                Some("in-progress") => tokio::time::sleep(POLL).await,
                Some("success") => {
                    ctx.say(&format!("Success! Finished moving secrets engine {from} to {to}, with migration ID {id}"));
                    return Ok(0);
                }
                _ => {
                    return Err(Failure::remote(format!(
                        "Failure! Error encountered moving secrets engine {from} to {to}, with migration ID {id}"
                    )));
                }
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| {
        Err(Failure::remote("The migration is still in progress")
            .hint("\"lessor read sys/remount/status/<migration id>\" shows how far it is"))
    })
}
