use crate::command::Command;
use crate::commands::mounts::{self, enable::Enabling};
use crate::flags::{Kind, flag};

pub static COMMAND: Command = Command {
    name: "secrets enable",
    usage: "TYPE",
    about: "Mount a secrets engine.",
    example: "lessor secrets enable -path=db -max-lease-ttl=24h database",
    flags: &[
        flag("path", Kind::Text, "Where to mount it, its type when not given."),
        mounts::DESCRIPTION,
        mounts::DEFAULT_TTL,
        mounts::MAX_TTL,
        mounts::VISIBILITY,
        mounts::OPTIONS,
        flag("version", Kind::Number, "Version of the engine: 1 or 2 for kv."),
        flag("plugin-name", Kind::Text, "Name of the plugin for TYPE plugin."),
        mounts::PLUGIN_VERSION,
        mounts::LOCAL,
        mounts::SEAL_WRAP,
        mounts::ENTROPY,
        flag("force-no-cache", Kind::Bool, "Do not cache the engine's storage."),
        mounts::HMAC_REQUEST,
        mounts::HMAC_RESPONSE,
        mounts::PASSTHROUGH,
        mounts::RESPONSE_HEADERS,
        mounts::MANAGED_KEYS,
        mounts::TOKEN_KEY,
    ],
    run: |ctx, args| Box::pin(ENABLING.run(ctx, args)),
};

static ENABLING: Enabling = Enabling {
    path: "sys/mounts",
    failure: |_| "Error enabling".to_owned(),
    what: |kind, plugin| format!("the {kind} {}", if plugin { "plugin" } else { "secrets engine" }),
};
