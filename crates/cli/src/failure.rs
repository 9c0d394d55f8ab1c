use lessor_client::Error;

/// A command that did not succeed: exit code, text for stderr, and what to do next.
#[derive(Clone, PartialEq, Debug)]
pub struct Failure {
    pub code: i32,
    pub message: String,
    pub hint: Option<String>,
}

impl Failure {
    /// The caller's mistake: exit code 1.
    pub fn local(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), hint: None }
    }

    /// The server's refusal, or nothing found: exit code 2.
    pub fn remote(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into(), hint: None }
    }

    /// Everything was printed already.
    pub fn quiet(code: i32) -> Self {
        Self { code, message: String::new(), hint: None }
    }

    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// A failed request, `what` being "Error writing data to x", or nothing to show the error alone.
    pub fn request(what: &str, error: &Error, has_token: bool) -> Self {
        let message = if what.is_empty() { error.to_string() } else { format!("{what}: {error}") };
        Self { code: 2, message, hint: hint_for(error, has_token).map(str::to_owned) }
    }
}

fn hint_for(error: &Error, has_token: bool) -> Option<&'static str> {
    match error {
        Error::Api(api) => match api.status {
            _ if api.mentions("is sealed") => Some("unseal the server with \"lessor operator unseal\""),
            400 if api.mentions("not initialized") => Some("initialize the server with \"lessor operator init\""),
            403 if !has_token => Some("no token was sent: run \"lessor login\" or set VAULT_TOKEN"),
            403 => Some(
                "the token may have expired or lack a policy for this path: see \"lessor token lookup\" and \"lessor token capabilities <path>\"",
            ),
            404 if api.mentions("no handler for route") => {
                Some("no engine is mounted there: see \"lessor secrets list\"")
            }
            _ => None,
        },
        Error::Transport { timeout: true, .. } => {
            Some("the server did not answer in time; VAULT_CLIENT_TIMEOUT sets the limit")
        }
        Error::Transport { reason, .. } if reason.contains("InvalidContentType") => {
            Some("the server seems to speak plain HTTP: set VAULT_ADDR to http://...")
        }
        Error::Transport { reason, .. } if reason.contains("invalid peer certificate") => {
            Some("name the server's CA with -ca-cert or VAULT_CACERT")
        }
        Error::Transport { .. } => Some("is the server running there? VAULT_ADDR or -address sets where to look"),
        _ => None,
    }
}
