//! What the cluster says: token reviews and the labels of namespaces.
use crate::account::Account;
use crate::config::Config;
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::{Answer, Ask, Http};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// The cluster, asked by whoever may.
pub(crate) struct Cluster<'a> {
    pub(crate) config: &'a Config,
    pub(crate) http: Http,
    pub(crate) reviewer: Secret,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Review {
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    authenticated: bool,
    user: User,
    audiences: Vec<String>,
    error: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct User {
    username: String,
    uid: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Namespace {
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    labels: BTreeMap<String, String>,
}

fn denied() -> Error {
    Error::Forbidden("permission denied".to_owned())
}

/// Says no, and why only to whoever runs this server: the caller has proven nothing yet.
fn no(why: &str) -> Error {
    tracing::info!(why, "a login with a service account's token is refused");
    denied()
}

impl Cluster<'_> {
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer> {
        let ask = ask.header("Authorization", format!("Bearer {}", self.reviewer.expose()));
        let answer = self.http.send(ask.header("Accept", "application/json")).await;
        let failed = |why: String| {
            tracing::warn!(why, "the cluster cannot be asked about a token");
            Error::Unavailable("the cluster's API server does not answer".to_owned())
        };
        let answer = answer.map_err(|error| failed(error.to_string()))?;
        if answer.status >= 500 { Err(failed(format!("status {}", answer.status))) } else { Ok(answer) }
    }
    /// Whether the cluster knows the token, as one of this account and for one of these audiences (empty: any).
    ///
    /// # Errors
    /// [`Error::Forbidden`] when not, [`Error::Unavailable`] when nobody answers.
    pub(crate) async fn review(&self, token: &Secret, account: &Account, audiences: &[&str]) -> Result<()> {
        let mut spec = json!({ "token": token.expose() });
        if !audiences.is_empty() {
            spec["audiences"] = json!(audiences);
        }
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": spec,
        });
        let url = format!("{}/apis/authentication.k8s.io/v1/tokenreviews", self.config.host);
        let answer = self.ask(Ask::post(&url, "application/json", body.to_string().into_bytes())).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(no(&format!("the cluster refused to review it with status {}", answer.status)));
        }
        let status = answer.json::<Review>().map_err(|error| no(&error.to_string()))?.status;
        if !status.authenticated {
            return Err(no(&format!("the cluster does not know it: {}", status.error)));
        }
        // A cluster that understood the question names the audiences that the token is good for.
        if !audiences.is_empty() && !status.audiences.iter().any(|one| audiences.contains(&one.as_str())) {
            return Err(no("the cluster took it for another audience"));
        }
        if status.user.username != account.user_name() || status.user.uid != account.uid {
            return Err(no("the cluster knows it as another account's"));
        }
        Ok(())
    }
    /// Labels of a namespace.
    ///
    /// # Errors
    /// [`Error::Forbidden`] when the cluster does not tell.
    pub(crate) async fn labels(&self, namespace: &str) -> Result<BTreeMap<String, String>> {
        // It goes into an address, and comes out of a token.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if namespace.is_empty() || !namespace.bytes().all(plain) {
            return Err(Error::Forbidden("namespace not authorized".to_owned()));
        }
        let answer = self.ask(Ask::get(&format!("{}/api/v1/namespaces/{namespace}", self.config.host))).await?;
        if answer.status != 200 {
            tracing::info!(namespace, status = answer.status, "the labels of a namespace cannot be read");
            return Err(Error::Forbidden("namespace not authorized".to_owned()));
        }
        Ok(answer.json::<Namespace>().map_err(|error| no(&error.to_string()))?.metadata.labels)
    }
}
