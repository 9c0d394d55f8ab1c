//! The paths that answer without a token, sealed or not: health, seal status, initialisation, unsealing.
use crate::init::InitRequest;
use crate::node::Core;
use crate::request::Request;
use crate::response::Response;
use crate::seal::read_share;
use lessor_engine::{Fields, Operation, Params, Secret, StringList};
use serde_json::{Value, json};
use std::sync::Arc;

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
        "sys/seal" | "sys/step-down" if write || request.help => return None,
        "sys/health" | "sys/seal-status" | "sys/init" | "sys/unseal" | "sys/leader" | "sys/seal" | "sys/step-down" => {
            Ok(Response::bare(405, json!({ "errors": [] })))
        }
        _ => return None,
    };
    Some(answer.unwrap_or_else(|error| Response::error(error.status(), error.to_string())))
}

type Answer = lessor_engine::Result<Response>;

#[derive(Params)]
#[expect(dead_code, reason = "what is said of nodes that do not exist is only checked")]
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
    /// Checked, without effect: no node is a standby.
    standbycode: i64,
    /// Checked, without effect: no node is a standby.
    standbyok: bool,
    /// Checked, without effect: no node is a standby.
    performancestandbycode: i64,
    /// Checked, without effect: no node is a standby.
    perfstandbyok: bool,
    /// Checked, without effect: there is no second data centre.
    drsecondarycode: i64,
    /// Checked, without effect: no node is a standby.
    haunhealthycode: i64,
    /// Checked, without effect: no node is removed.
    removedcode: i64,
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
    if let Ok(active) = core.active() {
        body["cluster_name"] = json!(core.settings().cluster_name);
        body["cluster_id"] = json!(active.cluster_id);
    }
    Ok(Response::bare(u16::try_from(code).unwrap_or(400), body))
}

async fn seal_status(core: &Core) -> Answer {
    let status = core.seal_status().await?;
    let (shares, threshold) = status.config.as_ref().map_or((0, 0), |config| config.holders.numbers());
    let kind = core.seal_kind().word();
    let recovery = kind != "shamir";
    let mut body = json!({
        "type": kind,
        "initialized": status.config.is_some(),
        "sealed": status.sealed,
        "t": threshold,
        "n": shares,
        "progress": status.progress,
        "nonce": status.nonce,
        "version": core.settings().version,
        "build_date": "",
        "migration": status.migration,
        "recovery_seal": recovery,
        "storage_type": core.settings().storage_type,
        "removed_from_cluster": false,
    });
    if recovery {
        // The kind of the recovery key, which people hold in shares.
        body["recovery_seal_type"] = json!("shamir");
    }
    if let Ok(active) = core.active() {
        body["cluster_name"] = json!(core.settings().cluster_name);
        body["cluster_id"] = json!(active.cluster_id);
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
    /// One public OpenPGP key per key share, base64: each share is encrypted with one.
    pgp_keys: StringList,
    /// The same for recovery key shares.
    recovery_pgp_keys: StringList,
    /// A public OpenPGP key, base64, to encrypt the root token with.
    root_token_pgp_key: String,
}

async fn initialise(core: &Arc<Core>, mut fields: Fields) -> Answer {
    let done = core.initialise(init_request(core, Init::parse(&mut fields)?)?).await?;
    let (hex, base64) = (json!(done.shares.hex()), json!(done.shares.base64()));
    let root_token = done.root_token.expose();
    let body = if done.recovery {
        json!({
            "keys": [],
            "keys_base64": [],
            "recovery_keys": hex,
            "recovery_keys_base64": base64,
            "root_token": root_token,
        })
    } else {
        json!({ "keys": hex, "keys_base64": base64, "root_token": root_token })
    };
    Ok(Response::bare(200, body))
}

/// The parameters that count for the seal: those of key shares, or those of recovery key shares.
fn init_request(core: &Core, init: Init) -> lessor_engine::Result<InitRequest> {
    let shamir = core.seal_kind().word() == "shamir";
    let recovery = [
        ("recovery_shares", init.recovery_shares != 0),
        ("recovery_threshold", init.recovery_threshold != 0),
        ("recovery_pgp_keys", !init.recovery_pgp_keys.is_empty()),
    ];
    let own = [
        ("secret_shares", init.secret_shares > 1),
        ("secret_threshold", init.secret_threshold > 1),
        ("pgp_keys", !init.pgp_keys.is_empty()),
    ];
    let foreign = if shamir { recovery } else { own };
    let named: Vec<&str> = foreign.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect();
    if !named.is_empty() {
        let (names, kind) = (named.join(","), core.seal_kind().word());
        return Err(lessor_engine::Error::invalid(format!("parameters {names} not applicable to seal type {kind}")));
    }
    let (shares, threshold, pgp_keys) = match (shamir, init.recovery_shares, init.recovery_threshold) {
        (true, ..) => (init.secret_shares, init.secret_threshold, init.pgp_keys),
        (false, 0, 0) => (1, 1, init.recovery_pgp_keys),
        (false, shares, threshold) => (shares, threshold, init.recovery_pgp_keys),
    };
    Ok(InitRequest {
        shares,
        threshold,
        pgp_keys: pgp_keys.to_vec(),
        root_token_pgp_key: init.root_token_pgp_key,
        root_token: None,
    })
}

#[derive(Params)]
struct Unseal {
    /// One key share, hexadecimal or base64.
    #[param(secret)]
    key: Secret,
    /// Forgets the shares given so far.
    reset: bool,
    /// Moves the storage to the seal of the configuration.
    migrate: bool,
}

async fn unseal(core: &Arc<Core>, mut fields: Fields) -> Answer {
    let unseal = Unseal::parse(&mut fields)?;
    if unseal.reset {
        core.reset_unseal().await;
        return seal_status(core).await;
    }
    if unseal.key.is_empty() {
        let text = "'key' must be specified in request body as JSON, or 'reset' set to true";
        return Err(lessor_engine::Error::invalid(text));
    }
    core.unseal(read_share(unseal.key.expose())?, unseal.migrate).await?;
    seal_status(core).await
}

fn leader(core: &Core) -> Answer {
    // Command lines know a sealed server by this text.
    let Ok(active) = core.active() else { return Ok(Response::error(503, "Vault is sealed")) };
    // Every node of a cluster is active: each says of itself what clients and load balancers expect of that one.
    let shared = active.cluster.is_shared();
    let address = if shared { active.settings.api_addr.as_str() } else { "" };
    let joined = active.cluster.members().first().filter(|_| shared).map(|me| me.joined.to_string());
    let body: Value = json!({
        "ha_enabled": shared,
        "is_self": shared,
        "active_time": joined.unwrap_or_else(|| "0001-01-01T00:00:00Z".to_owned()),
        "leader_address": address,
        "leader_cluster_address": address,
        "performance_standby": false,
        "performance_standby_last_remote_wal": 0,
    });
    Ok(Response::bare(200, body))
}
