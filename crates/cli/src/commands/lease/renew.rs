use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome};
use crate::context::Ctx;
use crate::flags::{Args, Kind, aliased};

pub static COMMAND: Command = Command {
    name: "lease renew",
    usage: "ID",
    about: "Renew a lease, so that what it stands for lives longer.",
    example: "lessor lease renew -increment=1h database/creds/reader/2f6a614c",
    flags: &[aliased("increment", "i", Kind::Duration, "How long to live from now; the server may give less.")],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let id = super::id(args)?;
    let increment = args.duration("increment").unwrap_or_default().as_secs();
    let body = json!({"increment": increment, "lease_id": id});
    let request = Request::put("sys/leases/renew", body);
    let answer = ctx.expect(&format!("Error renewing {id}"), request).await?;
    ctx.show_secret(&answer);
    Ok(0)
}
