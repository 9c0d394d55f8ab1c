//! What a role wants, as it is stored.
use lessor_engine::{Changes, Context, Error, Result, TokenRole};
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who logs in by a role; never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Service accounts.
    #[default]
    Iam,
    /// Instances.
    Gce,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Gce => "gce",
        }
    }
}

/// What is stored under `role/<name>`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    /// Names the role for good: another role of the same name has another.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// Email addresses or unique ids; `*` alone is any.
    pub(crate) accounts: Vec<String>,
    pub(crate) projects: Vec<String>,
    pub(crate) group_aliases: bool,
    /// How far ahead the end of a token may lie that an account signed itself, in seconds.
    pub(crate) max_jwt_exp: u64,
    pub(crate) gce_inference: bool,
    pub(crate) zones: Vec<String>,
    pub(crate) regions: Vec<String>,
    pub(crate) instance_groups: Vec<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) token: TokenRole,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{}", name.to_lowercase())
}

/// In the form of a UUID.
fn id() -> String {
    let bytes: [u8; 16] = rand::rng().random();
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default().to_owned()).join("-")
}

/// Region of a zone: the name up to its last dash.
pub(crate) fn region(zone: &str) -> &str {
    zone.rsplit_once('-').map_or("", |(region, _)| region)
}

impl Role {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { id: id(), kind, max_jwt_exp: 900, gce_inference: true, ..Self::default() }
    }
    /// # Errors
    /// What contradicts itself, or lets everybody in.
    pub(crate) fn check(&self) -> Result<()> {
        let gce = [
            ("bound_zones", self.zones.is_empty()),
            ("bound_regions", self.regions.is_empty()),
            ("bound_instance_groups", self.instance_groups.is_empty()),
            ("bound_labels", self.labels.is_empty()),
        ];
        match self.kind {
            Kind::Iam => {
                if let Some((name, _)) = gce.iter().find(|(_, empty)| !empty) {
                    return Err(Error::invalid(format!("{name} is for roles of type gce")));
                }
                if self.accounts.is_empty() {
                    return Err(Error::invalid(
                        "IAM role type must have at least one service account in bound_service_accounts",
                    ));
                }
                if !(1..=3600).contains(&self.max_jwt_exp) {
                    return Err(Error::invalid("max_jwt_exp must be more than zero and at most one hour"));
                }
            }
            Kind::Gce => {
                let bound = gce.iter().any(|(_, empty)| !empty);
                if !bound && self.accounts.is_empty() && self.projects.is_empty() {
                    return Err(Error::invalid(
                        "GCE role type must have at least one bound: a project, service account, zone, region, \
                         instance group or label",
                    ));
                }
                if !self.instance_groups.is_empty() && self.zones.is_empty() && self.regions.is_empty() {
                    return Err(Error::invalid("bound_instance_groups need bound_zones or bound_regions"));
                }
            }
        }
        if self.accounts.len() > 1 && self.accounts.iter().any(|one| one == "*") {
            return Err(Error::invalid("bound_service_accounts: * stands alone"));
        }
        Ok(())
    }
    /// Whether the account is bound, by either name.
    pub(crate) fn admits_account(&self, email: &str, unique_id: &str) -> bool {
        self.accounts.iter().any(|one| one == "*" || one == email || one == unique_id)
    }
    pub(crate) fn admits_project(&self, project: &str) -> bool {
        self.projects.is_empty() || self.projects.iter().any(|one| one == project)
    }
    /// # Errors
    /// When there is none of that name.
    pub(crate) async fn load(cx: &Context, name: &str) -> Result<Self> {
        let role = cx.view.get(&key(name)).await?;
        role.ok_or_else(|| Error::invalid(format!("role {name:?} not found")))
    }
    /// Reads, changes and writes a role, again where another write came between.
    ///
    /// # Errors
    /// As the change.
    pub(crate) async fn change(cx: &Context, name: &str, change: impl Fn(Option<Self>) -> Result<Self>) -> Result<()> {
        let key = key(name);
        loop {
            let (old, version) = cx.view.get_versioned(&key).await?.map_or((None, None), |(r, v)| (Some(r), Some(v)));
            let changes = Changes::new().put(&key, &change(old)?)?.expect(&key, version);
            match cx.view.commit(changes).await {
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_lies_in_its_region() {
        assert_eq!(region("europe-west1-b"), "europe-west1");
        assert_eq!(region("nowhere"), "");
    }
}
