//! Requests to the API server (<https://kubernetes.io/docs/reference/using-api/api-concepts/>), with the token of the
//! moment. A POST whose outcome is not known is never repeated: names are made for one lease.
use async_trait::async_trait;
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::{Ask, Http, Method};
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Objects of one page of a list.
const PAGE: usize = 200;
/// How long to wait before asking a busy server again, each time, in milliseconds.
const PAUSES: [u64; 3] = [200, 400, 800];

/// The API server, as one account talks to it.
#[async_trait]
pub(crate) trait Api: Send + Sync {
    /// Status and body of the answer.
    ///
    /// # Errors
    /// When nobody answers, or not in JSON.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)>;
}

/// Opens it.
pub(crate) trait Connect: Send + Sync {
    /// With the authority and the token of this very moment.
    ///
    /// # Errors
    /// When the authority cannot be read.
    fn connect(&self, host: String, ca_cert: &str, token: Secret) -> Result<Box<dyn Api>>;
}

/// Over HTTP.
#[derive(Default)]
pub(crate) struct Web {
    /// The client of the authorities that were used last: connections are kept.
    client: Mutex<Option<(String, Http)>>,
}

impl Web {
    fn client(&self, ca_cert: &str) -> Result<Http> {
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, http)) = kept.as_ref()
            && known == ca_cert
        {
            return Ok(http.clone());
        }
        let http = Http::new(ca_cert).map_err(|error| Error::invalid(format!("kubernetes_ca_cert: {error}")))?;
        *kept = Some((ca_cert.to_owned(), http.clone()));
        Ok(http)
    }
}

impl Connect for Web {
    fn connect(&self, host: String, ca_cert: &str, token: Secret) -> Result<Box<dyn Api>> {
        Ok(Box::new(Account { http: self.client(ca_cert)?, host, token }))
    }
}

struct Account {
    http: Http,
    host: String,
    token: Secret,
}

#[async_trait]
impl Api for Account {
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let url = format!("{}{path}", self.host);
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut ask = Ask { method, url: &url, headers: Vec::new(), body }
            .header("Accept", "application/json")
            .header("Content-Type", "application/json");
        if !self.token.is_empty() {
            ask = ask.header("Authorization", format!("Bearer {}", self.token.expose()));
        }
        let answer = self.http.send(ask).await.map_err(|error| Error::Unavailable(error.to_string()))?;
        let body = answer.json();
        match (200..300).contains(&answer.status) {
            true => Ok((answer.status, body.map_err(|error| Error::Unavailable(error.to_string()))?)),
            // Whoever stands in front of an API server may refuse in other words than JSON.
            false => Ok((answer.status, body.unwrap_or_default())),
        }
    }
}

/// The API server's own words.
fn words(status: u16, body: &Value) -> String {
    let message = body.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    format!("the API server answered {status}: {message}")
}

/// What an answer that is no success means.
fn failure(status: u16, body: &Value) -> Error {
    let words = words(status, body);
    match status {
        404 => Error::NotFound(words),
        429 => Error::Throttled(words),
        400 | 409 | 422 => Error::refused(words),
        500.. => Error::Unavailable(words),
        _ => Error::Refused { status: 500, message: words },
    }
}

/// The cluster as the configured account sees it.
pub(crate) struct Cluster {
    pub(crate) api: Box<dyn Api>,
}

impl Cluster {
    /// Status and body; a server that turns requests away for being busy has done nothing with them, so they are sent again
    /// (<https://kubernetes.io/docs/concepts/cluster-administration/flow-control/>).
    async fn answered(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        for pause in PAUSES {
            match self.api.ask(method.clone(), path, body).await? {
                (429, _) => tokio::time::sleep(Duration::from_millis(pause)).await,
                done => return Ok(done),
            }
        }
        self.api.ask(method, path, body).await
    }
    async fn asked(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, answer) = self.answered(method, path, body).await?;
        if (200..300).contains(&status) { Ok(answer) } else { Err(failure(status, &answer)) }
    }
    /// Makes an object; what it became.
    ///
    /// # Errors
    /// What the API server says; 400 when the name is taken.
    pub(crate) async fn create(&self, path: &str, body: &Value) -> Result<Value> {
        // What a caller named may not be there; that is a refusal, and no missing path of this server.
        self.asked(Method::POST, path, Some(body)).await.map_err(|error| match error {
            Error::NotFound(text) => Error::refused(text),
            other => other,
        })
    }
    /// Whether the cluster takes the token: it is asked what every account may ask, whether it may do something.
    ///
    /// # Errors
    /// Why not; 400.
    pub(crate) async fn recognises(&self) -> Result<()> {
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": { "verb": "create", "resource": "serviceaccounts", "subresource": "token" } },
        });
        let answer = self.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &body).await;
        answer.map(drop).map_err(|error| Error::invalid(error.to_string()))
    }
    /// An object, or `None` where there is none.
    ///
    /// # Errors
    /// What the API server says.
    pub(crate) async fn get(&self, path: &str) -> Result<Option<Value>> {
        match self.asked(Method::GET, path, None).await {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
    /// The objects of a collection that bear a label, page by page.
    ///
    /// # Errors
    /// What the API server says.
    pub(crate) async fn list(&self, collection: &str, label: &str, value: &str) -> Result<Vec<Value>> {
        let (mut all, mut page) = (Vec::new(), String::new());
        loop {
            let path = format!("{collection}?labelSelector={label}%3D{value}&limit={PAGE}{page}");
            let Some(mut listed) = self.get(&path).await? else { return Ok(all) };
            if let Some(Value::Array(items)) = listed.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            let more = listed.pointer("/metadata/continue").and_then(Value::as_str).filter(|more| !more.is_empty());
            let Some(more) = more else { return Ok(all) };
            let more: String = form_urlencoded::byte_serialize(more.as_bytes()).collect();
            page = format!("&continue={more}");
        }
    }
    /// Deletes an object if it still is the one with this uid; gone already, or another one by now, is success.
    ///
    /// # Errors
    /// What the API server says.
    pub(crate) async fn delete(&self, path: &str, uid: &str) -> Result<()> {
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid },
            "propagationPolicy": "Background",
        });
        match self.answered(Method::DELETE, path, Some(&body)).await? {
            (200..300 | 404 | 409, _) => Ok(()),
            (status, answer) => Err(failure(status, &answer)),
        }
    }
}
