//! The token of a login: whoever an auth method let in gets it, an orphan with the role's settings.
use super::record::{Kind, Origin, Token};
use crate::active::Active;
use crate::lease::ttl::{Bounds, effective};
use crate::mount::Mounted;
use ipnet::IpNet;
use lessor_engine::{Context, Error, Login, Result, Secret, TokenKind, TokenSettings};
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

impl Active {
    /// Makes the token of a login. `path` is the whole request path.
    ///
    /// # Errors
    /// When the caller's address is not bound in, the settings ask for a root token, or storage fails.
    pub async fn log_in(&self, mounted: &Mounted, cx: &Context, login: Login, path: &str) -> Result<LoggedIn> {
        let settings = &login.token;
        if !settings.admits(cx.connection.address) {
            return Err(Error::Forbidden("permission denied".to_owned()));
        }
        let now = self.now();
        let term = effective(&bounds(settings, cx), now, now)?;
        let kind = kind(settings, mounted.entry.config.token_type);
        let token = Token {
            policies: policies(settings)?,
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
            origin: Some(Origin { mount: mounted.entry.uuid.clone(), renewal: login.renewal }),
            namespace: cx.namespace.clone(),
            ..Token::new(now, path)
        };
        let (token, text) = self.tokens.create(token, &self.namespace_suffix(&cx.namespace)).await?;
        if token.kind == Kind::Batch {
            return Ok(LoggedIn { token, text, warnings: term.warning.into_iter().collect() });
        }
        if let Some(due) = token.due() {
            self.wake_for(&due);
        }
        Ok(LoggedIn { token, text, warnings: term.warning.into_iter().collect() })
    }
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
