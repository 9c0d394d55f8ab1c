//! Questions to IAM (API version 2010-05-08).
use super::error::{Answer, failed, incomplete};
use super::session::Session;
use crate::principal::{Kind, Principal};

/// A principal as IAM knows it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entity {
    /// Never given twice, even to one of the same name.
    pub(crate) id: String,
    /// With its path.
    pub(crate) arn: String,
}

impl Session {
    /// The user, role or instance profile of this name in the session's account.
    pub(crate) async fn entity(&self, wanted: &Principal) -> Answer<Entity> {
        let iam = &self.clients().await.iam;
        let (id, arn) = match wanted.kind {
            Kind::User => {
                let answer = iam.get_user().user_name(&wanted.name).send().await.map_err(|error| failed(&error))?;
                let user = answer.user().ok_or_else(|| incomplete("a user"))?;
                (user.user_id().to_owned(), user.arn().to_owned())
            }
            Kind::Role => {
                let answer = iam.get_role().role_name(&wanted.name).send().await.map_err(|error| failed(&error))?;
                let role = answer.role().ok_or_else(|| incomplete("a role"))?;
                (role.role_id().to_owned(), role.arn().to_owned())
            }
            Kind::InstanceProfile => {
                let call = iam.get_instance_profile().instance_profile_name(&wanted.name);
                let answer = call.send().await.map_err(|error| failed(&error))?;
                let profile = answer.instance_profile().ok_or_else(|| incomplete("an instance profile"))?;
                (profile.instance_profile_id().to_owned(), profile.arn().to_owned())
            }
        };
        Ok(Entity { id, arn })
    }
    /// ARN of the role in an instance profile.
    pub(crate) async fn profile_role(&self, name: &str, arn: &str) -> Answer<String> {
        let call = self.clients().await.iam.get_instance_profile().instance_profile_name(name);
        let answer = call.send().await.map_err(|error| failed(&error))?;
        let profile = answer.instance_profile().filter(|profile| profile.arn() == arn);
        let profile = profile.ok_or_else(|| incomplete("the instance profile that was asked for"))?;
        let [role] = profile.roles() else { return Err(incomplete("the one role of the instance profile")) };
        Ok(role.arn().to_owned())
    }
}
