use lessor_client::Request;
use serde_json::json;

use crate::command::{Command, Outcome, arity};
use crate::commands::status::show_status;
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "operator unseal",
    usage: "[KEY]",
    about: "Give one key share. Without KEY it is asked for, which keeps it out of the shell's history.",
    example: "lessor operator unseal",
    flags: &[
        flag("reset", Kind::Bool, "Forget the key shares given so far."),
        flag("migrate", Kind::Bool, "Move to another seal; this version's server refuses it."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    let reset = args.is("reset");
    let key = match args.rest.first() {
        _ if reset => String::new(),
        Some(key) => key.trim().to_owned(),
        None => ctx.io.ask("Unseal Key (will be hidden): ")?,
    };
    if key.is_empty() && !reset {
        return Err(Failure::local("No unseal key given"));
    }
    let body = json!({ "key": key, "reset": reset, "migrate": args.is("migrate") });
    let seal = ctx.expect("Error unsealing", Request::put("sys/unseal", body)).await?;
    // Still sealed is no failure of this command.
    show_status(ctx, &seal).await.map(|_| 0)
}
