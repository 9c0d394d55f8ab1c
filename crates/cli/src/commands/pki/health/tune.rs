//! How the mount is tuned: what audit logs show, and which headers pass.
use super::config::{Settings, Usual, parameter};
use super::server::{Server, texts};
use super::{Check, Finding, Findings, Status};

pub static AUDIT: Check = Check {
    name: "audit_visibility",
    enabled: true,
    parameters: &[parameter("ignored_parameters", Usual::Names)],
    judge: |server, settings| Box::pin(audit(server, settings)),
};

pub static MODIFIED_SINCE: Check = Check {
    name: "allow_if_modified_since",
    enabled: true,
    parameters: &[],
    judge: |server, _| Box::pin(modified_since(server)),
};

const REQUEST: &str = "audit_non_hmac_request_keys";
const RESPONSE: &str = "audit_non_hmac_response_keys";

/// What an auditor wants to read and may.
const OPEN_REQUEST: [&str; 25] = [
    "csr",
    "certificate",
    "issuer_ref",
    "common_name",
    "alt_names",
    "other_sans",
    "ip_sans",
    "uri_sans",
    "ttl",
    "not_after",
    "serial_number",
    "key_type",
    "private_key_format",
    "managed_key_name",
    "managed_key_id",
    "ou",
    "organization",
    "country",
    "locality",
    "province",
    "street_address",
    "postal_code",
    "permitted_dns_domains",
    "policy_identifiers",
    "ext_key_usage_oids",
];
const OPEN_RESPONSE: [&str; 5] = ["certificate", "issuing_ca", "serial_number", "error", "ca_chain"];

/// What nobody may.
const SECRET: [&str; 2] = ["private_key", "pem_bundle"];

async fn audit(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let (endpoint, told) = server.tune().await?;
    let tuned = match told.data(&endpoint) {
        Ok(tuned) => tuned,
        Err(said) => return Ok(said),
    };
    let mut said = Vec::new();
    let ignored = |name: &str| settings.names("ignored_parameters").iter().any(|ignored| ignored == name);
    for (source, open) in [(REQUEST, &OPEN_REQUEST[..]), (RESPONSE, &OPEN_RESPONSE[..])] {
        let shown = texts(tuned.get(source));
        let missing = open.iter().filter(|name| !shown.iter().any(|shown| shown == *name) && !ignored(name));
        said.extend(missing.map(|name| {
            let text =
                format!("Audit logs hide {name}, which is no secret: name it in {source}, so that they can be read.");
            Finding::new(Status::Informational, endpoint.clone(), text)
        }));
    }
    for source in [REQUEST, RESPONSE] {
        let shown = texts(tuned.get(source));
        let secret = SECRET.iter().filter(|name| shown.iter().any(|shown| shown == *name) && !ignored(name));
        said.extend(secret.map(|name| {
            let text = format!("Audit logs show {name}, which is a secret: take it out of {source}.");
            Finding::new(Status::Warning, endpoint.clone(), text)
        }));
    }
    if said.is_empty() {
        said.push(Finding::new(Status::Ok, endpoint, "Audit logs show what they should, and no secrets."));
    }
    Ok(said)
}

async fn modified_since(server: &mut Server<'_>) -> Findings {
    let (endpoint, told) = server.tune().await?;
    let tuned = match told.data(&endpoint) {
        Ok(tuned) => tuned,
        Err(said) => return Ok(said),
    };
    let has = |field: &str, header: &str| texts(tuned.get(field)).iter().any(|name| name.eq_ignore_ascii_case(header));
    let both =
        has("passthrough_request_headers", "If-Modified-Since") && has("allowed_response_headers", "Last-Modified");
    Ok(vec![if both {
        Finding::new(Status::Ok, endpoint, "If-Modified-Since and Last-Modified pass.")
    } else {
        let text = "Clients fetch unchanged certificates and lists again and again: let If-Modified-Since (passthrough_request_headers) and Last-Modified (allowed_response_headers) pass.";
        Finding::new(Status::Informational, endpoint, text)
    }])
}
