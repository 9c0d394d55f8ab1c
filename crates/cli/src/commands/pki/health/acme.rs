//! Whether clients can fetch certificates by themselves.
use serde_json::Value;

use super::server::{Server, Told, texts};
use super::{Check, Finding, Findings, Status};

pub static ENABLED: Check = Check {
    name: "enable_acme_issuance",
    enabled: true,
    parameters: &[],
    judge: |server, _| Box::pin(enabled(server)),
};

pub static HEADERS: Check =
    Check { name: "allow_acme_headers", enabled: true, parameters: &[], judge: |server, _| Box::pin(headers(server)) };

/// Without these no client gets further than the directory (RFC 8555, 6.5.1 and 7.1).
const NEEDED: [&str; 3] = ["Replay-Nonce", "Link", "Location"];

fn on(told: &Told) -> bool {
    matches!(told, Told::Data(data) if data.get("enabled") == Some(&Value::Bool(true)))
}

async fn enabled(server: &mut Server<'_>) -> Findings {
    let endpoint = server.endpoint("config/acme");
    let told = server.read("config/acme").await?;
    let is_on = on(&told);
    if let Err(said) = told.data(&endpoint) {
        return Ok(said);
    }
    if !is_on {
        let all = match server.authorities().await? {
            Ok(all) => all,
            Err(said) => return Ok(said),
        };
        return Ok(vec![if all.iter().all(|(_, certificate)| certificate.is_self_signed()) {
            Finding::new(Status::NotApplicable, endpoint, "There are only roots here: nobody fetches from them.")
        } else {
            let text = "Enable ACME, and clients renew their certificates by themselves.";
            Finding::new(Status::Informational, endpoint, text)
        }]);
    }
    let endpoint = server.endpoint("config/cluster");
    let cluster = match server.read("config/cluster").await?.data(&endpoint) {
        Ok(cluster) => cluster,
        Err(said) => return Ok(said),
    };
    let path = cluster.get("path").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(vec![match server.directory_at(&path).await {
        Ok(()) => {
            Finding::new(Status::Ok, endpoint, "ACME is enabled, and its directory is where clients look for it.")
        }
        Err(why) => {
            Finding::new(Status::Warning, endpoint, format!("ACME is enabled, but its directory is not reached: {why}"))
        }
    }])
}

async fn headers(server: &mut Server<'_>) -> Findings {
    let endpoint = server.endpoint("config/acme");
    let told = server.read("config/acme").await?;
    let is_on = on(&told);
    if let Err(said) = told.data(&endpoint) {
        return Ok(said);
    }
    if !is_on {
        return Ok(vec![Finding::new(Status::NotApplicable, endpoint, "ACME is not enabled, so it needs no headers.")]);
    }
    let (endpoint, told) = server.tune().await?;
    let tuned = match told.data(&endpoint) {
        Ok(tuned) => tuned,
        Err(said) => return Ok(said),
    };
    let passing = texts(tuned.get("allowed_response_headers"));
    let passes = |needed: &&str| passing.iter().any(|name| name.eq_ignore_ascii_case(needed));
    Ok(vec![if NEEDED.iter().all(passes) {
        Finding::new(Status::Ok, endpoint, format!("The headers {} pass.", NEEDED.join(", ")))
    } else {
        let text = format!(
            "ACME does not work unless the headers {} pass: name them in allowed_response_headers.",
            NEEDED.join(", ")
        );
        Finding::new(Status::Warning, endpoint, text)
    }])
}
