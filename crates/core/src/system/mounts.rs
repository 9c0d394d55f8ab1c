//! `sys/mounts` and `sys/auth`.
use super::System;
use crate::lease::revoke::How;
use crate::mount::entry::{Entry, check_unprotected, folder};
use lessor_engine::{CommaList, Context, Error, FieldValue, KeyValues, Object, Params, Paths, Reply, Result, Seconds};
use lessor_storage::Batch;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("mounts", "Lists the mounts.", |path| path.read(list))
        .path("mounts/{path+}", "Mounts, reads, tunes and unmounts an engine.", |path| {
            path.read(read).write(write).delete(unmount)
        })
        .path("auth", "Lists the auth methods.", |path| path.read(list_auth))
        .path("auth/{path+}", "Reads an auth method.", |path| {
            path.read(read_auth).write(enable_auth).delete(disable_auth)
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
    /// The engine.
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
    /// Tune: default lease TTL.
    default_lease_ttl: Option<String>,
    /// Tune: upper bound of lease TTLs.
    max_lease_ttl: Option<String>,
    /// Tune: fields of requests that audit shows in clear.
    audit_non_hmac_request_keys: Option<CommaList>,
    /// Tune: fields of answers that audit shows in clear.
    audit_non_hmac_response_keys: Option<CommaList>,
    /// Tune: `unauth`, `hidden` or empty.
    listing_visibility: Option<String>,
    /// Tune: request headers handed to the engine.
    passthrough_request_headers: Option<CommaList>,
    /// Tune: response headers an engine may set.
    allowed_response_headers: Option<CommaList>,
    /// Legacy name of `type`.
    plugin_name: String,
    /// Auth methods only.
    token_type: Option<String>,
}

fn show(entry: &Entry) -> Value {
    let config = &entry.config;
    let mut shown = Map::from_iter([
        ("default_lease_ttl".to_owned(), json!(config.default_lease_ttl)),
        ("max_lease_ttl".to_owned(), json!(config.max_lease_ttl)),
        ("force_no_cache".to_owned(), json!(config.force_no_cache)),
    ]);
    show_set(entry, &mut shown);
    json!({
        "accessor": entry.accessor,
        "config": shown,
        "deprecation_status": "supported",
        "description": entry.description,
        "external_entropy_access": false,
        "local": entry.local,
        "options": if entry.options.is_empty() { Value::Null } else { json!(entry.options) },
        "plugin_version": "",
        "running_plugin_version": concat!("v", env!("CARGO_PKG_VERSION"), "+builtin"),
        "running_sha256": "",
        "seal_wrap": entry.seal_wrap,
        "type": entry.kind,
        "uuid": entry.uuid,
    })
}

/// The fields that are only shown where they are set.
fn show_set(entry: &Entry, shown: &mut Map<String, Value>) {
    let config = &entry.config;
    for (name, list) in [
        ("audit_non_hmac_request_keys", &config.audit_non_hmac_request_keys),
        ("audit_non_hmac_response_keys", &config.audit_non_hmac_response_keys),
        ("passthrough_request_headers", &config.passthrough_request_headers),
        ("allowed_response_headers", &config.allowed_response_headers),
    ] {
        if !list.is_empty() {
            shown.insert(name.to_owned(), json!(list));
        }
    }
    if !config.listing_visibility.is_empty() {
        shown.insert("listing_visibility".to_owned(), json!(config.listing_visibility));
    }
}

async fn list(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let all = system.active()?.mounts.all();
    let shown = all.iter().filter(|mounted| !mounted.entry.path.starts_with("auth/"));
    Ok(Reply::data(Value::Object(shown.map(|m| (m.entry.path.clone(), show(&m.entry))).collect())))
}

async fn list_auth(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    let all = system.active()?.mounts.all();
    let shown = all.iter().filter_map(|m| Some((m.entry.path.strip_prefix("auth/")?.to_owned(), show(&m.entry))));
    Ok(Reply::data(Value::Object(shown.collect())))
}

async fn read(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    let active = system.active()?;
    if let Some(path) = at.path.strip_suffix("/tune") {
        let path = folder(path);
        let mounted = active.mounts.at(&path);
        let mounted = mounted.ok_or_else(|| Error::invalid(format!("cannot fetch sysview for path \"{path}\"")))?;
        let entry = &mounted.entry;
        let resolved = entry.for_engine(active.settings.default_ttl, active.settings.max_ttl);
        let mut shown = Map::from_iter([
            ("default_lease_ttl".to_owned(), json!(resolved.default_ttl.as_secs())),
            ("max_lease_ttl".to_owned(), json!(resolved.max_ttl.as_secs())),
            ("force_no_cache".to_owned(), json!(entry.config.force_no_cache)),
            ("description".to_owned(), json!(entry.description)),
        ]);
        show_set(entry, &mut shown);
        if !entry.options.is_empty() {
            shown.insert("options".to_owned(), json!(entry.options));
        }
        return Ok(Reply::data(Value::Object(shown)));
    }
    let path = folder(&at.path);
    let mounted = active.mounts.at(&path);
    let mounted = mounted.ok_or_else(|| Error::invalid(format!("No secret engine mount at {path}")))?;
    Ok(Reply::data(show(&mounted.entry)))
}

async fn read_auth(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    let path = folder(&at.path);
    let mounted = system.active()?.mounts.at(&format!("auth/{path}"));
    let mounted = mounted.ok_or_else(|| Error::invalid(format!("No auth engine at {path}")))?;
    Ok(Reply::data(show(&mounted.entry)))
}

#[derive(Params)]
struct EnableAuth {
    /// Where to mount.
    path: String,
    /// The auth method.
    #[param(name = "type")]
    kind: String,
    #[param(rest)]
    rest: lessor_engine::Fields,
}

async fn enable_auth(_: Arc<System>, _: Context, enable: EnableAuth) -> Result<Reply> {
    let EnableAuth { path, kind, rest } = enable;
    drop((path, rest));
    Err(Error::invalid(format!("plugin not found in the catalog: {kind}")))
}

async fn disable_auth(_: Arc<System>, _: Context, at: At) -> Result<Reply> {
    if folder(&at.path) == "token/" {
        return Err(Error::invalid("token credential backend cannot be disabled"));
    }
    Ok(Reply::empty())
}

async fn write(system: Arc<System>, _: Context, mut write: Write) -> Result<Reply> {
    if let Some(path) = write.path.strip_suffix("/tune") {
        let path = folder(path);
        return tune(&system, &path, write).await;
    }
    if write.kind.is_empty() {
        write.kind = std::mem::take(&mut write.plugin_name);
    }
    let mut entry = Entry::new(&write.path, "");
    let mut options = write.options.take().unwrap_or_default().0;
    entry.kind = match write.kind.as_str() {
        "" => return Err(Error::invalid("backend type must be specified as a string")),
        "kv-v2" => {
            options.insert("version".to_owned(), "2".to_owned());
            "kv".to_owned()
        }
        "kv-v1" | "generic" => {
            options.insert("version".to_owned(), "1".to_owned());
            "kv".to_owned()
        }
        kind => kind.to_owned(),
    };
    entry.accessor = Entry::new("", &entry.kind).accessor;
    entry.options = options;
    entry.description = write.description.take().unwrap_or_default();
    (entry.local, entry.seal_wrap) = (write.local, write.seal_wrap);
    let config = Write::parse(&mut write.config.0)?;
    set_config(&system, &mut entry, config)?;
    system.active()?.mounts.mount(entry).await?;
    Ok(Reply::empty())
}

/// `None` leaves it, 0 inherits from the system.
fn ttl(text: Option<&str>, name: &'static str) -> Result<Option<u64>> {
    match text {
        None | Some("") => Ok(None),
        Some("system") => Ok(Some(0)),
        Some(text) => match Seconds::coerce(Value::String(text.to_owned())) {
            Ok(Seconds(seconds)) => Ok(Some(seconds)),
            Err(reason) => Err(lessor_engine::FieldError::Conversion { name: name.to_owned(), reason }.into()),
        },
    }
}

fn set_config(system: &System, entry: &mut Entry, write: Write) -> Result<()> {
    let config = &mut entry.config;
    if let Some(seconds) = ttl(write.default_lease_ttl.as_deref(), "default_lease_ttl")? {
        config.default_lease_ttl = seconds;
    }
    if let Some(seconds) = ttl(write.max_lease_ttl.as_deref(), "max_lease_ttl")? {
        config.max_lease_ttl = seconds;
    }
    for (new, place) in [
        (write.audit_non_hmac_request_keys, &mut config.audit_non_hmac_request_keys),
        (write.audit_non_hmac_response_keys, &mut config.audit_non_hmac_response_keys),
        (write.passthrough_request_headers, &mut config.passthrough_request_headers),
        (write.allowed_response_headers, &mut config.allowed_response_headers),
    ] {
        if let Some(list) = new {
            *place = list.0;
        }
    }
    if let Some(visibility) = write.listing_visibility {
        if !matches!(visibility.as_str(), "" | "hidden" | "unauth") {
            let text = format!("invalid listing_visibility '{visibility}': use unauth, hidden or nothing");
            return Err(Error::invalid(text));
        }
        config.listing_visibility = visibility;
    }
    if write.token_type.is_some() {
        return Err(Error::invalid("'token_type' can only be modified on auth mounts"));
    }
    let max =
        if config.max_lease_ttl == 0 { system.active()?.settings.max_ttl.as_secs() } else { config.max_lease_ttl };
    if config.default_lease_ttl > max {
        return Err(Error::invalid(format!(
            "backend max lease TTL of {max} would be less than backend default lease TTL of {}",
            config.default_lease_ttl
        )));
    }
    Ok(())
}

async fn tune(system: &System, path: &str, mut write: Write) -> Result<Reply> {
    let active = system.active()?;
    let Some(mounted) = active.mounts.at(path) else {
        return Err(Error::invalid(format!("tune of path \"{path}\" failed: no mount entry found")));
    };
    if path == "sys/" || path.starts_with("auth/") {
        return Err(Error::invalid(format!("cannot tune {path}")));
    }
    let mut entry = mounted.entry.clone();
    let (description, options) = (write.description.take(), write.options.take());
    set_config(system, &mut entry, write)?;
    if let Some(description) = description {
        entry.description = description;
    }
    entry.options.extend(options.unwrap_or_default().0);
    active.mounts.update(&mounted.entry.uuid, |stored| *stored = entry).await?;
    Ok(Reply::empty())
}

async fn unmount(system: Arc<System>, _: Context, at: At) -> Result<Reply> {
    let path = folder(&at.path);
    check_unprotected(&path, "unmount")?;
    let active = system.active()?;
    let Some(mounted) = active.mounts.at(&path) else { return Ok(Reply::empty()) };
    let uuid = &mounted.entry.uuid;
    active.mounts.update(uuid, |entry| entry.tainted = true).await?;
    let _alone = mounted.gate.write().await;
    active.revoke_prefix(&path, How::Wait).await?;
    active.finish_intents(uuid).await?;
    active.end_rotations(uuid).await?;
    let prefix = mounted.entry.storage_prefix();
    loop {
        let page = active.storage.scan(&prefix, None, 256).await?;
        if page.is_empty() {
            break;
        }
        let batch = page.into_iter().fold(Batch::new(), |batch, entry| batch.delete(entry.key));
        active.storage.commit(batch).await?;
    }
    active.mounts.remove(uuid).await?;
    Ok(Reply::empty())
}
