use crate::command::Command;
use crate::commands::mounts::{self, enable::Enabling};
use crate::flags::{Kind, flag};

pub static COMMAND: Command = Command {
    name: "auth enable",
    usage: "TYPE",
    about: "Mount an auth method.",
    example: "lessor auth enable -path=staff userpass",
    flags: &[
        flag("path", Kind::Text, "Where to mount it, its type when not given."),
        mounts::DESCRIPTION,
        mounts::DEFAULT_TTL,
        mounts::MAX_TTL,
        mounts::VISIBILITY,
        mounts::OPTIONS,
        flag("version", Kind::Number, "Version of the auth method."),
        super::list::TOKEN_TYPE,
        flag("plugin-name", Kind::Text, "Name of the plugin for TYPE plugin."),
        mounts::PLUGIN_VERSION,
        mounts::LOCAL,
        mounts::SEAL_WRAP,
        mounts::ENTROPY,
        mounts::HMAC_REQUEST,
        mounts::HMAC_RESPONSE,
        mounts::PASSTHROUGH,
        mounts::RESPONSE_HEADERS,
        mounts::TOKEN_KEY,
    ],
    run: |ctx, args| Box::pin(ENABLING.run(ctx, args)),
};

static ENABLING: Enabling = Enabling {
    path: "sys/auth",
    failure: |kind| format!("Error enabling {kind} auth"),
    what: |kind, plugin| format!("{kind} {}", if plugin { "plugin" } else { "auth method" }),
};
