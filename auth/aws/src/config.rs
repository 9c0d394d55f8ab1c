//! `config/client`: the STS endpoint, and what signed requests have to say.
use crate::Aws;
use lessor_engine::{CommaList, Context, Error, Params, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use url::Url;

/// What is stored under `config/client`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) sts_endpoint: String,
    pub(crate) sts_region: String,
    pub(crate) use_sts_region_from_client: bool,
    pub(crate) server_id: String,
    pub(crate) allowed_headers: Vec<String>,
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Address of STS; empty for AWS's own.
    sts_endpoint: Option<String>,
    /// Region of STS.
    sts_region: Option<String>,
    /// Asks the STS of the region that the request was signed for.
    use_sts_region_from_client: Option<bool>,
    /// What the header X-Vault-AWS-IAM-Server-ID has to say, so that requests signed for another server are refused.
    iam_server_id_header_value: Option<String>,
    /// Headers that signed requests may have beside AWS's own.
    allowed_sts_header_values: Option<CommaList>,
}

const KEY: &str = "config/client";

impl Config {
    /// The configuration, or AWS's own endpoint.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        Ok(cx.view.get(KEY).await?.unwrap_or_default())
    }
    /// Where a request that was signed for `region` is asked.
    pub(crate) fn endpoint(&self, region: &str) -> String {
        let region = if self.use_sts_region_from_client { region } else { self.sts_region.as_str() };
        match (self.sts_endpoint.trim_end_matches('/'), region) {
            ("", "") => "https://sts.amazonaws.com".to_owned(),
            ("", region) => format!("https://sts.{region}.amazonaws.com"),
            (endpoint, _) => endpoint.to_owned(),
        }
    }
    fn check(&self) -> Result<()> {
        let region = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !region(&self.sts_region) {
            return Err(Error::invalid("sts_region is no region: use one like eu-central-1"));
        }
        let known = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.path() == "/";
        if !self.sts_endpoint.is_empty() && !Url::parse(&self.sts_endpoint).is_ok_and(known) {
            return Err(Error::invalid(
                "sts_endpoint is no address: use one like https://sts.eu-central-1.amazonaws.com",
            ));
        }
        Ok(())
    }
}

pub(crate) async fn write(_: Arc<Aws>, cx: Context, sent: ConfigParams) -> Result<Reply> {
    let old = Config::load(&cx).await?;
    let config = Config {
        sts_endpoint: sent.sts_endpoint.unwrap_or(old.sts_endpoint),
        sts_region: sent.sts_region.unwrap_or(old.sts_region),
        use_sts_region_from_client: sent.use_sts_region_from_client.unwrap_or(old.use_sts_region_from_client),
        server_id: sent.iam_server_id_header_value.unwrap_or(old.server_id),
        allowed_headers: sent.allowed_sts_header_values.map_or(old.allowed_headers, |list| list.0),
    };
    config.check()?;
    cx.view.put(KEY, &config).await?;
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "sts_endpoint": config.sts_endpoint,
        "sts_region": config.sts_region,
        "use_sts_region_from_client": config.use_sts_region_from_client,
        "iam_server_id_header_value": config.server_id,
        "allowed_sts_header_values": config.allowed_headers,
    })))
}

pub(crate) async fn delete(_: Arc<Aws>, cx: Context, (): ()) -> Result<Reply> {
    cx.view.delete(KEY).await?;
    Ok(Reply::empty())
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
        assert_eq!(config("", "", false).endpoint("us-west-2"), "https://sts.amazonaws.com");
        assert_eq!(config("", "eu-west-1", false).endpoint("us-west-2"), "https://sts.eu-west-1.amazonaws.com");
        assert_eq!(config("", "", true).endpoint("us-west-2"), "https://sts.us-west-2.amazonaws.com");
        assert_eq!(config("http://a/", "", true).endpoint("us-west-2"), "http://a");
        assert!(config("file:///x", "", false).check().is_err() && config("", "a/b", false).check().is_err());
    }
}
