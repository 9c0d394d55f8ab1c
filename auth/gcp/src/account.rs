//! Whether a service account is one that an `iam` role lets in.
use crate::google::Account;
use crate::role::Role;
use lessor_engine::{Error, Result};

/// # Errors
/// Which bound does not fit.
pub(crate) fn admit(role: &Role, account: &Account, from_instance: bool) -> Result<()> {
    if from_instance && !role.gce_inference {
        return Err(Error::invalid("the role does not let instances log in as their service account"));
    }
    if !role.admits_account(&account.email, &account.unique_id) {
        let text = format!("service account {:?} is not authorized for the role", account.email);
        return Err(Error::invalid(text));
    }
    if !role.admits_project(&account.project_id) {
        let text = format!("service account {:?} is not in one of the role's projects", account.email);
        return Err(Error::invalid(text));
    }
    Ok(())
}
