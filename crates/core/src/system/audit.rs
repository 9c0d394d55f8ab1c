//! `sys/audit`.
use super::System;
use crate::audit::DeviceEntry;
use crate::mount::entry::folder;
use lessor_engine::{Context, Error, KeyValues, Params, Paths, Reply, Result};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("audit", "Lists the audit devices.", |path| path.read(list).sudo())
        .path("audit/{path+}", "Enables and disables an audit device.", |path| {
            path.write(enable).delete(disable).sudo()
        })
        .path("audit-hash/{path+}", "Hashes a text as a device does.", |path| path.write(hash))
}

async fn list(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let entries = system.active()?.audit.entries();
    let shown = entries.into_iter().map(|entry| {
        let value = json!({
            "description": entry.description, "local": entry.local, "options": entry.options,
            "path": entry.path, "type": entry.kind,
        });
        (entry.path.clone(), value)
    });
    Ok(Reply::data(Value::Object(shown.collect())))
}

#[derive(Params)]
struct Enable {
    /// Name of the device.
    path: String,
    /// `file`, `syslog` or `socket`.
    #[param(name = "type")]
    kind: String,
    /// For people.
    description: String,
    /// Where it writes, and how; see the guide.
    options: KeyValues,
    /// Shown.
    local: bool,
}

async fn enable(system: Arc<System>, cx: Context, enable: Enable) -> Result<Reply> {
    let Enable { path, kind, description, options, local } = enable;
    let entry = DeviceEntry {
        path: folder(&path),
        kind,
        description,
        options: options.0,
        local,
        salt: String::new(),
        declared: false,
    };
    system.active()?.audit.enable(entry, cx.now()).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct At {
    /// Name of the device.
    path: String,
}

async fn disable(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    system.active()?.audit.disable(&folder(&at.path)).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Hash {
    /// Name of the device.
    path: String,
    /// The text.
    #[param(secret)]
    input: String,
}

async fn hash(system: Arc<System>, _: Context, hash: Hash) -> Result<Reply> {
    if hash.input.is_empty() {
        return Err(Error::invalid("the 'input' parameter is empty"));
    }
    let path = folder(&hash.path);
    let hash = system.active()?.audit.hash(&path, &hash.input);
    let hash = hash.ok_or_else(|| Error::invalid(format!("unknown audit backend \"{path}\"")))?;
    Ok(Reply::data(json!({ "hash": hash })))
}
