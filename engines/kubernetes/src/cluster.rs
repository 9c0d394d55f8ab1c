//! Requests to the API server (<https://kubernetes.io/docs/reference/using-api/api-concepts/>), with the token of the
//! moment. A POST is never repeated: names are made for one lease.
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::{Answer, Ask, Http, Method};
use serde_json::{Value, json};

/// The cluster as the configured account sees it.
pub(crate) struct Cluster {
    pub(crate) http: Http,
    pub(crate) host: String,
    pub(crate) token: Secret,
}

/// The API server's own words.
fn words(answer: &Answer) -> String {
    let body: Value = answer.json().unwrap_or_default();
    let message = body.get("message").and_then(Value::as_str).unwrap_or("no reason given");
    format!("the API server answered {}: {message}", answer.status)
}

/// What an answer that is no success means.
fn failure(answer: &Answer) -> Error {
    match answer.status {
        404 => Error::NotFound(words(answer)),
        429 => Error::Throttled(words(answer)),
        400 | 409 | 422 => Error::refused(words(answer)),
        500.. => Error::Unavailable(words(answer)),
        _ => Error::Refused { status: 500, message: words(answer) },
    }
}

impl Cluster {
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let url = format!("{}{path}", self.host);
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut ask = Ask { method, url: &url, headers: Vec::new(), body }
            .header("Accept", "application/json")
            .header("Content-Type", "application/json");
        if !self.token.is_empty() {
            ask = ask.header("Authorization", format!("Bearer {}", self.token.expose()));
        }
        self.http.send(ask).await.map_err(|error| Error::Unavailable(error.to_string()))
    }
    async fn asked(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let answer = self.ask(method, path, body).await?;
        if !(200..300).contains(&answer.status) {
            return Err(failure(&answer));
        }
        answer.json().map_err(|error| Error::Unavailable(error.to_string()))
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
    /// Deletes an object if it still is the one with this uid; gone already, or another one by now, is success.
    ///
    /// # Errors
    /// What the API server says.
    pub(crate) async fn delete(&self, path: &str, uid: &str) -> Result<()> {
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid },
            "propagationPolicy": "Background",
        });
        let answer = self.ask(Method::DELETE, path, Some(&body)).await?;
        match answer.status {
            200..300 | 404 | 409 => Ok(()),
            _ => Err(failure(&answer)),
        }
    }
}
