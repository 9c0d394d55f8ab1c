//! `sys/rekey/init` and `sys/rekey/update`. Both need a token, unlike Vault before 2.0.
use super::System;
use crate::rekey::RekeyStatus;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result, Secret};
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("rekey/init", "Begins, shows and cancels a rekey.", |path| {
            path.read(status).write(begin).delete(cancel).sudo()
        })
        .path("rekey/update", "Takes one of the present key shares.", |path| path.write(update).sudo())
}

fn show(status: &RekeyStatus) -> Value {
    let (nonce, shares, threshold, progress) = status.started.clone().unwrap_or_default();
    json!({
        "nonce": nonce,
        "started": status.started.is_some(),
        "t": threshold,
        "n": shares,
        "progress": progress,
        "required": status.required,
        "pgp_fingerprints": Value::Null,
        "backup": false,
        "verification_required": false,
    })
}

async fn status(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::bare(200, show(&system.core()?.rekey_status().await?)))
}

#[derive(Params)]
struct Begin {
    /// How many key shares to make.
    secret_shares: i64,
    /// How many of them unseal.
    secret_threshold: i64,
    /// Keys to encrypt the shares with; not supported.
    pgp_keys: CommaList,
    /// Keeps encrypted shares; not supported.
    backup: bool,
    /// Asks for the new shares before they count; not supported.
    require_verification: bool,
}

async fn begin(system: Arc<System>, _: Context, begin: Begin) -> Result<Reply> {
    if !begin.pgp_keys.is_empty() || begin.backup || begin.require_verification {
        return Err(Error::invalid("pgp_keys, backup, require_verification: this version has none of them"));
    }
    let core = system.core()?;
    core.begin_rekey(begin.secret_shares, begin.secret_threshold).await?;
    Ok(Reply::bare(200, show(&core.rekey_status().await?)))
}

#[derive(Params)]
struct Cancel {
    /// Accepted; there is one operation at a time.
    nonce: String,
}

async fn cancel(system: Arc<System>, _: Context, cancel: Cancel) -> Result<Reply> {
    drop(cancel.nonce);
    system.core()?.cancel_rekey().await;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Update {
    /// One of the present key shares, hexadecimal or base64.
    #[param(secret)]
    key: Secret,
    /// Names the operation.
    nonce: String,
}

async fn update(system: Arc<System>, _: Context, update: Update) -> Result<Reply> {
    let text = update.key.expose();
    let bytes = hex::decode(text).ok().or_else(|| STANDARD.decode(text).ok()).map(Zeroizing::new);
    let bytes = bytes.filter(|bytes| !bytes.is_empty());
    let bytes = bytes.ok_or_else(|| Error::invalid("'key' must be a valid hex or base64 string"))?;
    let core = system.core()?;
    let Some(done) = core.update_rekey(&update.nonce, bytes).await? else {
        return Ok(Reply::bare(200, show(&core.rekey_status().await?)));
    };
    let hex: Vec<String> = done.shares.iter().map(hex::encode).collect();
    let base64: Vec<String> = done.shares.iter().map(|share| STANDARD.encode(share)).collect();
    Ok(Reply::bare(
        200,
        json!({
            "nonce": done.nonce,
            "complete": true,
            "keys": hex,
            "keys_base64": base64,
            "pgp_fingerprints": Value::Null,
            "backup": false,
            "verification_required": false,
        }),
    ))
}
