//! A root token for the holders of key shares: Vault's `sys/generate-root/*`, OpenBao's `sys/generate-root-token/*`
//! (the same with the answer in an envelope), `sys/decode-token`.
use super::System;
use crate::generate_root::{GenerateRootStatus, decode};
use crate::seal::read_share;
use lessor_engine::{Context, Params, Paths, Reply, Result, Secret};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>, open: bool) -> Paths<System> {
    let paths = family(paths, ["generate-root/attempt", "generate-root/update"], false, open);
    family(paths, ["generate-root-token/attempt", "generate-root-token/update"], true, false).path(
        "decode-token",
        "Reads a token that was hidden with a one-time password.",
        |path| path.write(decode_token).open(),
    )
}

fn family(paths: Paths<System>, [attempt, update]: [&'static str; 2], enveloped: bool, open: bool) -> Paths<System> {
    paths
        .path(attempt, "Begins, shows and cancels the generation of a root token.", |path| {
            let path = path
                .read(move |system, _, ()| status(system, enveloped))
                .write(move |system, _, asked| begin(system, asked, enveloped))
                .delete(cancel);
            if open { path.open() } else { path }
        })
        .path(update, "Takes one key share.", |path| {
            let path = path.write(move |system, _, share| take(system, share, enveloped));
            if open { path.open() } else { path }
        })
}

fn reply(status: &GenerateRootStatus, enveloped: bool) -> Reply {
    let encoded = status.encoded_token.as_ref().map_or("", Secret::expose);
    let mut shown = json!({
        "nonce": status.nonce,
        "started": !status.nonce.is_empty(),
        "progress": status.progress,
        "required": status.required,
        "complete": status.encoded_token.is_some(),
        "encoded_token": encoded,
        "encoded_root_token": encoded,
        "pgp_fingerprint": status.pgp_fingerprint,
        "otp": status.otp.as_ref().map_or("", Secret::expose),
        "otp_length": status.otp_length,
    });
    if !enveloped {
        return Reply::bare(200, shown);
    }
    if let Value::Object(shown) = &mut shown {
        shown.retain(|name, value| !matches!(name.as_str(), "encoded_token" | "encoded_root_token") || *value != "");
    }
    Reply::data(shown)
}

async fn status(system: Arc<System>, enveloped: bool) -> Result<Reply> {
    Ok(reply(&system.core()?.generate_root_status().await?, enveloped))
}

#[derive(Params)]
struct Begin {
    /// A one-time password of the token's length to hide the token with; the server makes one by itself.
    #[param(secret)]
    otp: Secret,
    /// A public OpenPGP key, base64, to encrypt the token with instead.
    pgp_key: String,
}

async fn begin(system: Arc<System>, begin: Begin, enveloped: bool) -> Result<Reply> {
    Ok(reply(&system.core()?.begin_generate_root(begin.otp, &begin.pgp_key).await?, enveloped))
}

async fn cancel(system: Arc<System>, _: Context, (): ()) -> Result<Reply> {
    system.core()?.cancel_generate_root().await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct OneShare {
    /// One key share, or recovery key share with an automatic seal; hexadecimal or base64.
    #[param(secret)]
    key: Secret,
    /// Names the operation.
    nonce: String,
}

async fn take(system: Arc<System>, share: OneShare, enveloped: bool) -> Result<Reply> {
    let share_bytes = read_share(share.key.expose())?;
    Ok(reply(&system.core()?.update_generate_root(&share.nonce, share_bytes).await?, enveloped))
}

#[derive(Params)]
struct Decode {
    /// The hidden token.
    #[param(secret)]
    encoded_token: Secret,
    /// The one-time password it was hidden with.
    #[param(secret)]
    otp: Secret,
}

async fn decode_token(_: Arc<System>, _: Context, hidden: Decode) -> Result<Reply> {
    let token = decode(&hidden.encoded_token, &hidden.otp)?;
    Ok(Reply::data(json!({ "token": token.expose() })))
}
