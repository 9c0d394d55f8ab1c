//! The paths that answer without a token, sealed or not: health, seal status, initialisation, unsealing.
use crate::node::Core;
use crate::request::Request;
use crate::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{Fields, Operation, Params, Secret};
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The answer, if the path is one of these.
pub async fn answer(core: &Arc<Core>, request: &Request) -> Option<Response> {
    let write = matches!(request.operation, Operation::Update | Operation::Create);
    let read = request.operation == Operation::Read;
    let answer = match request.path.as_str() {
        "sys/health" if read => health(core, &request.fields).await,
        "sys/seal-status" if read => seal_status(core).await,
        "sys/init" if read => initialised(core).await,
        "sys/init" if write => initialise(core, request.fields.clone()).await,
        "sys/unseal" if write => unseal(core, request.fields.clone()).await,
        "sys/leader" if read => leader(core),
        "sys/health" | "sys/seal-status" | "sys/init" | "sys/unseal" | "sys/leader" => {
            Ok(Response::bare(405, json!({ "errors": [] })))
        }
        _ => return None,
    };
    Some(answer.unwrap_or_else(|error| Response::error(error.status(), error.to_string())))
}

type Answer = lessor_engine::Result<Response>;

#[derive(Params)]
struct Codes {
    /// Status of an unsealed node.
    #[param(default = "200")]
    activecode: i64,
    /// Status of a sealed node.
    #[param(default = "503")]
    sealedcode: i64,
    /// Status before initialisation.
    #[param(default = "501")]
    uninitcode: i64,
}

async fn health(core: &Core, fields: &Fields) -> Answer {
    let codes = Codes::parse(&mut fields.clone())?;
    let status = core.seal_status().await?;
    let initialized = status.config.is_some();
    let code = match (initialized, status.sealed) {
        (false, _) => codes.uninitcode,
        (true, true) => codes.sealedcode,
        (true, false) => codes.activecode,
    };
    let mode = if status.sealed { "unknown" } else { "disabled" };
    let mut body = json!({
        "initialized": initialized,
        "sealed": status.sealed,
        "standby": status.sealed,
        "performance_standby": false,
        "replication_performance_mode": mode,
        "replication_dr_mode": mode,
        "server_time_utc": core.clock().now().as_second(),
        "version": core.settings().version,
        "enterprise": false,
    });
    if !status.sealed {
        body["cluster_name"] = json!(core.settings().cluster_name);
    }
    Ok(Response::bare(u16::try_from(code).unwrap_or(400), body))
}

async fn seal_status(core: &Core) -> Answer {
    let status = core.seal_status().await?;
    let (shares, threshold) = status.config.as_ref().map_or((0, 0), |config| (config.shares, config.threshold));
    let recovery = core.seal_kind().word() != "shamir";
    let mut body = json!({
        "type": core.seal_kind().word(),
        "initialized": status.config.is_some(),
        "sealed": status.sealed,
        "t": threshold,
        "n": shares,
        "progress": status.progress,
        "nonce": status.nonce,
        "version": core.settings().version,
        "build_date": "",
        "migration": false,
        "recovery_seal": recovery,
        "storage_type": core.settings().storage_type,
        "removed_from_cluster": false,
    });
    if !status.sealed {
        body["cluster_name"] = json!(core.settings().cluster_name);
        body["progress"] = json!(0);
    }
    Ok(Response::bare(200, body))
}

async fn initialised(core: &Core) -> Answer {
    Ok(Response::bare(200, json!({ "initialized": core.seal_status().await?.config.is_some() })))
}

#[derive(Params)]
struct Init {
    /// How many key shares to make.
    secret_shares: i64,
    /// How many of them unseal.
    secret_threshold: i64,
    /// How many recovery key shares to make, with an automatic seal.
    recovery_shares: i64,
    /// How many of them are needed.
    recovery_threshold: i64,
    /// Keys to encrypt the shares with; not supported.
    pgp_keys: lessor_engine::CommaList,
    /// Key to encrypt the root token with; not supported.
    root_token_pgp_key: String,
}

async fn initialise(core: &Arc<Core>, mut fields: Fields) -> Answer {
    let init = Init::parse(&mut fields)?;
    if !init.pgp_keys.is_empty() || !init.root_token_pgp_key.is_empty() {
        return Err(lessor_engine::Error::invalid("pgp_keys: this version cannot encrypt key shares; leave it out"));
    }
    let shamir = core.seal_kind().word() == "shamir";
    if shamir && (init.recovery_shares > 0 || init.recovery_threshold > 0) {
        return Err(lessor_engine::Error::invalid(
            "parameters recovery_shares,recovery_threshold not applicable to seal type shamir",
        ));
    }
    let (shares, threshold) = match (shamir, init.recovery_shares, init.recovery_threshold) {
        (true, _, _) => (init.secret_shares, init.secret_threshold),
        (false, 0, 0) => (1, 1),
        (false, shares, threshold) => (shares, threshold),
    };
    let done = core.initialise(shares, threshold, None).await?;
    let hex: Vec<String> = done.shares.iter().map(hex::encode).collect();
    let base64: Vec<String> = done.shares.iter().map(|share| STANDARD.encode(share)).collect();
    let (keys, recovery) =
        if done.recovery { ((json!([]), json!([])), Some((hex, base64))) } else { ((json!(hex), json!(base64)), None) };
    let mut body = json!({ "keys": keys.0, "keys_base64": keys.1, "root_token": done.root_token.expose() });
    if let Some((hex, base64)) = recovery {
        body["recovery_keys"] = json!(hex);
        body["recovery_keys_base64"] = json!(base64);
    }
    Ok(Response::bare(200, body))
}

#[derive(Params)]
struct Unseal {
    /// One key share, hexadecimal or base64.
    #[param(secret)]
    key: Secret,
    /// Forgets the shares given so far.
    reset: bool,
    /// Seal migration; not supported.
    migrate: bool,
}

async fn unseal(core: &Arc<Core>, mut fields: Fields) -> Answer {
    let unseal = Unseal::parse(&mut fields)?;
    if unseal.migrate {
        return Err(lessor_engine::Error::invalid("migrate: this version cannot migrate a seal"));
    }
    if unseal.reset {
        core.reset_unseal().await;
        return seal_status(core).await;
    }
    if unseal.key.is_empty() {
        let text = "'key' must be specified in request body as JSON, or 'reset' set to true";
        return Err(lessor_engine::Error::invalid(text));
    }
    let text = unseal.key.expose();
    let bytes = hex::decode(text).ok().or_else(|| STANDARD.decode(text).ok()).map(Zeroizing::new);
    let bytes = bytes.ok_or_else(|| lessor_engine::Error::invalid("'key' must be a valid hex or base64 string"))?;
    core.unseal(bytes).await?;
    seal_status(core).await
}

fn leader(core: &Core) -> Answer {
    // Command lines know a sealed server by this text.
    if core.active().is_err() {
        return Ok(Response::error(503, "Vault is sealed"));
    }
    let body: Value = json!({
        "ha_enabled": false,
        "is_self": false,
        "active_time": "0001-01-01T00:00:00Z",
        "leader_address": "",
        "leader_cluster_address": "",
        "performance_standby": false,
        "performance_standby_last_remote_wal": 0,
    });
    Ok(Response::bare(200, body))
}
