use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome};
use crate::context::Ctx;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "lease lookup",
    usage: "ID",
    about: "Show when a lease was issued and when it ends.",
    example: "lessor lease lookup database/creds/reader/2f6a614c",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let id = super::id(args)?;
    let request = Request::put("sys/leases/lookup", json!({"lease_id": id}));
    let answer = ctx.expect(&format!("error looking up lease id {id}"), request).await?;
    ctx.show_secret(&answer);
    Ok(0)
}
