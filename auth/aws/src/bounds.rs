//! What a role asks of an instance.
use lessor_engine::CommaList;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Lists of what is let in; an empty list lets everything in.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Bounds {
    pub(crate) accounts: Vec<String>,
    pub(crate) images: Vec<String>,
    pub(crate) instances: Vec<String>,
    pub(crate) regions: Vec<String>,
    pub(crate) subnets: Vec<String>,
    pub(crate) networks: Vec<String>,
    /// ARNs of IAM roles; a `*` at the end stands for any text.
    pub(crate) iam_roles: Vec<String>,
    /// ARNs of instance profiles; a `*` at the end stands for any text.
    pub(crate) profiles: Vec<String>,
}

/// The same as they are sent.
#[derive(lessor_engine::Params)]
pub(crate) struct BoundParams {
    /// Accounts that are let in.
    pub(crate) bound_account_id: Option<CommaList>,
    /// Images whose instances are let in.
    pub(crate) bound_ami_id: Option<CommaList>,
    /// Instances that are let in.
    pub(crate) bound_ec2_instance_id: Option<CommaList>,
    /// Regions whose instances are let in; of auth_type ec2 only.
    pub(crate) bound_region: Option<CommaList>,
    /// Subnets whose instances are let in.
    pub(crate) bound_subnet_id: Option<CommaList>,
    /// Virtual networks whose instances are let in.
    pub(crate) bound_vpc_id: Option<CommaList>,
    /// IAM roles whose instances are let in; a * at the end stands for any text.
    pub(crate) bound_iam_role_arn: Option<CommaList>,
    /// Instance profiles whose instances are let in; a * at the end stands for any text.
    pub(crate) bound_iam_instance_profile_arn: Option<CommaList>,
}

impl Bounds {
    /// Takes over what was sent; what is left out keeps its value.
    pub(crate) fn apply(&mut self, sent: &BoundParams) {
        for (place, list) in [
            (&mut self.accounts, &sent.bound_account_id),
            (&mut self.images, &sent.bound_ami_id),
            (&mut self.instances, &sent.bound_ec2_instance_id),
            (&mut self.regions, &sent.bound_region),
            (&mut self.subnets, &sent.bound_subnet_id),
            (&mut self.networks, &sent.bound_vpc_id),
            (&mut self.iam_roles, &sent.bound_iam_role_arn),
            (&mut self.profiles, &sent.bound_iam_instance_profile_arn),
        ] {
            if let Some(list) = list {
                place.clone_from(&list.0);
            }
        }
    }
    /// As read back.
    pub(crate) fn show(&self) -> Map<String, Value> {
        let shown = self.lists().map(|(name, list)| (name.to_owned(), json!(list)));
        shown.into_iter().collect()
    }
    /// Parameters of the lists that bound something.
    pub(crate) fn set(&self) -> impl Iterator<Item = &'static str> {
        self.lists().into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, _)| name)
    }
    fn lists(&self) -> [(&'static str, &Vec<String>); 8] {
        [
            ("bound_account_id", &self.accounts),
            ("bound_ami_id", &self.images),
            ("bound_ec2_instance_id", &self.instances),
            ("bound_region", &self.regions),
            ("bound_subnet_id", &self.subnets),
            ("bound_vpc_id", &self.networks),
            ("bound_iam_role_arn", &self.iam_roles),
            ("bound_iam_instance_profile_arn", &self.profiles),
        ]
    }
}

/// Whether a list lets a value in.
pub(crate) fn lets_in(list: &[String], value: &str) -> bool {
    list.is_empty() || list.iter().any(|bound| bound == value)
}

/// Whether an ARN is what a bound says. Only a `*` at the end stands for something: a path may hold one itself.
pub(crate) fn arn_fits(bound: &str, arn: &str) -> bool {
    bound.strip_suffix('*').map_or(bound == arn, |start| arn.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_only_at_the_end() {
        assert!(arn_fits("arn:aws:iam::1:user/*", "arn:aws:iam::1:user/bob"));
        assert!(!arn_fits("arn:aws:iam::1:user/*", "arn:aws:iam::2:user/bob"));
        assert!(!arn_fits("arn:aws:iam::*:user/*", "arn:aws:iam::2:user/bob"));
        assert!(arn_fits("arn:aws:iam::1:user/a*b/*", "arn:aws:iam::1:user/a*b/bob"));
        assert!(!arn_fits("arn:aws:iam::1:user/bob", "arn:aws:iam::1:user/bobby"));
    }
}
