//! How long authorities and their lists are valid, and where root keys lie.
use jiff::Timestamp;
use serde_json::Value;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::config::{Settings, Usual, parameter};
use super::server::{Server, Told};
use super::{Check, Finding, Findings, Status};

pub static VALIDITY: Check = Check {
    name: "ca_validity_period",
    enabled: true,
    parameters: &[
        parameter("root_expiry_critical", Usual::Duration("180d")),
        parameter("intermediate_expiry_critical", Usual::Duration("30d")),
        parameter("root_expiry_warning", Usual::Duration("365d")),
        parameter("intermediate_expiry_warning", Usual::Duration("60d")),
        parameter("root_expiry_informational", Usual::Duration("730d")),
        parameter("intermediate_expiry_informational", Usual::Duration("180d")),
    ],
    judge: |server, settings| Box::pin(validity(server, settings)),
};

pub static LISTS: Check = Check {
    name: "crl_validity_period",
    enabled: true,
    parameters: &[
        parameter("crl_expiry_pct_critical", Usual::Percent("95")),
        parameter("delta_crl_expiry_pct_critical", Usual::Percent("95")),
    ],
    judge: |server, settings| Box::pin(lists(server, settings)),
};

pub static HARDWARE: Check = Check {
    name: "hardware_backed_root",
    enabled: false,
    parameters: &[],
    judge: |server, _| Box::pin(hardware(server)),
};

fn day(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|time| time.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

async fn validity(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let all = match server.authorities().await? {
        Ok(all) => all,
        Err(said) => return Ok(said),
    };
    let judged = all.into_iter().map(|(id, certificate)| {
        let kind = if certificate.is_self_signed() { "root" } else { "intermediate" };
        let end = certificate.not_after();
        let steps =
            [(Status::Critical, "critical"), (Status::Warning, "warning"), (Status::Informational, "informational")];
        let within = |step: &str| {
            let window = settings.duration(&format!("{kind}_expiry_{step}"));
            end < now().saturating_add_unsigned(window.as_secs())
        };
        let endpoint = server.endpoint(&format!("issuer/{id}"));
        match steps.into_iter().find(|(_, step)| within(step)) {
            Some((status, _)) => {
                let text = format!(
                    "The {kind} ends on {}: begin to replace it, so that nothing it signed outlives it.",
                    day(end)
                );
                Finding::new(status, endpoint, text)
            }
            None => Finding::new(Status::Ok, endpoint, format!("The {kind} is valid until {}.", day(end))),
        }
    });
    Ok(judged.collect())
}

/// Beginning and end of a list in PEM, in seconds.
fn period(pem: &str) -> Option<(i64, i64)> {
    let (_, pem) = parse_x509_pem(pem.as_bytes()).ok()?;
    let (_, list) = CertificateRevocationList::from_der(&pem.contents).ok()?;
    Some((list.last_update().timestamp(), list.next_update()?.timestamp()))
}

async fn lists(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let ids = match server.issuers().await? {
        Ok(ids) => ids,
        Err(said) => return Ok(said),
    };
    let mut said = Vec::new();
    let disabled = match server.read("config/crl").await? {
        Told::Data(data) => data.get("disable").and_then(Value::as_bool).unwrap_or_default(),
        Told::Forbidden => {
            said.push(Finding::forbidden(server.endpoint("config/crl")));
            false
        }
        _ => false,
    };
    let (mut judged, mut deltas, mut unknown) = (Vec::new(), Vec::new(), false);
    for id in &ids {
        for (path, parameter, into) in [
            (format!("issuer/{id}/crl"), "crl_expiry_pct_critical", &mut judged),
            (format!("issuer/{id}/crl/delta"), "delta_crl_expiry_pct_critical", &mut deltas),
        ] {
            let endpoint = server.endpoint(&path);
            match server.read(&path).await? {
                Told::Data(data) => {
                    let period = data.get("crl").and_then(Value::as_str).and_then(period);
                    into.extend(
                        period.map(|period| judge_list(endpoint, period, settings.number(parameter), disabled)),
                    );
                }
                Told::Unknown => unknown = true,
                _ => {}
            }
        }
    }
    if unknown && deltas.is_empty() {
        said.push(Finding::unknown(server.endpoint("issuer/*/crl/delta")));
    }
    said.extend(judged);
    said.extend(deltas);
    Ok(said)
}

fn judge_list(endpoint: String, (from, until): (i64, i64), percent: i64, disabled: bool) -> Finding {
    let late = from + (until - from).saturating_mul(percent) / 100;
    if now() < late {
        let text = format!("The list is valid from {} to {}.", day(from), day(until));
        return Finding::new(Status::Ok, endpoint, text);
    }
    let text = format!("Of the list's time to {} more than {percent}% is over: rebuild and publish it.", day(until));
    // Nobody relies on a list that is switched off.
    let status = if disabled { Status::Informational } else { Status::Critical };
    Finding::new(status, endpoint, text)
}

async fn hardware(server: &mut Server<'_>) -> Findings {
    let ids = match server.issuers().await? {
        Ok(ids) => ids,
        Err(said) => return Ok(said),
    };
    let mut said = Vec::new();
    for id in ids {
        let path = format!("issuer/{id}");
        let endpoint = server.endpoint(&path);
        let entry = match server.read(&path).await?.data(&endpoint) {
            Ok(entry) => entry,
            Err(why) => {
                said.extend(why);
                continue;
            }
        };
        let is_root = server.certificate(&path).await?.is_some_and(|certificate| certificate.is_self_signed());
        let Some(key) = entry.get("key_id").and_then(Value::as_str).filter(|key| is_root && !key.is_empty()) else {
            continue;
        };
        let key_path = format!("key/{key}");
        let key_endpoint = server.endpoint(&key_path);
        match server.read(&key_path).await?.data(&key_endpoint) {
            Ok(key) if key.get("managed_key_id").is_some_and(Value::is_string) => {
                said.push(Finding::new(Status::Ok, endpoint, "The root's key lies outside of the server's storage."));
            }
            Ok(_) => said.push(Finding::new(
                Status::Informational,
                endpoint,
                "The root's key lies in the server's storage: for a root of long life, think about a hardware module.",
            )),
            Err(why) => said.extend(why),
        }
    }
    Ok(said)
}
