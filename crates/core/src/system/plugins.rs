//! `sys/plugins`: what this build was made with. Nothing is loaded from outside.
use super::System;
use crate::active::Active;
use crate::mount::entry::{folder, uuid};
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result};
use serde_json::{Value, json};
use std::sync::Arc;

const KINDS: [&str; 3] = ["auth", "database", "secret"];

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("plugins/catalog", "Lists the engines, auth methods and database plugins of this build.", |path| {
            path.read(all).list(all)
        })
        .path("plugins/catalog/{type}", "Lists those of one type.", |path| path.read(of_type).list(of_type).sudo())
        .path("plugins/catalog/{type}/{name}", "Shows one of them.", |path| {
            path.read(read).write(register).delete(delete).sudo()
        })
        .path("plugins/reload/backend", "Makes mounts of a plugin anew.", |path| path.write(reload))
        .path("plugins/reload/{type}/{name}", "Makes mounts of a plugin anew.", |path| path.write(reload_named))
}

fn version(active: &Active) -> String {
    format!("v{}+builtin", active.settings.version)
}

fn names(active: &Active, kind: &str) -> Option<Vec<&'static str>> {
    let factories = active.mounts.factories();
    let mut names: Vec<&'static str> = match kind {
        "auth" => factories.methods.iter().map(|factory| factory.kind()).collect(),
        "database" => factories.engines.iter().flat_map(|factory| factory.plugins()).collect(),
        "secret" => factories.engines.iter().map(|factory| factory.kind()).collect(),
        _ => return None,
    };
    names.sort_unstable();
    Some(names)
}

async fn all(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let active = system.active()?;
    let mut data = json!({});
    let mut detailed: Vec<Value> = Vec::new();
    for kind in KINDS {
        let names = names(&active, kind).unwrap_or_default();
        detailed.extend(names.iter().map(|name| {
            json!({
                "type": kind, "name": name, "version": version(&active), "builtin": true,
                "deprecation_status": "supported",
            })
        }));
        data[kind] = json!(names);
    }
    data["detailed"] = json!(detailed);
    Ok(Reply::data(data))
}

#[derive(Params)]
struct OfType {
    /// `auth`, `database` or `secret`.
    #[param(name = "type")]
    kind: String,
}

fn unsupported(kind: &str) -> Error {
    Error::invalid(format!("\"{kind}\" is not a supported plugin type: use auth, database or secret"))
}

async fn of_type(system: Arc<System>, _: Context, of: OfType) -> Result<Reply> {
    let names = names(&*system.active()?, &of.kind).ok_or_else(|| unsupported(&of.kind))?;
    Ok(Reply::list(names.into_iter().map(str::to_owned).collect()))
}

#[derive(Params)]
struct Named {
    /// `auth`, `database` or `secret`.
    #[param(name = "type")]
    kind: String,
    /// Name of the plugin.
    name: String,
    /// A version; only the build's own is there.
    version: String,
}

async fn read(system: Arc<System>, _: Context, named: Named) -> Result<Reply> {
    let active = system.active()?;
    let names = names(&active, &named.kind).ok_or_else(|| unsupported(&named.kind))?;
    let wanted = named.version.is_empty() || named.version == version(&active);
    if !wanted || !names.contains(&named.name.as_str()) {
        return Ok(Reply::missing());
    }
    Ok(Reply::data(json!({
        "name": named.name,
        "args": Value::Null,
        "builtin": true,
        "command": "",
        "sha256": "",
        "version": version(&active),
        "deprecation_status": "supported",
    })))
}

#[derive(Params)]
struct Register {
    /// `auth`, `database` or `secret`.
    #[param(name = "type")]
    kind: String,
    /// Name of the plugin.
    name: String,
    /// SHA-256 of the program, hexadecimal.
    sha256: String,
    /// The program.
    command: String,
}

async fn register(_: Arc<System>, _: Context, given: Register) -> Result<Reply> {
    if given.sha256.is_empty() {
        return Err(Error::invalid("missing SHA-256 value"));
    }
    if given.command.is_empty() {
        return Err(Error::invalid("missing command value"));
    }
    let Some(32) = hex::decode(&given.sha256).ok().map(|bytes| bytes.len()) else {
        return Err(Error::invalid("Decoded SHA-256 value is not 32 bytes"));
    };
    if !KINDS.contains(&given.kind.as_str()) {
        return Err(unsupported(&given.kind));
    }
    let text = format!(
        "\"{}\" cannot be registered: this server runs no programs as plugins, only the engines and auth methods it was built with",
        given.name
    );
    Err(Error::invalid(text))
}

/// What is built in stays; what is not there is gone already.
async fn delete(_: Arc<System>, _: Context, named: Named) -> Result<Reply> {
    if KINDS.contains(&named.kind.as_str()) { Ok(Reply::empty()) } else { Err(unsupported(&named.kind)) }
}

#[derive(Params)]
struct Reload {
    /// All mounts of this plugin.
    plugin: String,
    /// These mounts.
    mounts: CommaList,
    /// `global` for every node of a cluster.
    scope: String,
}

async fn reload(system: Arc<System>, cx: Context, asked: Reload) -> Result<Reply> {
    let active = system.active()?;
    match (asked.plugin.as_str(), asked.mounts.as_slice()) {
        ("", []) => return Err(Error::invalid("plugin or mounts must be provided")),
        ("", mounts) => {
            let missing = mounts.iter().find(|mount| active.mounts.at(&cx.namespace, &folder(mount)).is_none());
            if let Some(mount) = missing {
                let text = format!("1 error occurred:\n\t* cannot fetch mount entry on \"{}\"\n\n", folder(mount));
                return Err(Error::invalid(text));
            }
        }
        (plugin, []) => {
            let known = KINDS.iter().any(|kind| names(&active, kind).is_some_and(|names| names.contains(&plugin)));
            if !known {
                return Err(Error::invalid(format!("plugin not found in the catalog: \"{plugin}\"")));
            }
        }
        _ => return Err(Error::invalid("plugin and mounts cannot be set at the same time")),
    }
    reloaded(&active, &asked.scope, |kind, path| {
        asked.plugin == kind || asked.mounts.iter().any(|mount| folder(mount) == path)
    })
}

#[derive(Params)]
struct ReloadNamed {
    /// `auth`, `database` or `secret`; `unknown` looks through all of them.
    #[param(name = "type")]
    kind: String,
    /// Name of the plugin.
    name: String,
    /// `global` for every node of a cluster.
    scope: String,
}

async fn reload_named(system: Arc<System>, _: Context, asked: ReloadNamed) -> Result<Reply> {
    let active = system.active()?;
    let among = |kind: &str| names(&active, kind).is_some_and(|names| names.contains(&asked.name.as_str()));
    let known = if asked.kind == "unknown" { KINDS.into_iter().any(among) } else { among(&asked.kind) };
    if !known {
        return Err(Error::invalid(format!("plugin not found in the catalog: \"{}\"", asked.name)));
    }
    reloaded(&active, &asked.scope, |kind, _| asked.name == kind)
}

/// Makes the backends of those mounts anew: connections and caches begin from what is stored.
fn reloaded(active: &Active, scope: &str, picks: impl Fn(&str, &str) -> bool) -> Result<Reply> {
    if !matches!(scope, "" | "global") {
        return Err(Error::invalid("scope must be unset or \"global\""));
    }
    active.mounts.renew(|entry| picks(&entry.kind, &entry.path))?;
    Ok(Reply::data(json!({ "reload_id": uuid() })))
}
