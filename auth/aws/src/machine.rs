//! Whether an instance runs, and is what a role asks for.
use crate::Aws;
use crate::bounds::{Bounds, arn_fits, lets_in};
use crate::cloud::Instance;
use crate::partition;
use crate::principal::{Kind, Principal};
use lessor_engine::{Context, Error, Result};

/// An instance by account, region and id.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) id: &'a str,
}

fn any_fits(bounds: &[String], arn: &str) -> bool {
    bounds.iter().any(|bound| arn_fits(bound, arn))
}

impl Aws {
    /// An instance that runs.
    pub(crate) async fn running(&self, cx: &Context, place: Place<'_>) -> Result<Instance> {
        let Place { account, region, id } = place;
        let doing = format!("failed to verify instance ID {id:?} in region {region}");
        let wrong = |why: &str| Err(Error::invalid(format!("{doing}: {why}")));
        if !partition::is_region(region) {
            return wrong("this is no region");
        }
        if !id.strip_prefix("i-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            return wrong("this is no id of an instance");
        }
        let session = self.cloud.session(cx, account, region).await?;
        let instance = session.instance(&self.http()?, id, cx.now()).await;
        let instance = instance.map_err(|error| error.while_doing(&doing))?;
        if instance.owner != account {
            return wrong(&format!("it is of account {}, not of {account}", instance.owner));
        }
        if instance.state != "running" {
            return wrong("instance is not in 'running' state");
        }
        Ok(instance)
    }

    /// Whether it is what the role asks for.
    ///
    /// # Errors
    /// What is wrong with it ([`Error::Invalid`]), or why that could not be found out.
    pub(crate) async fn check(
        &self,
        cx: &Context,
        bounds: &Bounds,
        place: Place<'_>,
        instance: &Instance,
    ) -> Result<()> {
        let wrong = |what: String| Err(Error::invalid(format!("error validating instance: {what} the role's bounds")));
        for (name, list, value) in [
            ("instance ID", &bounds.instances, &instance.id),
            ("account ID", &bounds.accounts, &instance.owner),
            ("AMI ID", &bounds.images, &instance.image),
            ("subnet ID", &bounds.subnets, &instance.subnet),
            ("VPC ID", &bounds.networks, &instance.network),
        ] {
            if !lets_in(list, value) {
                return wrong(format!("{name} {value:?} does not satisfy"));
            }
        }
        if !lets_in(&bounds.regions, place.region) {
            return wrong(format!("region {:?} does not satisfy", place.region));
        }
        if !bounds.profiles.is_empty() && !any_fits(&bounds.profiles, &instance.profile) {
            return wrong(format!("IAM instance profile ARN {:?} does not satisfy", instance.profile));
        }
        if bounds.iam_roles.is_empty() {
            return Ok(());
        }
        let arn = self.role_of(cx, place, instance).await?;
        if any_fits(&bounds.iam_roles, &arn) { Ok(()) } else { wrong(format!("IAM role ARN {arn:?} does not satisfy")) }
    }

    /// ARN of the IAM role that an instance acts as.
    async fn role_of(&self, cx: &Context, place: Place<'_>, instance: &Instance) -> Result<String> {
        let profile = Principal::parse(&instance.profile).filter(|found| found.kind == Kind::InstanceProfile);
        let none = || Error::invalid("error validating instance: it has no IAM instance profile");
        let profile = profile.ok_or_else(none)?;
        let session = self.cloud.session(cx, place.account, partition::home(&profile.partition)).await?;
        let doing = format!("IAM role ARN of {:?} could not be fetched", instance.profile);
        session.profile_role(&profile.name, &instance.profile).await.map_err(|error| error.while_doing(&doing))
    }
}
