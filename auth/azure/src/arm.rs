//! What Azure's Resource Manager is asked: machines, scale sets and other resources, with their identities
//! (<https://learn.microsoft.com/rest/api/compute>, <https://learn.microsoft.com/rest/api/resources/resources/get-by-id>).
use crate::Azure;
use crate::config::Config;
use lessor_engine::{Context, Error, Result, Secret};
use lessor_platform_http::{Ask, Http};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use url::Url;

/// Of the compute provider.
const COMPUTE: &str = "2024-07-01";
/// Of the list of providers.
const PROVIDERS: &str = "2021-04-01";

/// A resource, as far as logins ask.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Resource {
    pub(crate) location: String,
    identity: Identity,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Identity {
    principal_id: String,
    user_assigned_identities: BTreeMap<String, Assigned>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Assigned {
    principal_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Provider {
    resource_types: Vec<Kind>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Kind {
    resource_type: String,
    api_versions: Vec<String>,
}

impl Resource {
    /// Whether it runs as this principal, by its own identity or by one that was assigned to it.
    pub(crate) fn runs_as(&self, principal: &str) -> bool {
        let own = std::iter::once(&self.identity.principal_id);
        let assigned = self.identity.user_assigned_identities.values().map(|one| &one.principal_id);
        !principal.is_empty() && own.chain(assigned).any(|one| one.eq_ignore_ascii_case(principal))
    }
}

/// The Resource Manager, asked by the application of the configuration.
pub(crate) struct Manager<'a> {
    azure: &'a Azure,
    config: &'a Config,
    http: Http,
    token: Secret,
}

impl<'a> Manager<'a> {
    /// # Errors
    /// When there is no access token to be had.
    pub(crate) async fn open(azure: &'a Azure, cx: &Context, config: &'a Config) -> Result<Self> {
        let http = azure.http(config).await?;
        let token = azure.access.token(&http, &config.application(cx).await?, cx.now()).await?;
        Ok(Self { azure, config, http, token })
    }
    async fn get<T: DeserializeOwned>(&self, segments: &[&str], version: &str) -> Result<Option<T>> {
        let broken = || Error::Internal("the address of the Resource Manager cannot be used".to_owned());
        let mut url = Url::parse(self.config.manager()).map_err(|_| broken())?;
        url.path_segments_mut().map_err(|()| broken())?.pop_if_empty().extend(segments);
        url.query_pairs_mut().append_pair("api-version", version);
        let ask = Ask::get(url.as_str()).header("Authorization", format!("Bearer {}", self.token.expose()));
        let answer = self.http.send(ask).await.map_err(|error| Error::Unavailable(error.to_string()))?;
        if answer.status == 401 {
            // Taken back before its time: the next one asks with another.
            self.azure.access.forget().await;
        }
        match answer.status {
            200 => answer.json().map(Some).map_err(|error| Error::Unavailable(error.to_string())),
            404 => Ok(None),
            429 => Err(Error::Throttled("Azure's Resource Manager".to_owned())),
            status @ (401 | 403) => {
                let message =
                    format!("Azure does not show the resource to this server's application (status {status})");
                Err(Error::Refused { status: 500, message })
            }
            status @ 400..500 => Err(Error::refused(format!("Azure refuses to show the resource (status {status})"))),
            status => Err(Error::Unavailable(format!("Azure's Resource Manager does not answer (status {status})"))),
        }
    }
    /// A machine (`virtualMachines`) or scale set (`virtualMachineScaleSets`).
    pub(crate) async fn machine(
        &self,
        subscription: &str,
        group: &str,
        kind: &str,
        name: &str,
    ) -> Result<Option<Resource>> {
        let segments =
            ["subscriptions", subscription, "resourceGroups", group, "providers", "Microsoft.Compute", kind, name];
        self.get(&segments, COMPUTE).await
    }
    /// Any resource by its id's segments. Which version of the API shows it is for its provider to say.
    pub(crate) async fn resource(&self, subscription: &str, segments: &[&str]) -> Result<Option<Resource>> {
        let Some(at) = segments.iter().rposition(|one| one.eq_ignore_ascii_case("providers")) else { return Ok(None) };
        let Some((namespace, rest)) = segments.get(at + 1..).and_then(<[&str]>::split_first) else { return Ok(None) };
        let kind = rest.iter().step_by(2).copied().collect::<Vec<_>>().join("/");
        let path = ["subscriptions", subscription, "providers", namespace];
        let provider: Option<Provider> = self.get(&path, PROVIDERS).await?;
        let mut kinds = provider.unwrap_or_default().resource_types.into_iter();
        let Some(known) = kinds.find(|one| one.resource_type.eq_ignore_ascii_case(&kind)) else { return Ok(None) };
        // Newest first; previews change without notice.
        let stable = known.api_versions.iter().find(|version| !version.contains("preview"));
        let Some(version) = stable.or(known.api_versions.first()) else { return Ok(None) };
        self.get(segments, version).await
    }
}
