//! `config/ca`, `issuers`, `issuer/…`, `config/issuers` and the public keys.
use crate::issuers::{Issuer, Issuers};
use crate::pair::{Kind, Pair};
use crate::public::Public;
use crate::{Ssh, uuid};
use lessor_engine::{Context, Error, Outcome, Params, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct Submit {
    /// Name of the CA, for `issuer_ref`.
    issuer_name: String,
    /// The CA's own private key, in PEM or OpenSSH's form, without a passphrase.
    #[param(secret)]
    private_key: Secret,
    /// The public key that belongs to it, as an authorized_keys line.
    public_key: String,
    /// Whether the key pair is made here. Defaults to true where no keys are given.
    generate_signing_key: Option<bool>,
    /// Kind of a key made here: ssh-rsa, ec or ed25519.
    #[param(default = "ssh-rsa")]
    key_type: String,
    /// Size of a key made here; 0 for the usual.
    key_bits: i64,
    /// Whether roles that name no issuer are signed by this one from now on.
    set_default: bool,
}

#[derive(Params)]
pub(crate) struct Reference {
    /// Id or name of an issuer, or `default`.
    issuer_ref: String,
}

#[derive(Params)]
pub(crate) struct PublicKey {
    /// Whether the keys of all CAs are answered, one a line, that of the default first: TrustedUserCAKeys of sshd takes
    /// them like this, so that both an old and a new CA are trusted while one takes over from the other.
    all: bool,
}

#[derive(Params)]
pub(crate) struct Rename {
    /// Id or name of an issuer, or `default`.
    issuer_ref: String,
    /// The new name; empty for none.
    issuer_name: String,
}

#[derive(Params)]
pub(crate) struct Default {
    /// Id or name of the issuer that signs where a role names none.
    default: String,
}

/// The key pair that is asked for.
async fn pair(asked: &Submit) -> Result<(Pair, String)> {
    let (given_private, given_public) = (!asked.private_key.is_empty(), !asked.public_key.is_empty());
    if given_private != given_public {
        return Err(Error::invalid(
            "only one of public_key and private_key set; both must be set to use, or both must be blank to auto-generate",
        ));
    }
    let generate = asked.generate_signing_key.unwrap_or(!given_private);
    if generate && given_private {
        return Err(Error::invalid(
            "public_key and private_key must not be set when generate_signing_key is set to true",
        ));
    }
    if !generate && !given_private {
        return Err(Error::invalid("missing public_key"));
    }
    if generate {
        let kind = Kind::named(&asked.key_type, asked.key_bits)?;
        let pair = Pair::fresh(kind).await?;
        let line = pair.line();
        return Ok((pair, line));
    }
    let text = |error: Error| {
        Error::Invalid(
            error
                .to_string()
                .replace("failed to parse public_key as SSH key", "could not parse public_key provided value"),
        )
    };
    let public = Public::parse(&asked.public_key).map_err(text)?;
    let pair = Pair::parse(asked.private_key.expose())?;
    if pair.public() != public.blob {
        return Err(Error::invalid("public_key does not belong to private_key: send the .pub file beside it"));
    }
    // With its comment, as it was given.
    Ok((pair, format!("{}\n", asked.public_key.trim())))
}

fn shown(id: &str, issuer: &Issuer) -> Map<String, Value> {
    Map::from_iter([
        ("issuer_id".to_owned(), json!(id)),
        ("issuer_name".to_owned(), json!(issuer.name)),
        ("public_key".to_owned(), json!(issuer.public_key)),
    ])
}

async fn submit(ssh: &Ssh, cx: &Context, asked: Submit, set_default: bool) -> Result<Reply> {
    // Before seconds go into a key.
    ssh.issuers(cx).await?.issuers.check_name(&asked.issuer_name, "")?;
    let (pair, public_key) = pair(&asked).await?;
    let issuer = Issuer { name: asked.issuer_name, public_key, private_key: pair.private()? };
    let id = uuid()?;
    let add = |issuers: &mut Issuers| {
        issuers.check_name(&issuer.name, &id)?;
        if set_default || issuers.default.is_none() {
            issuers.default = Some(id.clone());
        }
        issuers.all.insert(id.clone(), issuer.clone());
        Ok(())
    };
    ssh.change_issuers(cx, add).await?;
    Ok(Outcome::Data(shown(&id, &issuer)).into())
}

pub(crate) async fn write(ssh: Arc<Ssh>, cx: Context, asked: Submit) -> Result<Reply> {
    let asked = Submit { issuer_name: String::new(), ..asked };
    submit(&ssh, &cx, asked, true).await
}

pub(crate) async fn import(ssh: Arc<Ssh>, cx: Context, asked: Submit) -> Result<Reply> {
    let set_default = asked.set_default;
    submit(&ssh, &cx, asked, set_default).await
}

pub(crate) async fn read_default(ssh: Arc<Ssh>, cx: Context, (): ()) -> Result<Reply> {
    read(ssh, cx, Reference { issuer_ref: "default".to_owned() }).await
}

pub(crate) async fn read(ssh: Arc<Ssh>, cx: Context, at: Reference) -> Result<Reply> {
    let known = ssh.issuers(&cx).await?;
    let (id, issuer) = known.issuers.find(&at.issuer_ref)?;
    Ok(Outcome::Data(shown(id, issuer)).into())
}

pub(crate) async fn delete_all(ssh: Arc<Ssh>, cx: Context, (): ()) -> Result<Reply> {
    if ssh.issuers(&cx).await?.issuers.all.is_empty() {
        return Ok(Reply::empty());
    }
    let gone = ssh.change_issuers(&cx, |issuers| Ok(std::mem::take(issuers).all.len())).await?;
    Ok(Reply::empty().warn(format!("Deleted {gone} issuers, including default issuer if configured.")))
}

pub(crate) async fn delete(ssh: Arc<Ssh>, cx: Context, at: Reference) -> Result<Reply> {
    if ssh.issuers(&cx).await?.issuers.resolve(&at.issuer_ref).is_err() {
        return Ok(Reply::empty());
    }
    let remove = |issuers: &mut Issuers| {
        let Ok(id) = issuers.resolve(&at.issuer_ref).map(str::to_owned) else { return Ok(None) };
        issuers.all.remove(&id);
        let was_default = issuers.default.as_ref() == Some(&id);
        if was_default {
            issuers.default = None;
        }
        Ok(was_default.then_some(id))
    };
    Ok(match ssh.change_issuers(&cx, remove).await? {
        None => Reply::empty(),
        Some(id) => Reply::empty().warn(format!(
            "Deleted issuer {id} was the default: roles that name no issuer sign nothing until config/issuers names another"
        )),
    })
}

pub(crate) async fn rename(ssh: Arc<Ssh>, cx: Context, asked: Rename) -> Result<Reply> {
    let change = |issuers: &mut Issuers| {
        let id = issuers.resolve(&asked.issuer_ref)?.to_owned();
        issuers.check_name(&asked.issuer_name, &id)?;
        let issuer = issuers.all.get_mut(&id).ok_or_else(crate::issuers::none_configured)?;
        issuer.name.clone_from(&asked.issuer_name);
        Ok(shown(&id, issuer))
    };
    Ok(Outcome::Data(ssh.change_issuers(&cx, change).await?).into())
}

pub(crate) async fn list(ssh: Arc<Ssh>, cx: Context, (): ()) -> Result<Reply> {
    let known = ssh.issuers(&cx).await?;
    if known.issuers.all.is_empty() {
        return Ok(Reply::missing());
    }
    let info = known.issuers.all.iter().map(|(id, issuer)| {
        let is_default = known.issuers.default.as_ref() == Some(id);
        let info = json!({ "issuer_name": issuer.name, "is_default": is_default, "public_key": issuer.public_key });
        (id.clone(), info)
    });
    let info: Map<String, Value> = info.collect();
    let keys: Vec<&String> = known.issuers.all.keys().collect();
    Ok(Reply::data(json!({ "keys": keys, "key_info": info })))
}

pub(crate) async fn read_config(ssh: Arc<Ssh>, cx: Context, (): ()) -> Result<Reply> {
    let known = ssh.issuers(&cx).await?;
    Ok(Reply::data(json!({ "default": known.issuers.resolve("default")? })))
}

pub(crate) async fn write_config(ssh: Arc<Ssh>, cx: Context, asked: Default) -> Result<Reply> {
    if asked.default.is_empty() || asked.default == "default" {
        return Err(Error::invalid("invalid issuer specification; must be non-empty and can't be 'default'."));
    }
    let set = |issuers: &mut Issuers| {
        let id = issuers.resolve(&asked.default)?.to_owned();
        Ok((issuers.default.replace(id.clone()), id))
    };
    let (before, id) = ssh.change_issuers(&cx, set).await?;
    let reply = Reply::data(json!({ "default": id }));
    Ok(match before.filter(|before| *before != id) {
        None => reply,
        Some(before) => reply.warn(format!(
            "Previous default ({before}) has been updated with the issuer '{}' (resolved to {id})",
            asked.default
        )),
    })
}

pub(crate) async fn public_key(ssh: Arc<Ssh>, cx: Context, asked: PublicKey) -> Result<Reply> {
    if !asked.all {
        return issuer_public_key(ssh, cx, Reference { issuer_ref: "default".to_owned() }).await;
    }
    let known = ssh.issuers(&cx).await?;
    if known.issuers.all.is_empty() {
        return Err(crate::issuers::none_configured());
    }
    let is_default = |id: &String| known.issuers.default.as_ref() == Some(id);
    let (first, others): (Vec<_>, Vec<_>) = known.issuers.all.iter().partition(|(id, _)| is_default(id));
    let lines: String = first.iter().chain(&others).map(|(_, issuer)| issuer.public_key.as_str()).collect();
    Ok(Reply::raw("text/plain", lines.into_bytes()))
}

pub(crate) async fn issuer_public_key(ssh: Arc<Ssh>, cx: Context, at: Reference) -> Result<Reply> {
    let known = ssh.issuers(&cx).await?;
    let (_, issuer) = known.issuers.find(&at.issuer_ref)?;
    Ok(Reply::raw("text/plain", issuer.public_key.clone().into_bytes()))
}
