//! The token of a login: whoever an auth method let in gets it, an orphan with the role's settings.
use super::record::{Kind, Origin, Token};
use crate::active::Active;
use crate::identity::LoginAt;
use crate::identity::mfa::{Proofs, Requirement};
use crate::lease::ttl::{Bounds, effective};
use crate::mount::Mounted;
use ipnet::IpNet;
use lessor_engine::{Context, Error, Login, Result, Secret, TokenKind, TokenSettings};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// A token that was just made.
pub struct LoggedIn {
    /// Its record.
    pub token: Token,
    /// Its text.
    pub text: Secret,
    /// Shown to the caller.
    pub warnings: Vec<String>,
}

/// How a login ends.
pub enum LoginEnd {
    /// With a token.
    Token(Box<LoggedIn>),
    /// With a second step to do at `sys/mfa/validate`: the `auth` of the answer, and what to tell people.
    Mfa(Value, &'static str),
}

/// What is told with an `auth` that holds no token yet.
const VALIDATE: &str = "A login request was issued that is subject to MFA validation. Please make sure to validate the \
                        login by sending another request to mfa/validate endpoint.";

impl Active {
    /// Makes the token of a login, or asks for its second step. `path` is the whole request path; `proofs` came with
    /// the request.
    ///
    /// # Errors
    /// When the caller's address is not bound in, the entity is disabled, a proof is wrong, the settings ask for a root
    /// token, or storage fails.
    pub async fn log_in(
        &self,
        mounted: &Mounted,
        cx: &Context,
        login: Login,
        path: &str,
        proofs: &Proofs,
    ) -> Result<LoginEnd> {
        let settings = &login.token;
        if !settings.admits(cx.connection.address) {
            return Err(Error::Forbidden("permission denied".to_owned()));
        }
        let now = self.now();
        let term = effective(&bounds(settings, cx), now, now)?;
        let kind = kind(settings, mounted.entry.config.token_type);
        let policies = policies(settings)?;
        let at = login_at(mounted, cx);
        let entity_id = match &login.alias {
            Some(alias) => self.identity.on_login(&at, alias, &login.groups).await?.entity_id,
            None => String::new(),
        };
        let token = Token {
            policies,
            entity_id: entity_id.clone(),
            meta: login.metadata,
            display_name: display_name(mounted, &login.display_name),
            creation_ttl: term.ttl.as_secs(),
            expires: Some(now + term.ttl),
            explicit_max_ttl: settings.explicit_max_ttl,
            period: settings.period,
            num_uses: i64::from(settings.num_uses),
            renewable: login.renewable && kind == Kind::Service,
            kind,
            bound_cidrs: bound_cidrs(settings, cx),
            origin: Some(Origin { mount: mounted.entry.uuid.clone(), renewal: login.renewal, role: login.role }),
            namespace: cx.namespace.clone(),
            ..Token::new(now, path)
        };
        if !entity_id.is_empty()
            && let Some(requirement) = self.identity.mfa_requirement(&at, &entity_id).await?
        {
            if proofs.is_empty() {
                let request = self.identity.mfa_park(&at, &requirement, &serde_json::to_value(&token)?).await?;
                return Ok(LoginEnd::Mfa(unfinished(&requirement, &request), VALIDATE));
            }
            // Who gives a wrong code in one step learns no more than who gives a wrong password.
            let checked = self.identity.mfa_check(at.namespace, &requirement, proofs).await;
            checked.map_err(|error| match error {
                Error::Forbidden(_) => Error::Forbidden("permission denied".to_owned()),
                other => other,
            })?;
        }
        let made = self.hand_out(token, &cx.namespace, term.warning).await?;
        Ok(LoginEnd::Token(Box::new(made)))
    }
    /// The second step of a login.
    ///
    /// # Errors
    /// When there is no such login, or a proof is wrong.
    pub async fn finish_login(&self, namespace: &str, request: &str, proofs: &Proofs) -> Result<LoggedIn> {
        let pending = self.identity.mfa_finish(namespace, request, proofs).await?;
        let waiting: Token = serde_json::from_value(pending.payload)?;
        let now = self.now();
        let fresh = Token::new(now, waiting.path.clone());
        let expires = now + Duration::from_secs(waiting.creation_ttl);
        let token = Token { accessor: fresh.accessor, created: now, expires: Some(expires), ..waiting };
        self.hand_out(token, namespace, None).await
    }
    async fn hand_out(&self, token: Token, namespace: &str, warning: Option<String>) -> Result<LoggedIn> {
        let (token, text) = self.tokens.create(token, &self.namespace_suffix(namespace)).await?;
        if let Some(mounted) = token.origin.as_ref().and_then(|origin| self.mounts.by_uuid(&origin.mount)) {
            crate::metrics::count_token(&mounted.entry.kind, &mounted.entry.path, &token);
        }
        if let Some(due) = token.due().filter(|_| token.kind == Kind::Service) {
            self.wake_for(&due);
        }
        Ok(LoggedIn { token, text, warnings: warning.into_iter().collect() })
    }
}

/// The mount as identity knows it.
pub fn login_at<'a>(mounted: &'a Mounted, cx: &'a Context) -> LoginAt<'a> {
    let entry = &mounted.entry;
    LoginAt { namespace: &cx.namespace, accessor: &entry.accessor, path: &entry.path, kind: &entry.kind }
}

/// The `auth` of a login that waits for its second step.
fn unfinished(requirement: &Requirement, request: &str) -> Value {
    json!({
        "client_token": "", "accessor": "", "policies": Value::Null, "metadata": Value::Null, "lease_duration": 0,
        "renewable": false, "entity_id": "", "token_type": "default", "orphan": false,
        "mfa_requirement": requirement.show(request), "num_uses": 0,
    })
}

/// A mount that says `service` or `batch` decides; else the role does, and where it leaves it open the mount's default.
/// What only service tokens can do makes one of them.
fn kind(settings: &TokenSettings, mount: TokenKind) -> Kind {
    let batch = match (mount, settings.kind) {
        (TokenKind::Service, _) => false,
        (TokenKind::Batch, _) => true,
        (_, TokenKind::Service | TokenKind::DefaultService) => false,
        (_, TokenKind::Batch | TokenKind::DefaultBatch) => true,
        (mount, TokenKind::Default) => mount == TokenKind::DefaultBatch,
    };
    let service_only = settings.num_uses > 0 || settings.period > 0;
    if batch && !service_only { Kind::Batch } else { Kind::Service }
}

fn bounds(settings: &TokenSettings, cx: &Context) -> Bounds {
    let set = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
    Bounds {
        role: set(settings.ttl),
        role_max: set(settings.max_ttl),
        explicit_max: set(settings.explicit_max_ttl),
        period: set(settings.period),
        default: cx.mount.default_ttl,
        max: cx.mount.max_ttl,
        ..Bounds::default()
    }
}

fn policies(settings: &TokenSettings) -> Result<Vec<String>> {
    let mut names: BTreeSet<String> = settings.policies.iter().cloned().collect();
    if names.contains("root") {
        return Err(Error::invalid("auth methods cannot create root tokens"));
    }
    if !settings.no_default_policy {
        names.insert("default".to_owned());
    }
    Ok(names.into_iter().collect())
}

fn bound_cidrs(settings: &TokenSettings, cx: &Context) -> Vec<IpNet> {
    match cx.connection.address {
        Some(address) if settings.strictly_bind_ip => vec![IpNet::from(address)],
        _ => settings.bound_cidrs.clone(),
    }
}

/// `userpass-bob` at `auth/userpass/`.
fn display_name(mounted: &Mounted, name: &str) -> String {
    let mount = mounted.entry.path.trim_start_matches("auth/").trim_end_matches('/').replace('/', "-");
    if name.is_empty() { mount } else { format!("{mount}-{name}") }
}
