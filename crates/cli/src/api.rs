//! Requests as commands make them: one line to send, decode and report.

use lessor_client::{Error, Method, Request, Response, Stream};
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

    /// Sends a request whose answer is read piece by piece.
    pub async fn open(&mut self, request: Request) -> Result<Result<Stream, Error>, Failure> {
        if self.curl || self.policy {
            return Err(self.print_instead(&request).await?);
        }
        Ok(self.client().await?.open(request).await)
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
    /// What the server said about a missing path becomes the hint of [`Self::nothing_at`].
    pub async fn find(&mut self, what: &str, request: Request) -> Result<Option<Value>, Failure> {
        match self.send(request).await? {
            Ok(response) => Ok(response.json.filter(|json| !json.is_null())),
            Err(Error::Api(api)) if api.status == 404 => {
                let has = |body: &Value, key: &str| match &body[key] {
                    Value::Null => false,
                    Value::Array(items) => !items.is_empty(),
                    _ => true,
                };
                if !api.raw && !api.errors.is_empty() {
                    self.missing = Some(format!("the server says: {}", api.errors.join("; ")));
                }
                Ok(api.body.filter(|body| has(body, "data") || has(body, "warnings")))
            }
            Err(error) => Err(self.failure(what, &error).await),
        }
    }

    /// The failure of a command that found nothing.
    pub fn nothing_at(&mut self, what: &str, path: &str) -> Failure {
        let failure = Failure::remote(format!("No {what} found at {path}"));
        match self.missing.take() {
            Some(said) => failure.hint(said),
            None => failure,
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
        let mut headers = vec!["X-Vault-Request: true".to_owned()];
        headers.extend(config.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        if has_token {
            headers.push(format!("X-Vault-Token: $({program} print token)"));
        }
        headers.extend(config.mfa.iter().map(|mfa| format!("X-Vault-Mfa: {mfa}")));
        if config.policy_override {
            headers.push("X-Vault-Policy-Override: true".to_owned());
        }
        if let Some(namespace) = &config.namespace {
            headers.push(format!("X-Vault-Namespace: {}/", namespace.trim_matches('/')));
        }
        if let Some(ttl) = &config.wrap_ttl {
            headers.push(format!("X-Vault-Wrap-Ttl: {ttl}"));
        }
        if request.method() == Method::Patch {
            headers.push("Content-Type: application/merge-patch+json".to_owned());
        }
        headers.sort_unstable();
        let mut text = String::from("curl");
        if config.tls.skip_verify {
            text.push_str(" --insecure");
        }
        if request.method() != Method::Get {
            text.push_str(&format!(" -X {}", request.method()));
        }
        for header in headers {
            text.push_str(&format!(" -H \"{header}\""));
        }
        if let Some(body) = request.body_ref() {
            text.push_str(&format!(" -d '{}'", body.to_string().replace('\'', r#"'"'"'"#)));
        }
        text.push_str(&format!(" \"{}\"", client.url(request)));
        Ok(text)
    }
}

fn policy_text(request: &Request) -> String {
    let mut capabilities = match request.method() {
        Method::Get if request.is_list() => vec!["list"],
        Method::Get => vec!["read"],
        Method::Put | Method::Post => vec!["create", "update"],
        Method::Patch => vec!["patch"],
        Method::Delete => vec!["delete"],
    };
    if needs_sudo(request) {
        capabilities.push("sudo");
    }
    let capabilities: Vec<String> = capabilities.iter().map(|name| format!("{name:?}")).collect();
    let capabilities = format!("[{}]", capabilities.join(", "));
    format!("path \"{}\" {{\n  capabilities = {capabilities}\n}}", request.path())
}

/// Paths the server guards with the sudo capability, besides those where only writing is guarded.
const SUDO: [&str; 15] = [
    "sys/audit",
    "sys/config/auditing",
    "sys/config/cors",
    "sys/config/ui/headers",
    "sys/internal/inspect",
    "sys/leases/lookup/",
    "sys/leases/revoke-force",
    "sys/leases/revoke-prefix",
    "sys/plugins/catalog",
    "sys/raw",
    "sys/remount",
    "sys/rotate",
    "sys/step-down",
    "auth/token/accessors",
    "auth/token/revoke-orphan",
];

fn needs_sudo(request: &Request) -> bool {
    let path = request.path();
    let below = |guarded: &str| {
        let rest = path.strip_prefix(guarded.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && !guarded.ends_with('/')))
    };
    SUDO.iter().any(|guarded| below(guarded)) || (below("sys/auth") && request.method() != Method::Get)
}
