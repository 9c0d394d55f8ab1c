//! What Google is asked: accounts and their keys (IAM), instances and groups (Compute Engine), ancestry (Resource
//! Manager). Paths and fields are those of the discovery documents iam v1, compute v1 and cloudresourcemanager v1.
use crate::Gcp;
use crate::config::Config;
use lessor_engine::{Context, Error, Result, Secret, Timestamp};
use lessor_platform_http::{Answer, Ask, Http};
use lessor_signed_token::KeySet;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use url::Url;

/// Pages of a group's instances; one holds 500.
const PAGES: usize = 40;

/// A service account (iam v1, `ServiceAccount`).
#[derive(Deserialize, Default, Clone)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Account {
    pub(crate) email: String,
    pub(crate) unique_id: String,
    pub(crate) project_id: String,
    disabled: bool,
}

/// A key (iam v1, `ServiceAccountKey`).
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Key {
    pub(crate) public_key_data: String,
    pub(crate) disabled: bool,
}

/// An instance (compute v1, `Instance`).
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) service_accounts: Vec<InstanceAccount>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct InstanceAccount {
    pub(crate) email: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Members {
    items: Vec<Member>,
    next_page_token: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Member {
    /// Address of the instance.
    instance: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ancestry {
    ancestor: Vec<Ancestor>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Ancestor {
    resource_id: Resource,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    id: String,
}

/// Google, asked by the account of the configuration.
pub(crate) struct Google<'a> {
    gcp: &'a Gcp,
    config: &'a Config,
    http: &'a Http,
    token: Secret,
    now: Timestamp,
}

/// The instance's part of the address: the project may stand there by name or number.
fn place(url: &str) -> Option<&str> {
    url.find("/zones/").and_then(|at| url.get(at..))
}

fn read<T: DeserializeOwned>(answer: &Answer, what: &str) -> Result<Option<T>> {
    let broken = |error: lessor_platform_http::Error| Error::Unavailable(error.to_string());
    match answer.status {
        200 => answer.json().map(Some).map_err(broken),
        404 => Ok(None),
        429 => Err(Error::Throttled(format!("Google was asked for {what} too often"))),
        status @ (401 | 403) => {
            let message = format!("Google does not show {what} to this server's account (status {status})");
            Err(Error::Refused { status: 500, message })
        }
        status @ 400..500 => Err(Error::refused(format!("Google refuses to show {what} (status {status})"))),
        status => Err(Error::Unavailable(format!("Google does not answer for {what} (status {status})"))),
    }
}

impl<'a> Google<'a> {
    /// # Errors
    /// When there is no access token to be had.
    pub(crate) async fn open(gcp: &'a Gcp, cx: &Context, config: &'a Config) -> Result<Self> {
        let new = || async { Http::new("").map_err(|error| Error::Unavailable(error.to_string())) };
        let (http, now) = (gcp.http.get_or_try_init(new).await?, cx.now());
        let token = gcp.access.token(http, &config.identity(cx).await?, now).await?;
        Ok(Self { gcp, config, http, token, now })
    }
    /// Google's own keys, fetched again when this one is not among them.
    pub(crate) async fn keys(&self, id: &str) -> Result<Arc<KeySet>> {
        let failed = |why: &dyn std::fmt::Display| Error::Unavailable(format!("Google's keys cannot be read: {why}"));
        let url = self.config.url("api", &["oauth2", "v3", "certs"])?;
        let fetch = async {
            let answer = self.http.send(Ask::get(url.as_str())).await.and_then(Answer::ok);
            let answer = answer.map_err(|error| failed(&error))?;
            let keys = KeySet::from_jwks(&answer.body).ok_or_else(|| failed(&"the answer is no key set"))?;
            Ok((keys, answer.fresh))
        };
        self.gcp.keys.get(url.as_str(), self.now, |keys| keys.knows(id), fetch).await
    }
    async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>, what: &str) -> Result<Option<T>> {
        let ask = ask.header("Authorization", format!("Bearer {}", self.token.expose()));
        let answer = self.http.send(ask).await.map_err(|error| Error::Unavailable(error.to_string()))?;
        if answer.status == 401 {
            // Taken back before its time: the next one asks with another.
            self.gcp.access.forget().await;
        }
        read(&answer, what)
    }
    async fn get<T: DeserializeOwned>(&self, url: &Url, what: &str) -> Result<Option<T>> {
        self.ask(Ask::get(url.as_str()), what).await
    }
    async fn post<T: DeserializeOwned>(&self, url: &Url, body: &str, what: &str) -> Result<Option<T>> {
        self.ask(Ask::post(url.as_str(), "application/json", body.as_bytes().to_vec()), what).await
    }
    /// The account of this email address or unique id; `None` when it is gone or disabled.
    pub(crate) async fn account(&self, name: &str) -> Result<Option<Account>> {
        let url = self.config.url("iam", &["v1", "projects", "-", "serviceAccounts", name])?;
        let found: Option<Account> = self.get(&url, "the service account").await?;
        Ok(found.filter(|account| !account.disabled && !account.unique_id.is_empty()))
    }
    /// The public key of this id.
    pub(crate) async fn key(&self, account: &str, key: &str) -> Result<Option<Key>> {
        let mut url = self.config.url("iam", &["v1", "projects", "-", "serviceAccounts", account, "keys", key])?;
        url.set_query(Some("publicKeyType=TYPE_X509_PEM_FILE"));
        self.get(&url, "the service account's key").await
    }
    /// An instance by its place.
    pub(crate) async fn instance(&self, project: &str, zone: &str, name: &str) -> Result<Option<Instance>> {
        let segments = ["compute", "v1", "projects", project, "zones", zone, "instances", name];
        self.get(&self.config.url("compute", &segments)?, "the instance").await
    }
    /// Whether a group below `zones/<zone>` or `regions/<region>` holds the instance; groups that are not there hold none.
    pub(crate) async fn holds(
        &self,
        project: &str,
        scope: (&str, &str),
        group: &str,
        instance: (&str, &str),
    ) -> Result<bool> {
        let segments =
            ["compute", "v1", "projects", project, scope.0, scope.1, "instanceGroups", group, "listInstances"];
        let wanted = format!("/zones/{}/instances/{}", instance.0, instance.1);
        let mut url = self.config.url("compute", &segments)?;
        for _ in 0..PAGES {
            let page: Option<Members> = self.post(&url, "{}", "the instance group").await?;
            let Some(page) = page else { return Ok(false) };
            if page.items.iter().any(|member| place(&member.instance) == Some(wanted.as_str())) {
                return Ok(true);
            }
            if page.next_page_token.is_empty() {
                break;
            }
            url.query_pairs_mut().clear().append_pair("pageToken", &page.next_page_token);
        }
        Ok(false)
    }
    /// The project, its folders and its organization, as names of groups.
    pub(crate) async fn groups(&self, project: &str) -> Result<Vec<String>> {
        // The last segment is a name and a verb behind a colon, which is no character to escape.
        let verb = format!("{project}:getAncestry");
        let url = self.config.url("crm", &["v1", "projects", &verb])?;
        let found: Option<Ancestry> = self.post(&url, "{}", "the project's ancestry").await?;
        let found = found.unwrap_or_default().ancestor;
        Ok(found.into_iter().map(|one| format!("{}-{}", one.resource_id.kind, one.resource_id.id)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instance_by_project_name_or_number_is_the_same() {
        let of = |project: &str| format!("https://x/compute/v1/projects/{project}/zones/z/instances/i");
        assert_eq!(place(&of("p")), place(&of("12")));
        assert_eq!(place("https://x/"), None);
    }
}
