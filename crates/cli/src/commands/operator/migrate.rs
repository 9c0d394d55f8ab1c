//! `operator migrate`: from one storage into another, while no server runs.

use std::path::PathBuf;

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::server_args::MigrateArgs;

pub static COMMAND: Command = Command {
    name: "operator migrate",
    usage: "",
    about: "Copy everything from storage_source to storage_destination of a file, and compare the two. No server may run on either.",
    example: "lessor operator migrate -config=/etc/lessor/migrate.hcl",
    flags: &[
        flag("config", Kind::List, "The file with the stanzas storage_source and storage_destination."),
        flag("start", Kind::Text, "Copy only keys that are not before this one."),
        flag("reset", Kind::Bool, "Only take the mark of an unfinished migration out of the destination."),
        flag("max-parallel", Kind::Number, "Accepted for the sake of existing scripts; copying is done in order."),
        flag("log-level", Kind::Text, "Accepted for the sake of existing scripts."),
        flag("log-format", Kind::Text, "Accepted for the sake of existing scripts."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let [config] = args.list("config") else {
        return Err(Failure::local("Must specify exactly one config path using -config"));
    };
    let reset = args.is("reset");
    let asked = MigrateArgs { config: PathBuf::from(config), start: args.text("start").map(str::to_owned), reset };
    let migrate = ctx.builtins.migrate.clone();
    let done = migrate(asked).await.map_err(|why| Failure::local(format!("Error migrating: {why}")))?;
    if reset {
        ctx.say("Success! Migration lock reset (if it was set).");
    } else {
        ctx.say(&format!("Success! All of the keys have been migrated.\n{done}"));
    }
    Ok(0)
}
