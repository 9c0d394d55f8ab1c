//! What a mount has issued.
use super::config::{Settings, Usual, parameter};
use super::server::{Server, Told, texts};
use super::{Check, Finding, Findings, Status};

pub static OF_ROOTS: Check = Check {
    name: "root_issued_leaves",
    enabled: true,
    parameters: &[parameter("certs_to_fetch", Usual::Number { usual: 100, most: 100_000 })],
    judge: |server, settings| Box::pin(of_roots(server, settings)),
};

pub static COUNT: Check = Check {
    name: "too_many_certs",
    enabled: true,
    parameters: &[
        parameter("count_critical", Usual::Number { usual: 250_000, most: 15_000_000 }),
        parameter("count_warning", Usual::Number { usual: 50_000, most: 15_000_000 }),
    ],
    judge: |server, settings| Box::pin(count(server, settings)),
};

async fn of_roots(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let all = match server.authorities().await? {
        Ok(all) => all,
        Err(said) => return Ok(said),
    };
    let endpoint = server.endpoint("certs");
    let serials = match server.list("certs").await? {
        Told::Data(data) => texts(data.get("keys")),
        Told::Nothing => Vec::new(),
        Told::Unknown => return Ok(vec![Finding::unknown(endpoint)]),
        // Said of each issuer that cannot be judged.
        Told::Forbidden => return Ok(all.iter().map(|_| Finding::forbidden(endpoint.clone())).collect()),
    };
    let mut roots: Vec<_> = all.into_iter().filter(|(_, certificate)| certificate.is_self_signed()).collect();
    let (had, mut said, mut left) = (!roots.is_empty(), Vec::new(), settings.number("certs_to_fetch"));
    for serial in serials {
        if left == 0 || roots.is_empty() {
            break;
        }
        let Some(leaf) = server.certificate(&format!("cert/{serial}")).await? else { continue };
        if leaf.is_ca() {
            continue;
        }
        left -= 1;
        if let Some(at) = roots.iter().position(|(_, root)| leaf.is_issued_by(root)) {
            let (id, _) = roots.swap_remove(at);
            let text = format!(
                "The root itself has issued certificates of hosts or users, such as {serial}: let an intermediate do that, it is easier to replace."
            );
            said.push(Finding::new(Status::Warning, server.endpoint(&format!("issuer/{id}")), text));
        }
    }
    if said.is_empty() && had {
        said.push(Finding::new(Status::Ok, endpoint, "No root here has issued certificates of hosts or users itself."));
    }
    Ok(said)
}

async fn count(server: &mut Server<'_>, settings: &Settings) -> Findings {
    let endpoint = server.endpoint("certs");
    let stored = match server.list("certs").await? {
        Told::Nothing => 0,
        told => match told.data(&endpoint) {
            Ok(data) => i64::try_from(texts(data.get("keys")).len()).unwrap_or(i64::MAX),
            Err(said) => return Ok(said),
        },
    };
    let status = match stored {
        many if many >= settings.number("count_critical") => Status::Critical,
        many if many >= settings.number("count_warning") => Status::Warning,
        _ => Status::Ok,
    };
    let text = match status {
        Status::Ok => format!("{stored} certificates are stored."),
        _ => format!("{stored} certificates are stored: let them live shorter, tidy, or do not store them (no_store)."),
    };
    Ok(vec![Finding::new(status, endpoint, text)])
}
