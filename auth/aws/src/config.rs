//! What is kept under `config/client`: where AWS is asked and as whom, and what signed requests have to say.
use crate::partition;
use lessor_engine::timing::Timing;
use lessor_engine::{Context, Error, Result, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) const KEY: &str = "config/client";

/// The record.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// Empty for what the server's surroundings offer.
    pub(crate) access_key: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) secret_key: Secret,
    /// Of EC2.
    pub(crate) endpoint: String,
    pub(crate) iam_endpoint: String,
    pub(crate) sts_endpoint: String,
    pub(crate) sts_region: String,
    pub(crate) use_sts_region_from_client: bool,
    pub(crate) server_id: String,
    pub(crate) allowed_headers: Vec<String>,
    /// Below 0 leaves it to the SDK.
    pub(crate) max_retries: i64,
    /// A role that trusts this server's identity tokens.
    pub(crate) role_arn: String,
    /// Empty where there is no workload identity federation.
    pub(crate) identity_token_audience: String,
    /// Seconds.
    pub(crate) identity_token_ttl: u64,
    pub(crate) timing: Timing,
    pub(crate) disable_automated_rotation: bool,
    pub(crate) rotation_policy: String,
    pub(crate) written: Timestamp,
    pub(crate) last_rotation: Option<Timestamp>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            access_key: String::new(),
            secret_key: Secret::default(),
            endpoint: String::new(),
            iam_endpoint: String::new(),
            sts_endpoint: String::new(),
            sts_region: String::new(),
            use_sts_region_from_client: false,
            server_id: String::new(),
            allowed_headers: Vec::new(),
            max_retries: -1,
            role_arn: String::new(),
            identity_token_audience: String::new(),
            identity_token_ttl: 3600,
            timing: Timing::default(),
            disable_automated_rotation: false,
            rotation_policy: String::new(),
            written: Timestamp::UNIX_EPOCH,
            last_rotation: None,
        }
    }
}

impl Config {
    /// The configuration, or AWS's own endpoints and the surroundings' key.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        Ok(cx.view.get(KEY).await?.unwrap_or_default())
    }
    /// Where a request that was signed for `region` is asked.
    pub(crate) fn sts_address(&self, region: &str) -> String {
        let region = if self.use_sts_region_from_client { region } else { self.sts_region.as_str() };
        match (self.sts_endpoint.trim_end_matches('/'), region) {
            ("", "") => "https://sts.amazonaws.com".to_owned(),
            ("", region) => format!("https://sts.{region}.{}", partition::suffix(region)),
            (endpoint, _) => endpoint.to_owned(),
        }
    }
    /// Where the EC2 of a region is asked.
    pub(crate) fn ec2_address(&self, region: &str) -> String {
        match self.endpoint.trim_end_matches('/') {
            "" => format!("https://ec2.{region}.{}", partition::suffix(region)),
            endpoint => endpoint.to_owned(),
        }
    }
    /// Whether the parts make sense together.
    pub(crate) fn check(&self) -> Result<()> {
        if self.access_key.is_empty() != self.secret_key.is_empty() {
            return Err(Error::invalid("access_key and secret_key are given together, or neither of them"));
        }
        if !self.identity_token_audience.is_empty() && !self.access_key.is_empty() {
            return Err(Error::invalid("only one of 'access_key' or 'identity_token_audience' can be set"));
        }
        if !self.identity_token_audience.is_empty() && self.role_arn.is_empty() {
            return Err(Error::invalid("role_arn must be set when identity_token_audience is set"));
        }
        if !partition::is_region(&self.sts_region) && !self.sts_region.is_empty() {
            return Err(Error::invalid("sts_region is no region: use one like eu-central-1"));
        }
        let known = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/";
        for (field, service, address) in [
            ("endpoint", "ec2", &self.endpoint),
            ("iam_endpoint", "iam", &self.iam_endpoint),
            ("sts_endpoint", "sts", &self.sts_endpoint),
        ] {
            if !address.is_empty() && !Url::parse(address).is_ok_and(known) {
                let example = format!("https://{service}.eu-central-1.amazonaws.com");
                return Err(Error::invalid(format!("{field} is no address: use one like {example}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_configured_decides_where_a_request_goes() {
        let config = |endpoint: &str, region: &str, client: bool| Config {
            sts_endpoint: endpoint.to_owned(),
            sts_region: region.to_owned(),
            use_sts_region_from_client: client,
            ..Config::default()
        };
        assert_eq!(config("", "", false).sts_address("us-west-2"), "https://sts.amazonaws.com");
        assert_eq!(config("", "eu-west-1", false).sts_address("us-west-2"), "https://sts.eu-west-1.amazonaws.com");
        assert_eq!(config("", "", true).sts_address("cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn");
        assert_eq!(config("http://a/", "", true).sts_address("us-west-2"), "http://a");
        assert_eq!(config("", "", true).ec2_address("us-west-2"), "https://ec2.us-west-2.amazonaws.com");
        assert!(config("file:///x", "", false).check().is_err() && config("", "a/b", false).check().is_err());
    }
}
