//! `sys/mounts` and `sys/auth`.
use super::{System, tune};
use crate::lease::revoke::How;
use crate::mount::entry::{Entry, check_unprotected, folder};
use lessor_engine::{Context, Error, KeyValues, Object, Params, Paths, Reply, Result};
use serde_json::Value;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("mounts", "Lists the mounts.", |path| path.read(list))
        .path("mounts/{path+}", "Mounts, reads, tunes and unmounts an engine.", |path| {
            path.read(read).write(write).delete(unmount)
        })
        .path("auth", "Lists the auth methods.", |path| path.read(list_auth))
        .path("auth/{path+}", "Mounts, reads, tunes and unmounts an auth method.", |path| {
            path.read(read_auth).write(write_auth).delete(unmount_auth).sudo()
        })
}

#[derive(Params)]
struct At {
    /// Where it is mounted.
    path: String,
}

#[derive(Params)]
struct Write {
    /// Where to mount.
    path: String,
    /// The engine or auth method.
    #[param(name = "type")]
    kind: String,
    /// For people.
    description: Option<String>,
    /// TTLs and lists; see the tune endpoint.
    config: Object,
    /// Engine options such as `version`.
    options: Option<KeyValues>,
    /// Shown; every node serves every mount.
    local: bool,
    /// Shown; everything is encrypted.
    seal_wrap: bool,
    /// Accepted, without effect: all keys come from the system's randomness.
    external_entropy_access: bool,
    /// Legacy name of `type`.
    plugin_name: String,
    #[param(flatten)]
    tune: tune::Tune,
}

async fn list(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let all = system.active()?.mounts.of(&cx.namespace);
    let shown = all.iter().filter(|mounted| !mounted.entry.is_auth());
    Ok(Reply::data(Value::Object(shown.map(|m| (m.entry.path.clone(), tune::show(&cx.namespace, &m.entry))).collect())))
}

async fn list_auth(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let all = system.active()?.mounts.of(&cx.namespace);
    let shown = all
        .iter()
        .filter_map(|m| Some((m.entry.path.strip_prefix("auth/")?.to_owned(), tune::show(&cx.namespace, &m.entry))));
    Ok(Reply::data(Value::Object(shown.collect())))
}

async fn read(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    if let Some(path) = at.path.strip_suffix("/tune") {
        return tune::read(&system, &cx.namespace, path);
    }
    let path = folder(&at.path);
    let mounted = system.active()?.mounts.at(&cx.namespace, &path);
    let mounted = mounted.ok_or_else(|| Error::invalid(format!("No secret engine mount at {path}")))?;
    Ok(Reply::data(tune::show(&cx.namespace, &mounted.entry)))
}

async fn read_auth(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    if let Some(path) = at.path.strip_suffix("/tune") {
        return tune::read(&system, &cx.namespace, &format!("auth/{path}"));
    }
    let path = folder(&at.path);
    let mounted = system.active()?.mounts.at(&cx.namespace, &format!("auth/{path}"));
    let mounted = mounted.ok_or_else(|| Error::invalid(format!("No auth engine at {path}")))?;
    Ok(Reply::data(tune::show(&cx.namespace, &mounted.entry)))
}

async fn write(system: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    let path = write.path.clone();
    let at = folder(&path);
    if at.starts_with("auth/") && !path.ends_with("/tune") {
        return Err(Error::invalid(format!("cannot mount \"{at}\"")));
    }
    mount_or_tune(&system, &cx, &path, write).await
}

async fn write_auth(system: Arc<System>, cx: Context, write: Write) -> Result<Reply> {
    let path = format!("auth/{}", write.path);
    if folder(&path) == "auth/token/" {
        return Err(Error::invalid("path is already in use at token/"));
    }
    mount_or_tune(&system, &cx, &path, write).await
}

async fn mount_or_tune(system: &System, cx: &Context, path: &str, write: Write) -> Result<Reply> {
    match path.strip_suffix("/tune") {
        Some(path) => tune::write(system, &cx.namespace, path, write.tune, write.description, write.options).await,
        None => mount(system, &cx.namespace, path, write).await,
    }
}

async fn mount(system: &System, namespace: &str, path: &str, mut write: Write) -> Result<Reply> {
    if write.kind.is_empty() || write.kind == "plugin" {
        write.kind = std::mem::take(&mut write.plugin_name);
    }
    let mut options = write.options.unwrap_or_default().0;
    let kind = match write.kind.as_str() {
        "" => return Err(Error::invalid("backend type must be specified as a string")),
        "kv-v2" => {
            options.insert("version".to_owned(), "2".to_owned());
            "kv"
        }
        "kv-v1" | "generic" => {
            options.insert("version".to_owned(), "1".to_owned());
            "kv"
        }
        kind => kind,
    };
    let mut entry = Entry::new(path, kind);
    namespace.clone_into(&mut entry.namespace);
    entry.options = options;
    entry.description = write.description.unwrap_or_default();
    (entry.local, entry.seal_wrap) = (write.local, write.seal_wrap);
    entry.external_entropy_access = write.external_entropy_access;
    let active = system.active()?;
    let tune = tune::Tune::parse(&mut write.config.0)?;
    tune.check_new()?;
    tune.apply(&mut entry, active.settings.max_ttl.as_secs())?;
    if active.namespaces.at(&entry.full_path()).is_some() {
        return Err(Error::invalid(format!("path is already in use at {}: a namespace is there", entry.path)));
    }
    active.mounts.mount(entry).await?;
    Ok(Reply::empty())
}

async fn unmount(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    take_away(&system, &cx.namespace, &folder(&at.path)).await
}

async fn unmount_auth(system: Arc<System>, cx: Context, at: At) -> Result<Reply> {
    let path = folder(&at.path);
    if path == "token/" {
        return Err(Error::invalid("token credential backend cannot be disabled"));
    }
    take_away(&system, &cx.namespace, &format!("auth/{path}")).await
}

async fn take_away(system: &System, namespace: &str, path: &str) -> Result<Reply> {
    check_unprotected(path, "unmount")?;
    let active = system.active()?;
    if let Some(mounted) = active.mounts.at(namespace, path) {
        active.unmount(&mounted.entry.uuid, How::Wait).await?;
    }
    Ok(Reply::empty())
}
