//! New key shares: Vault's `sys/rekey/*` and `sys/rekey-recovery-key/*`, and OpenBao's `sys/rotate/root/*` and
//! `sys/rotate/recovery/*`, which are the same with the answer in an envelope. All need a token, unless the
//! configuration opens the first two.
use super::System;
use crate::hand_out::backup_answer;
use crate::rekey::{RekeyStatus, Rekeyed, Target, VerifyStatus, Wanted};
use crate::seal::read_share;
use lessor_engine::{Context, Params, Paths, Reply, Result, Secret, StringList};
use serde_json::{Value, json};
use std::sync::Arc;

/// One family of paths.
#[derive(Clone, Copy)]
struct Family {
    target: Target,
    /// Whether answers have an envelope.
    enveloped: bool,
    /// Whether everybody is let in.
    open: bool,
}

pub(super) fn declare(paths: Paths<System>, open: bool) -> Paths<System> {
    let (barrier, recovery) = (Target::Barrier, Target::Recovery);
    let bare = |target| Family { target, enveloped: false, open };
    let enveloped = |target| Family { target, enveloped: true, open: false };
    let paths = keep(paths, "rekey/backup", barrier);
    let paths = keep(paths, "rekey/recovery-key-backup", recovery);
    let paths = keep(paths, "rotate/root/backup", barrier);
    let paths = keep(paths, "rotate/recovery/backup", recovery);
    let paths = family(paths, ["rekey/init", "rekey/update", "rekey/verify"], bare(barrier));
    let of_recovery = ["rekey-recovery-key/init", "rekey-recovery-key/update", "rekey-recovery-key/verify"];
    let paths = family(paths, of_recovery, bare(recovery));
    let paths = family(paths, ["rotate/root/init", "rotate/root/update", "rotate/root/verify"], enveloped(barrier));
    let of_recovery = ["rotate/recovery/init", "rotate/recovery/update", "rotate/recovery/verify"];
    family(paths, of_recovery, enveloped(recovery)).path(
        "rotate/root",
        "Replaces the root key; nobody's shares change.",
        |path| path.write(rotate_root).sudo(),
    )
}

fn family(paths: Paths<System>, [init, update, verify]: [&'static str; 3], of: Family) -> Paths<System> {
    paths
        .path(init, "Begins, shows and cancels a rekey.", |path| {
            let path = path
                .read(move |system, _, ()| status(system, of))
                .write(move |system, _, wanted| begin(system, wanted, of))
                .delete(move |system, cx, cancelled| cancel(system, cx, cancelled, of));
            if of.open { path.open() } else { path }
        })
        .path(update, "Takes one of the present key shares.", |path| {
            let path = path.write(move |system, _, share| take(system, share, of));
            if of.open { path.open() } else { path }
        })
        .path(verify, "Takes one of the new key shares, shows and begins anew the verification.", |path| {
            let path = path
                .read(move |system, _, ()| verify_status(system, of))
                .write(move |system, _, share| take_new(system, share, of))
                .delete(move |system, _, nonce| verify_anew(system, nonce, of));
            if of.open { path.open() } else { path }
        })
}

fn keep(paths: Paths<System>, pattern: &'static str, target: Target) -> Paths<System> {
    paths.path(pattern, "Shows and deletes the encrypted shares of the last rekey.", |path| {
        path.read(move |system: Arc<System>, _, ()| backup(system, target))
            .delete(move |system: Arc<System>, _, ()| delete_backup(system, target))
    })
}

impl Family {
    fn reply(self, body: Value) -> Reply {
        if self.enveloped { Reply::data(body) } else { Reply::bare(200, body) }
    }
    fn show(self, status: &RekeyStatus) -> Value {
        let required = status.required;
        let Some(started) = &status.started else {
            let mut idle = json!({ "started": false, "t": 0, "n": 0, "required": required });
            if !self.enveloped {
                idle["nonce"] = json!("");
                idle["progress"] = json!(0);
                idle["pgp_fingerprints"] = Value::Null;
                idle["backup"] = json!(false);
                idle["verification_required"] = json!(false);
            }
            return idle;
        };
        let mut shown = json!({
            "nonce": started.nonce,
            "started": true,
            "t": started.threshold,
            "n": started.shares,
            "progress": started.progress,
            "required": required,
            "pgp_fingerprints": started.fingerprints,
            "backup": started.backup,
            "verification_required": started.verification,
        });
        if let Some(nonce) = &started.verification_nonce {
            shown["verification_nonce"] = json!(nonce);
        }
        shown
    }
}

async fn status(system: Arc<System>, of: Family) -> Result<Reply> {
    Ok(of.reply(of.show(&system.core()?.rekey_status(of.target).await?)))
}

#[derive(Params)]
struct Begin {
    /// How many key shares to make.
    secret_shares: i64,
    /// How many of them are needed.
    secret_threshold: i64,
    /// One public OpenPGP key per share, base64: each share is encrypted with one.
    pgp_keys: StringList,
    /// Keeps the encrypted shares for `rekey/backup`.
    backup: bool,
    /// The new shares count only once they were shown.
    require_verification: bool,
}

async fn begin(system: Arc<System>, begin: Begin, of: Family) -> Result<Reply> {
    let core = system.core()?;
    let wanted = Wanted {
        shares: begin.secret_shares,
        threshold: begin.secret_threshold,
        pgp_keys: begin.pgp_keys.to_vec(),
        backup: begin.backup,
        verification: begin.require_verification,
    };
    core.begin_rekey(of.target, wanted).await?;
    status(system, of).await
}

#[derive(Params)]
struct Cancel {
    /// Names the operation.
    nonce: String,
}

async fn cancel(system: Arc<System>, cx: Context, cancel: Cancel, of: Family) -> Result<Reply> {
    let known = !cx.caller.token.is_empty();
    system.core()?.cancel_rekey(of.target, &cancel.nonce, known).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct OneShare {
    /// One key share, hexadecimal or base64.
    #[param(secret)]
    key: Secret,
    /// Names the operation.
    nonce: String,
}

async fn take(system: Arc<System>, share: OneShare, of: Family) -> Result<Reply> {
    let core = system.core()?;
    match core.update_rekey(of.target, &share.nonce, read_share(share.key.expose())?).await? {
        Some(done) => Ok(of.reply(show_done(&done))),
        None => status(system, of).await,
    }
}

fn show_done(done: &Rekeyed) -> Value {
    let mut shown = json!({
        "nonce": done.nonce,
        "complete": true,
        "keys": done.shares.hex(),
        "keys_base64": done.shares.base64(),
        "pgp_fingerprints": done.shares.fingerprints(),
        "backup": done.backup,
        "verification_required": done.verification_nonce.is_some(),
    });
    if let Some(nonce) = &done.verification_nonce {
        shown["verification_nonce"] = json!(nonce);
    }
    shown
}

fn show_verify(status: &VerifyStatus) -> Value {
    json!({
        "nonce": status.nonce,
        "started": true,
        "t": status.threshold,
        "n": status.shares,
        "progress": status.progress,
    })
}

async fn verify_status(system: Arc<System>, of: Family) -> Result<Reply> {
    Ok(of.reply(show_verify(&system.core()?.verify_status(of.target).await?)))
}

async fn verify_anew(system: Arc<System>, _: Cancel, of: Family) -> Result<Reply> {
    Ok(of.reply(show_verify(&system.core()?.restart_verify(of.target).await?)))
}

async fn take_new(system: Arc<System>, share: OneShare, of: Family) -> Result<Reply> {
    let core = system.core()?;
    match core.update_verify(of.target, &share.nonce, read_share(share.key.expose())?).await? {
        Some(nonce) => Ok(of.reply(json!({ "nonce": nonce, "complete": true }))),
        None => verify_status(system, of).await,
    }
}

async fn backup(system: Arc<System>, target: Target) -> Result<Reply> {
    Ok(Reply::data(backup_answer(&system.core()?.rekey_backup(target).await?)))
}

async fn delete_backup(system: Arc<System>, target: Target) -> Result<Reply> {
    system.core()?.delete_rekey_backup(target).await?;
    Ok(Reply::empty())
}

async fn rotate_root(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    system.core()?.rotate_root_key().await?;
    Ok(Reply::empty())
}
