//! Requests as commands make them: one line to send, decode and report.

use lessor_client::{Error, Method, Request, Response};
use serde_json::Value;

use crate::context::Ctx;
use crate::failure::Failure;

impl Ctx {
    /// Sends a request and leaves its error to the caller.
    pub async fn send(&mut self, request: Request) -> Result<Result<Response, Error>, Failure> {
        if self.curl || self.policy {
            return Err(self.print_instead(&request).await?);
        }
        self.probe(request).await
    }

    /// Like [`Self::send`], but sent even when the command is only to be printed.
    pub async fn probe(&mut self, request: Request) -> Result<Result<Response, Error>, Failure> {
        Ok(self.client().await?.send(request).await)
    }

    /// Sends a request; every error ends the command with `what` in front.
    pub async fn call(&mut self, what: &str, request: Request) -> Result<Option<Value>, Failure> {
        match self.send(request).await? {
            Ok(response) => Ok(response.json.filter(|json| !json.is_null())),
            Err(error) => Err(self.failure(what, &error).await),
        }
    }

    /// Sends a request whose answer must be a JSON object.
    pub async fn expect(&mut self, what: &str, request: Request) -> Result<Value, Failure> {
        match self.send(request).await? {
            Ok(response) => response.into_json().map_err(|error| Failure::remote(format!("{what}: {error}"))),
            Err(error) => Err(self.failure(what, &error).await),
        }
    }

    /// Sends a request for which 404 means "nothing there", unless the answer carries data or warnings.
    pub async fn find(&mut self, what: &str, request: Request) -> Result<Option<Value>, Failure> {
        match self.send(request).await? {
            Ok(response) => Ok(response.json.filter(|json| !json.is_null())),
            Err(Error::Api(api)) if api.status == 404 && api.errors.is_empty() => Ok(api.body.filter(|body| {
                body.get("data").is_some_and(|data| !data.is_null())
                    || body.get("warnings").and_then(Value::as_array).is_some_and(|w| !w.is_empty())
            })),
            // Some answers carry data in place of the errors array.
            Err(Error::Api(api)) if api.status == 404 && api.raw => {
                match api.body.clone().filter(|body| {
                    body.get("data").is_some_and(|d| !d.is_null()) || body.get("warnings").is_some_and(|w| !w.is_null())
                }) {
                    Some(body) => Ok(Some(body)),
                    None => Err(self.failure(what, &Error::Api(api)).await),
                }
            }
            Err(error) => Err(self.failure(what, &error).await),
        }
    }

    /// A failed request as the command's failure.
    pub async fn failure(&mut self, what: &str, error: &Error) -> Failure {
        let has_token = matches!(self.token().await, Ok(Some(_)));
        Failure::request(what, error, has_token)
    }

    async fn print_instead(&mut self, request: &Request) -> Result<Failure, Failure> {
        let text = if self.curl {
            let has_token = self.token().await?.is_some();
            self.curl_text(request, has_token).await?
        } else {
            policy_text(request)
        };
        self.say(&text);
        Ok(Failure::quiet(0))
    }

    async fn curl_text(&mut self, request: &Request, has_token: bool) -> Result<String, Failure> {
        let program = self.program.clone();
        let client = self.client().await?;
        let config = client.config();
        let mut text = String::from("curl");
        if request.method() != Method::Get {
            text.push_str(&format!(" -X {}", request.method()));
        }
        if request.method() == Method::Patch {
            text.push_str(" -H \"Content-Type: application/merge-patch+json\"");
        }
        if let Some(namespace) = &config.namespace {
            text.push_str(&format!(" -H \"X-Vault-Namespace: {}/\"", namespace.trim_matches('/')));
        }
        text.push_str(" -H \"X-Vault-Request: true\"");
        if has_token {
            text.push_str(&format!(" -H \"X-Vault-Token: $({program} print token)\""));
        }
        if let Some(ttl) = &config.wrap_ttl {
            text.push_str(&format!(" -H \"X-Vault-Wrap-TTL: {ttl}\""));
        }
        if config.tls.skip_verify {
            text.push_str(" --insecure");
        }
        if let Some(body) = request.body_ref() {
            text.push_str(&format!(" -d '{}'", body.to_string().replace('\'', r"'\''")));
        }
        text.push_str(&format!(" \"{}\"", client.url(request)));
        Ok(text)
    }
}

fn policy_text(request: &Request) -> String {
    let capabilities = match request.method() {
        Method::Get if request.is_list() => "[\"list\"]",
        Method::Get => "[\"read\"]",
        Method::Put | Method::Post => "[\"create\", \"update\"]",
        Method::Patch => "[\"patch\"]",
        Method::Delete => "[\"delete\"]",
    };
    format!("path \"{}\" {{\n  capabilities = {capabilities}\n}}", request.path())
}
