use crate::command::Command;
use crate::commands::mounts::list::{DETAILED, Listing};
use crate::flags::{Flag, Kind, flag};

/// Shared by the commands that change a mounted auth method.
pub const TOKEN_TYPE: Flag = flag("token-type", Kind::Text, "service, batch, default-service or default-batch.");

pub static COMMAND: Command = Command {
    name: "auth list",
    usage: "",
    about: "List the mounted auth methods.",
    example: "lessor auth list -detailed",
    flags: &[DETAILED],
    run: |ctx, args| Box::pin(LISTING.run(ctx, args)),
};

static LISTING: Listing = Listing {
    failure: "Error listing enabled authentications",
    path: "sys/auth",
    own: ("Token Type", |mount| mount["config"]["token_type"].as_str().unwrap_or_default().to_owned()),
    columns: &[
        ("Type", "type"),
        ("Accessor", "accessor"),
        ("Description", "description"),
        ("Version", "plugin_version"),
    ],
};
