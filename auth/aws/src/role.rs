//! What a role is, as it is kept.
use crate::bounds::Bounds;
use lessor_engine::{Context, Error, Result, Secret, TokenRole};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// How one logs in by a role; never changes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthType {
    /// With a signed request.
    #[default]
    Iam,
    /// With an instance's identity document.
    Ec2,
}

impl AuthType {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Iam => "iam",
            Self::Ec2 => "ec2",
        }
    }
}

/// The only kind of entity that is inferred.
pub(crate) const EC2_INSTANCE: &str = "ec2_instance";

/// What is stored under `role/<name>`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    /// Names the role for good: another role of the same name has another.
    pub(crate) id: String,
    pub(crate) auth_type: AuthType,
    /// ARNs; a `*` at the end stands for any text.
    pub(crate) principals: Vec<String>,
    /// Ids of those that are no pattern, by ARN, as they were when the role was written.
    pub(crate) principal_ids: BTreeMap<String, String>,
    /// Principals are compared by their ids and not by their names.
    pub(crate) by_id: bool,
    #[serde(flatten)]
    pub(crate) bounds: Bounds,
    /// The region of the instances whose sessions are let in; `None` where principals need not be instances.
    pub(crate) inferred_region: Option<String>,
    /// Key of the tag that narrows what an instance may; empty where there is none.
    pub(crate) role_tag: String,
    /// Signs values of that tag.
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) tag_key: Secret,
    pub(crate) allow_instance_migration: bool,
    pub(crate) disallow_reauthentication: bool,
    pub(crate) token: TokenRole,
}

/// Where a role is stored.
pub(crate) fn key(name: &str) -> String {
    format!("role/{}", name.to_lowercase())
}

impl Role {
    /// The role of a login, which has to be of this type.
    pub(crate) async fn of_login(cx: &Context, name: &str, auth_type: AuthType) -> Result<Self> {
        let role: Option<Self> = cx.view.get(&key(name)).await?;
        let role = role.ok_or_else(|| Error::invalid(format!("entry for role {name} not found")))?;
        if !role.token.settings.admits(cx.connection.address) {
            return Err(Error::Forbidden("permission denied".to_owned()));
        }
        if role.auth_type == auth_type {
            return Ok(role);
        }
        Err(Error::invalid(format!("auth method {} not allowed for role {name}", auth_type.word())))
    }
    /// The role of a renewal, which has to be the one of the login.
    pub(crate) async fn of_renewal(cx: &Context, name: &str, id: &str) -> Result<Self> {
        let role: Option<Self> = cx.view.get(&key(name)).await?;
        let gone = || Error::invalid(format!("role {name} does not exist during renewal"));
        role.filter(|role| role.id == id).ok_or_else(gone)
    }
    /// Whether the parts make sense together.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |text: String| Err(Error::invalid(text));
        let (is_ec2, infers) = (self.auth_type == AuthType::Ec2, self.inferred_region.is_some());
        if is_ec2 && infers {
            return wrong("specified inferred_entity_type but didn't allow iam auth_type".to_owned());
        }
        if is_ec2 && !self.principals.is_empty() {
            return wrong("specified bound_iam_principal_arn but not specifying iam auth_type".to_owned());
        }
        for name in self.bounds.set() {
            match name {
                // Callers have an account, whatever they are.
                "bound_account_id" => {}
                "bound_region" if !is_ec2 => {
                    return wrong("specified bound_region but not specifying ec2 auth_type".to_owned());
                }
                name if !is_ec2 && !infers => {
                    return wrong(format!(
                        "specified {name} but not specifying ec2 auth_type or inferring {EC2_INSTANCE}"
                    ));
                }
                _ => {}
            }
        }
        if self.principals.is_empty() && self.bounds.set().next().is_none() {
            return wrong("at least one bound parameter should be specified on the role".to_owned());
        }
        if let Some(arn) = self.principals.iter().find(|arn| !arn.starts_with("arn:")) {
            return wrong(format!("bound_iam_principal_arn {arn:?} is no ARN"));
        }
        if self.allow_instance_migration && self.disallow_reauthentication {
            return wrong(
                "cannot specify both disallow_reauthentication=true and allow_instance_migration=true".to_owned(),
            );
        }
        // AWS's own limit of a tag's key.
        if self.role_tag.chars().count() > 127 {
            return wrong("length of role tag exceeds the EC2 key limit of 127 characters".to_owned());
        }
        Ok(())
    }
    /// As read back.
    pub(crate) fn show(&self) -> Map<String, Value> {
        let mut shown = self.token.show();
        shown.append(&mut self.bounds.show());
        let ids: Vec<&String> = self.principals.iter().filter_map(|arn| self.principal_ids.get(arn)).collect();
        let own = [
            ("auth_type", json!(self.auth_type.word())),
            ("role_id", json!(self.id)),
            ("bound_iam_principal_arn", json!(self.principals)),
            ("bound_iam_principal_id", json!(ids)),
            ("resolve_aws_unique_ids", json!(self.by_id)),
            ("inferred_entity_type", json!(self.inferred_region.as_ref().map_or("", |_| EC2_INSTANCE))),
            ("inferred_aws_region", json!(self.inferred_region.as_deref().unwrap_or_default())),
            ("role_tag", json!(self.role_tag)),
            ("allow_instance_migration", json!(self.allow_instance_migration)),
            ("disallow_reauthentication", json!(self.disallow_reauthentication)),
        ];
        shown.extend(own.map(|(name, value)| (name.to_owned(), value)));
        shown.sort_keys();
        shown
    }
}
