//! Whether an instance is one that a `gce` role lets in: it runs, is the very one that the token speaks of, and lies
//! within every bound.
use crate::google::{Account, Google, Instance};
use crate::proof::Place;
use crate::role::{Role, region};
use lessor_engine::{Error, Result};

fn no(why: impl Into<String>) -> Error {
    Error::invalid(why)
}

fn check_place(role: &Role, place: &Place) -> Result<()> {
    if !role.admits_project(&place.project_id) {
        return Err(no(format!("instance's project {:?} is not one of the role's projects", place.project_id)));
    }
    if !role.zones.is_empty() {
        let fits = role.zones.contains(&place.zone);
        return if fits { Ok(()) } else { Err(no(format!("instance zone {:?} is not one of the role's", place.zone))) };
    }
    if !role.regions.is_empty() && !role.regions.iter().any(|one| one == region(&place.zone)) {
        return Err(no(format!("instance zone {:?} is in none of the role's regions", place.zone)));
    }
    Ok(())
}

fn check_labels(role: &Role, instance: &Instance) -> Result<()> {
    let missing = role.labels.iter().find(|(key, value)| instance.labels.get(*key) != Some(*value));
    missing.map_or(Ok(()), |(key, value)| Err(no(format!("instance has no label {key:?} with value {value:?}"))))
}

async fn check_groups(google: &Google<'_>, role: &Role, place: &Place) -> Result<()> {
    if role.instance_groups.is_empty() {
        return Ok(());
    }
    let instance = (place.zone.as_str(), place.instance_name.as_str());
    for group in &role.instance_groups {
        for scope in [("zones", place.zone.as_str()), ("regions", region(&place.zone))] {
            if google.holds(&place.project_id, scope, group, instance).await? {
                return Ok(());
            }
        }
    }
    Err(no("instance is in none of the role's instance groups"))
}

/// # Errors
/// Which bound does not fit.
pub(crate) async fn admit(google: &Google<'_>, role: &Role, account: &Account, place: &Place) -> Result<()> {
    check_place(role, place)?;
    if !role.accounts.is_empty() && !role.admits_account(&account.email, &account.unique_id) {
        return Err(no(format!("service account {:?} is not authorized for the role", account.email)));
    }
    let found = google.instance(&place.project_id, &place.zone, &place.instance_name).await?;
    // Another instance of the same name has another id.
    let instance = found.filter(|instance| instance.id == place.instance_id && !instance.id.is_empty());
    let gone = || no(format!("instance {:?} does not exist", place.instance_name));
    let instance = instance.ok_or_else(gone)?;
    if instance.status != "RUNNING" {
        return Err(no(format!("instance {:?} is not running", place.instance_name)));
    }
    if !instance.service_accounts.iter().any(|one| one.email == account.email) {
        return Err(no("instance does not run as the service account of its token"));
    }
    check_labels(role, &instance)?;
    check_groups(google, role, place).await
}
