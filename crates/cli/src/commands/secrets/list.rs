use crate::command::Command;
use crate::commands::mounts::list::{DETAILED, Listing};

pub static COMMAND: Command = Command {
    name: "secrets list",
    usage: "",
    about: "List the mounted secrets engines.",
    example: "lessor secrets list -detailed",
    flags: &[DETAILED],
    run: |ctx, args| Box::pin(LISTING.run(ctx, args)),
};

static LISTING: Listing = Listing {
    failure: "Error listing secrets engines",
    path: "sys/mounts",
    own: ("Force No Cache", |mount| (mount["config"]["force_no_cache"] == true).to_string()),
    columns: &[("Type", "type"), ("Accessor", "accessor"), ("Description", "description")],
};
