//! `identity/mfa/method`.
use super::totp::{self, Hash};
use super::{Method, Settings, method_key, qr};
use crate::identity::Open;
use crate::identity::paths::{Endpoints, given, namespace_id};
use crate::mount::entry::uuid;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Context, Error, Params, Paths, Reply, Result, Seconds, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("mfa/method", "Lists the methods.", |path| path.list(list_all))
        .path("mfa/method/totp/generate", "Makes the caller's own secret.", |path| path.write(generate))
        .path("mfa/method/totp/admin-generate", "Makes an entity's secret.", |path| path.write(admin_generate))
        .path("mfa/method/totp/admin-destroy", "Forgets an entity's secret.", |path| path.write(admin_destroy))
        .path("mfa/method/totp", "Makes a TOTP method; lists them.", |path| path.write(write_totp).list(list_totp))
        .path("mfa/method/totp/{method_id}", "Reads, changes and deletes a TOTP method.", |path| {
            path.read(read_totp).write(write_totp).delete(delete)
        })
        .path("mfa/method/duo", "Makes a Duo method; lists them.", |path| path.write(write_duo).list(list_duo))
        .path("mfa/method/duo/{method_id}", "Reads, changes and deletes a Duo method.", |path| {
            path.read(read_duo).write(write_duo).delete(delete)
        })
        .path("mfa/method/okta", "Makes an Okta method; lists them.", |path| path.write(write_okta).list(list_okta))
        .path("mfa/method/okta/{method_id}", "Reads, changes and deletes an Okta method.", |path| {
            path.read(read_okta).write(write_okta).delete(delete)
        })
        .path("mfa/method/pingid", "Makes a PingID method; lists them.", |path| {
            path.write(write_pingid).list(list_pingid)
        })
        .path("mfa/method/pingid/{method_id}", "Reads, changes and deletes a PingID method.", |path| {
            path.read(read_pingid).write(write_pingid).delete(delete)
        })
        .path("mfa/method/{method_id}", "Reads a method.", |path| path.read(read_any))
}

fn show(method: &Method, namespace: &str) -> Value {
    let mut shown = match &method.settings {
        Settings::Totp(settings) => json!({
            "algorithm": settings.algorithm.word(), "digits": settings.digits, "issuer": settings.issuer,
            "key_size": settings.key_size, "max_validation_attempts": settings.max_attempts,
            "period": settings.period, "qr_size": settings.qr_size, "skew": settings.skew,
        }),
        Settings::Duo { api_hostname, push_info, use_passcode, username_format, .. } => json!({
            "api_hostname": api_hostname, "mount_accessor": "", "pushinfo": push_info, "use_passcode": use_passcode,
            "username_format": username_format,
        }),
        Settings::Okta { org_name, base_url, username_format, .. } => json!({
            "base_url": base_url, "mount_accessor": "", "org_name": org_name, "username_format": username_format,
        }),
        Settings::PingId { file, .. } => {
            let line = |name: &str| {
                let found = file.expose().lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
                found.unwrap_or_default().to_owned()
            };
            json!({
                "admin_url": line("admin_url"), "authenticator_url": line("authenticator_url"),
                "idp_url": line("idp_url"), "org_alias": line("org_alias"),
                "use_signature": line("use_signature") == "true",
            })
        }
    };
    shown["id"] = json!(method.id);
    shown["name"] = json!(method.name);
    shown["namespace_id"] = json!(namespace_id(namespace));
    shown["namespace_path"] = json!(namespace);
    shown["type"] = json!(method.settings.word());
    shown
}

async fn list(at: &Endpoints, cx: &Context, kind: Option<&str>) -> Result<Reply> {
    let all = at.open()?.begin(&cx.namespace).all::<Method>("mfa/method/").await?.into_iter();
    let wanted = all.filter(|(_, method)| kind.is_none_or(|kind| method.settings.word() == kind));
    let info: Map<String, Value> = wanted.map(|(id, method)| (id, show(&method, &cx.namespace))).collect();
    if info.is_empty() {
        return Ok(Reply::missing());
    }
    let keys: Vec<&String> = info.keys().collect();
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}

async fn list_all(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    list(&at, &cx, None).await
}
async fn list_totp(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    list(&at, &cx, Some("totp")).await
}
async fn list_duo(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    list(&at, &cx, Some("duo")).await
}
async fn list_okta(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    list(&at, &cx, Some("okta")).await
}
async fn list_pingid(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    list(&at, &cx, Some("pingid")).await
}

#[derive(Params)]
struct ById {
    /// Id of the method.
    method_id: String,
}

async fn read(at: &Endpoints, cx: &Context, id: &str, kind: Option<&str>) -> Result<Reply> {
    let found = at.open()?.begin(&cx.namespace).get::<Method>(&method_key(id)).await?;
    let Some(method) = found else { return Ok(Reply::missing()) };
    match kind {
        Some(kind) if method.settings.word() != kind => {
            Err(Error::invalid(format!("failed to find the method ID under MFA type {kind}.")))
        }
        _ => Ok(Reply::data(show(&method, &cx.namespace))),
    }
}

async fn read_any(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    read(&at, &cx, &by.method_id, None).await
}
async fn read_totp(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    read(&at, &cx, &by.method_id, Some("totp")).await
}
async fn read_duo(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    read(&at, &cx, &by.method_id, Some("duo")).await
}
async fn read_okta(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    read(&at, &cx, &by.method_id, Some("okta")).await
}
async fn read_pingid(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    read(&at, &cx, &by.method_id, Some("pingid")).await
}

async fn delete(at: Arc<Endpoints>, cx: Context, by: ById) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let enforcements = tx.all::<super::enforcement::Enforcement>("mfa/enforcement/").await?;
    if let Some((_, user)) = enforcements.iter().find(|(_, enforcement)| enforcement.methods.contains(&by.method_id)) {
        let text = format!("methodID is still used by an enforcement configuration with ID: {}", user.id);
        return Err(Error::invalid(text));
    }
    tx.delete(method_key(&by.method_id));
    tx.commit_writes().await?;
    Ok(Reply::empty())
}

/// Stores a method. By its id, or by a name that is known, the old one is changed: then the answer is its id again.
async fn put(
    open: &Open,
    cx: &Context,
    id: Option<String>,
    name: Option<String>,
    make: impl Fn(Option<&Settings>) -> Result<Settings>,
) -> Result<Reply> {
    let mut tries = 0;
    loop {
        let mut tx = open.begin(&cx.namespace);
        let all = tx.all::<Method>("mfa/method/").await?;
        let same = |method: &Method| match (&id, &name) {
            (Some(id), _) => method.id == *id,
            (None, Some(name)) => method.name == *name,
            (None, None) => false,
        };
        let old = all.into_iter().map(|(_, method)| method).find(same);
        if id.is_some() && old.is_none() {
            return Err(Error::invalid("failed to find the method ID"));
        }
        let settings = make(old.as_ref().map(|method| &method.settings))?;
        let method = Method {
            id: old.as_ref().map_or_else(uuid, |method| method.id.clone()),
            name: name.clone().or_else(|| old.map(|method| method.name)).unwrap_or_default(),
            settings,
        };
        let made = method.id.clone();
        tx.get::<Method>(&method_key(&made)).await?;
        tx.put(method_key(&made), &method)?;
        if tx.commit(&mut tries).await? {
            return Ok(if id.is_some() { Reply::empty() } else { Reply::data(json!({ "method_id": made })) });
        }
    }
}

#[derive(Params)]
struct Totp {
    /// Id of the method to change.
    method_id: Option<String>,
    /// Names the method beside its id.
    method_name: Option<String>,
    /// Shown by authenticator apps.
    issuer: Option<String>,
    /// How long a code is shown.
    period: Option<Seconds>,
    /// Size of a secret in bytes.
    key_size: Option<i64>,
    /// Size of the QR code in pixels.
    qr_size: Option<i64>,
    /// SHA1, SHA256 or SHA512.
    algorithm: Option<String>,
    /// 6 or 8.
    digits: Option<i64>,
    /// 0, or 1 to take the code before and after the current one too.
    skew: Option<i64>,
    /// Wrong codes within one period.
    max_validation_attempts: Option<i64>,
}

const MAX_KEY_SIZE: usize = 1024;

async fn write_totp(at: Arc<Endpoints>, cx: Context, write: Totp) -> Result<Reply> {
    let (id, name) = (given(write.method_id.clone()), given(write.method_name.clone()));
    put(&at.open()?, &cx, id, name, |old| {
        let known = match old {
            Some(Settings::Totp(settings)) => Some(settings.clone()),
            _ => None,
        };
        totp_settings(&write, known).map(Settings::Totp)
    })
    .await
}

fn totp_settings(write: &Totp, old: Option<totp::Settings>) -> Result<totp::Settings> {
    let mut settings = old.unwrap_or(totp::Settings {
        issuer: String::new(),
        period: 30,
        algorithm: Hash::SHA1,
        digits: 6,
        skew: 1,
        key_size: 20,
        qr_size: 200,
        max_attempts: 5,
    });
    if let Some(issuer) = &write.issuer {
        settings.issuer.clone_from(issuer);
    }
    if settings.issuer.is_empty() {
        return Err(Error::invalid("issuer must be set"));
    }
    if let Some(word) = &write.algorithm {
        settings.algorithm = Hash::parse(word)?;
    }
    let positive = |value: i64, name: &str| {
        u32::try_from(value)
            .ok()
            .filter(|value| *value > 0)
            .ok_or_else(|| Error::invalid(format!("{name} must be greater than zero")))
    };
    if let Some(Seconds(period)) = write.period {
        settings.period = u64::from(positive(i64::try_from(period).unwrap_or(0), "period")?);
    }
    if let Some(size) = write.key_size {
        settings.key_size = positive(size, "key_size")? as usize;
        if settings.key_size > MAX_KEY_SIZE {
            return Err(Error::invalid(format!("key_size must be at most {MAX_KEY_SIZE} bytes")));
        }
    }
    if let Some(digits) = write.digits {
        settings.digits = u32::try_from(digits)
            .ok()
            .filter(|digits| [6, 8].contains(digits))
            .ok_or_else(|| Error::invalid("digits can only be 6 or 8"))?;
    }
    if let Some(skew) = write.skew {
        settings.skew =
            u64::try_from(skew).ok().filter(|skew| *skew <= 1).ok_or_else(|| Error::invalid("skew must be 0 or 1"))?;
    }
    if let Some(attempts) = write.max_validation_attempts {
        settings.max_attempts = match attempts {
            0 => 5,
            attempts => positive(attempts, "max_validation_attempts")?,
        };
    }
    settings.qr_size = write.qr_size.unwrap_or(settings.qr_size);
    Ok(settings)
}

#[derive(Params)]
struct Duo {
    /// Id of the method to change.
    method_id: Option<String>,
    /// Names the method beside its id.
    method_name: Option<String>,
    /// Secret key of the Duo application.
    #[param(secret)]
    secret_key: Secret,
    /// Integration key of the Duo application.
    #[param(secret)]
    integration_key: Secret,
    /// Host of Duo's API.
    api_hostname: String,
    /// Shown with a push.
    push_info: String,
    /// Whether a passcode is asked for.
    use_passcode: bool,
    /// How Duo's user names are made.
    username_format: String,
}

async fn write_duo(at: Arc<Endpoints>, cx: Context, write: Duo) -> Result<Reply> {
    let empty = |name: &str| Error::invalid(format!("{name} is empty"));
    let (id, name) = (given(write.method_id.clone()), given(write.method_name.clone()));
    put(&at.open()?, &cx, id, name, |_| {
        if write.secret_key.is_empty() {
            return Err(empty("secret_key"));
        }
        if write.integration_key.is_empty() {
            return Err(empty("integration_key"));
        }
        if write.api_hostname.is_empty() {
            return Err(empty("api_hostname"));
        }
        Ok(Settings::Duo {
            secret_key: write.secret_key.clone(),
            integration_key: write.integration_key.clone(),
            api_hostname: write.api_hostname.clone(),
            push_info: write.push_info.clone(),
            use_passcode: write.use_passcode,
            username_format: write.username_format.clone(),
        })
    })
    .await
}

#[derive(Params)]
struct Okta {
    /// Id of the method to change.
    method_id: Option<String>,
    /// Names the method beside its id.
    method_name: Option<String>,
    /// Name of the organisation.
    org_name: String,
    /// Okta's API token.
    #[param(secret)]
    api_token: Secret,
    /// Okta's domain.
    base_url: String,
    /// Whether only the primary address of an account counts.
    primary_email: bool,
    /// How Okta's user names are made.
    username_format: String,
}

async fn write_okta(at: Arc<Endpoints>, cx: Context, write: Okta) -> Result<Reply> {
    let (id, name) = (given(write.method_id.clone()), given(write.method_name.clone()));
    put(&at.open()?, &cx, id, name, |_| {
        if write.org_name.is_empty() {
            return Err(Error::invalid("org_name must be set"));
        }
        if write.api_token.is_empty() {
            return Err(Error::invalid("api_token must be set"));
        }
        Ok(Settings::Okta {
            org_name: write.org_name.clone(),
            api_token: write.api_token.clone(),
            base_url: write.base_url.clone(),
            primary_email: write.primary_email,
            username_format: write.username_format.clone(),
        })
    })
    .await
}

#[derive(Params)]
struct PingId {
    /// Id of the method to change.
    method_id: Option<String>,
    /// Names the method beside its id.
    method_name: Option<String>,
    /// The settings file of PingID in base64.
    #[param(secret)]
    settings_file_base64: Secret,
    /// How PingID's user names are made.
    username_format: String,
}

async fn write_pingid(at: Arc<Endpoints>, cx: Context, write: PingId) -> Result<Reply> {
    let (id, name) = (given(write.method_id.clone()), given(write.method_name.clone()));
    put(&at.open()?, &cx, id, name, |_| {
        if write.settings_file_base64.is_empty() {
            return Err(Error::invalid("settings_file_base64 is empty"));
        }
        let file = STANDARD.decode(write.settings_file_base64.expose()).ok();
        let file = file.and_then(|bytes| String::from_utf8(bytes).ok());
        let file = file.ok_or_else(|| Error::invalid("settings_file_base64 is no text in base64"))?;
        Ok(Settings::PingId { file: Secret::new(file), username_format: write.username_format.clone() })
    })
    .await
}

#[derive(Params)]
struct Enrolment {
    /// Id of the method.
    method_id: String,
    /// Id of the entity; the caller's own at `generate`.
    entity_id: String,
}

async fn totp_method(open: &Open, cx: &Context, id: &str) -> Result<(Method, totp::Settings)> {
    if id.is_empty() {
        return Err(Error::invalid("missing method ID"));
    }
    let found = open.begin(&cx.namespace).get::<Method>(&method_key(id)).await?;
    let method = found.ok_or_else(|| Error::invalid(format!("configuration for method ID {id:?} does not exist")))?;
    match method.settings.clone() {
        Settings::Totp(settings) => Ok((method, settings)),
        _ => Err(Error::invalid("the method ID does not match TOTP type")),
    }
}

async fn make(open: &Open, cx: &Context, method: &str, entity: &str) -> Result<Reply> {
    if method.is_empty() {
        return Err(Error::invalid("missing method ID"));
    }
    if entity.is_empty() {
        return Err(Error::invalid("missing entityID"));
    }
    let (method, settings) = totp_method(open, cx, method).await?;
    let Some(url) = open.enrol(&cx.namespace, &method, &settings, entity).await? else {
        return Ok(Reply::empty().warn(format!("Entity already has a secret for MFA method {:?}", method.name)));
    };
    let mut data = json!({ "url": url.expose() });
    if let Some(size) = u32::try_from(settings.qr_size).ok().filter(|size| *size > 0) {
        let text = url.clone();
        let drawn = tokio::task::spawn_blocking(move || qr::png(text.expose(), size.min(2048))).await;
        let png = drawn.map_err(|_| Error::Internal("the QR code was not made".to_owned()))??;
        data["barcode"] = json!(STANDARD.encode(png));
    }
    Ok(Reply::data(data))
}

async fn generate(at: Arc<Endpoints>, cx: Context, asked: Enrolment) -> Result<Reply> {
    make(&at.open()?, &cx, &asked.method_id, &cx.caller.entity_id).await
}

async fn admin_generate(at: Arc<Endpoints>, cx: Context, asked: Enrolment) -> Result<Reply> {
    make(&at.open()?, &cx, &asked.method_id, &asked.entity_id).await
}

async fn admin_destroy(at: Arc<Endpoints>, cx: Context, asked: Enrolment) -> Result<Reply> {
    let open = at.open()?;
    if asked.method_id.is_empty() {
        return Err(Error::invalid("missing method ID"));
    }
    if asked.entity_id.is_empty() {
        return Err(Error::invalid("missing entity ID"));
    }
    let (method, _) = totp_method(&open, &cx, &asked.method_id).await?;
    open.unenrol(&cx.namespace, &method.id, &asked.entity_id).await?;
    Ok(Reply::empty())
}
