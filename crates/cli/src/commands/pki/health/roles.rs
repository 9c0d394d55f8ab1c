//! What roles let through that perhaps nobody meant.
use serde_json::{Map, Value};

use super::config::{Settings, Usual, parameter};
use super::server::{Server, Told, texts};
use super::{Check, Finding, Findings, Status};
use crate::failure::Failure;

pub static LOCALHOST: Check = Check {
    name: "role_allows_localhost",
    enabled: true,
    parameters: &[],
    judge: |server, _| {
        Box::pin(each(server, localhost, "No role of domains of its own lets localhost through as well."))
    },
};

pub static GLOBS: Check = Check {
    name: "role_allows_glob_wildcards",
    enabled: true,
    parameters: &[],
    judge: |server, _| Box::pin(each(server, globs, "No role takes both patterns and wildcards.")),
};

pub static STORED: Check = Check {
    name: "role_no_store_false",
    enabled: true,
    parameters: &[parameter("allowed_roles", Usual::Names)],
    judge: |server, settings| Box::pin(stored(server, settings)),
};

type Role = Map<String, Value>;

fn is(role: &Role, field: &str) -> bool {
    role.get(field).and_then(Value::as_bool).unwrap_or_default()
}

fn localhost(role: &Role) -> Option<(Status, String)> {
    let domains = texts(role.get("allowed_domains"));
    (is(role, "allow_localhost") && !domains.is_empty()).then(|| {
        let text = format!(
            "The role is for {domains:?} but lets localhost through as well: set allow_localhost=false, or name localhost among the domains if it is meant."
        );
        (Status::Warning, text)
    })
}

fn globs(role: &Role) -> Option<(Status, String)> {
    let domains = texts(role.get("allowed_domains"));
    let both = is(role, "allow_wildcard_certificates") && is(role, "allow_glob_domains");
    (both && domains.iter().any(|domain| domain.contains('*'))).then(|| {
        let text = format!(
            "The patterns in {domains:?} match wildcard names too, so that one certificate may stand for more than was meant: set allow_wildcard_certificates=false, or make two roles."
        );
        (Status::Warning, text)
    })
}

/// All roles by name, and what is to be said of those that cannot be read.
async fn all(server: &mut Server<'_>) -> Result<(Vec<(String, Role)>, Vec<Finding>), Failure> {
    let endpoint = server.endpoint("roles");
    let names = match server.list("roles").await?.data(&endpoint) {
        Ok(data) => texts(data.get("keys")),
        Err(said) => return Ok((Vec::new(), said)),
    };
    let (mut roles, mut said) = (Vec::new(), Vec::new());
    for name in names {
        let path = format!("roles/{name}");
        match server.read(&path).await? {
            Told::Nothing => {}
            told => match told.data(&server.endpoint(&path)) {
                Ok(role) => roles.push((name, role)),
                Err(why) => said.extend(why),
            },
        }
    }
    Ok((roles, said))
}

async fn each(server: &mut Server<'_>, judge: fn(&Role) -> Option<(Status, String)>, fine: &str) -> Findings {
    let (roles, mut said) = all(server).await?;
    for (name, role) in &roles {
        if let Some((status, text)) = judge(role) {
            said.push(Finding::new(status, server.endpoint(&format!("roles/{name}")), text));
        }
    }
    if said.is_empty() && !roles.is_empty() {
        said.push(Finding::new(Status::Ok, server.endpoint("roles"), fine));
    }
    Ok(said)
}

async fn stored(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let (roles, mut said) = all(server).await?;
    if roles.is_empty() {
        return Ok(said);
    }
    let rebuilt = match server.read("config/crl").await? {
        Told::Data(data) => is(&data, "auto_rebuild"),
        Told::Forbidden => {
            said.push(Finding::forbidden(server.endpoint("config/crl")));
            false
        }
        _ => false,
    };
    let (status, text) = if rebuilt {
        (
            Status::Informational,
            "The role stores every certificate: where there are many, let them live shorter or set no_store.",
        )
    } else {
        (
            Status::Warning,
            "The role stores every certificate, and each revocation builds the list anew: set auto_rebuild at config/crl, let certificates live shorter, or set no_store.",
        )
    };
    let allowed = settings.names("allowed_roles");
    for (name, _) in roles.iter().filter(|(name, role)| !is(role, "no_store") && !allowed.contains(name)) {
        said.push(Finding::new(status, server.endpoint(&format!("roles/{name}")), text));
    }
    if said.is_empty() {
        said.push(Finding::new(Status::Ok, server.endpoint("roles"), "No role stores certificates that it need not."));
    }
    Ok(said)
}
