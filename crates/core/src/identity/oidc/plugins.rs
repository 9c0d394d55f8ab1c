//! Tokens that a mount shows to a platform instead of a stored secret (workload identity federation), and what a
//! platform needs to check them. Claims as Vault's plugins send them.
use super::{CONFIG, Config, issuer, keys};
use crate::active::Active;
use crate::identity::paths::Endpoints;
use crate::identity::{Identity, Open};
use crate::mount::{Mounts, entry::Entry};
use crate::policy::template::{PathTemplate, Switches};
use crate::settings::Settings;
use async_trait::async_trait;
use lessor_engine::{Context, Error, IdentityTokens, Paths, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("oidc/plugins/.well-known/keys", "The public keys of mounts' tokens.", |path| path.read(key_set).open())
        .path("oidc/plugins/.well-known/openid-configuration", "What a platform needs to know.", |path| {
            path.read(discovery).open()
        })
}

/// The tokens of one mount. An engine may keep them: the mount is looked up with every token.
pub(crate) struct MountTokens {
    identity: Arc<Identity>,
    /// The mounts keep the engines, and an engine may keep this.
    mounts: Weak<Mounts>,
    settings: Arc<Settings>,
    uuid: String,
    namespace_id: String,
}

impl MountTokens {
    pub(crate) fn new(active: &Active, entry: &Entry) -> Self {
        Self {
            identity: Arc::clone(&active.identity),
            mounts: Arc::downgrade(&active.mounts),
            settings: Arc::clone(&active.settings),
            uuid: entry.uuid.clone(),
            namespace_id: active.namespaces.id_of(&entry.namespace),
        }
    }
    /// The claims that say who the mount is.
    fn about(&self, entry: &Entry) -> Map<String, Value> {
        let class = if entry.is_auth() { "auth" } else { "secret" };
        let mount = json!({
            "accessor": entry.accessor,
            "class": class,
            "local": entry.local,
            "namespace_id": self.namespace_id,
            "namespace_path": entry.namespace,
            "path": entry.path.trim_start_matches("auth/"),
            "plugin": entry.kind,
            "version": format!("v{}+builtin", self.settings.version),
        });
        let subject = format!("plugin-identity:{}:{class}:{}", self.namespace_id, entry.accessor);
        Map::from_iter([("sub".to_owned(), json!(subject)), ("vaultproject.io".to_owned(), mount)])
    }
}

#[async_trait]
impl IdentityTokens for MountTokens {
    async fn mint(&self, audience: &str, ttl: Duration) -> Result<Secret> {
        let mounted = self.mounts.upgrade().and_then(|mounts| mounts.by_uuid(&self.uuid));
        let mounted = mounted.ok_or_else(|| Error::Internal("the mount is gone, so it gets no token".to_owned()))?;
        let entry = &mounted.entry;
        let name = key_name(entry);
        let key = self.identity.usable_key(&entry.namespace, name).await?;
        let missing = || {
            let path = &entry.path;
            Error::invalid(format!("identity_token_key of {path}: there is no key {name:?} at identity/oidc/key"))
        };
        let key = key.ok_or_else(missing)?;
        if !key.allows(audience) {
            return Err(Error::invalid(format!(
                "the key {name:?} does not list the audience {audience:?} in allowed_client_ids"
            )));
        }
        if ttl.as_secs() > key.verification_ttl {
            return Err(Error::invalid(format!(
                "a token of {} s would outlive the key {name:?}, whose verification_ttl is {} s",
                ttl.as_secs(),
                key.verification_ttl
            )));
        }
        let mut tx = self.identity.begin(&entry.namespace);
        let config = tx.get::<Config>(CONFIG).await?.unwrap_or_default();
        let issuer = plugin_issuer(&config.base(&self.settings), &entry.namespace);
        let mut claims = self.about(entry);
        let now = tx.now.as_second();
        claims.extend(Map::from_iter([
            ("iss".to_owned(), json!(issuer)),
            ("aud".to_owned(), json!([audience])),
            ("iat".to_owned(), json!(now)),
            ("nbf".to_owned(), json!(now)),
            ("exp".to_owned(), json!(now.saturating_add_unsigned(ttl.as_secs()))),
        ]));
        Ok(Secret::new(key.signing()?.sign(&claims)?))
    }
    async fn fill(&self, entity_id: &str, template: &str, wildcards: bool) -> Result<Option<String>> {
        let mounted = self.mounts.upgrade().and_then(|mounts| mounts.by_uuid(&self.uuid));
        let (Some(mounted), Ok(parsed)) = (mounted, PathTemplate::parse(template)) else { return Ok(None) };
        let switches = Switches { wildcards, slashes: true };
        // Whoever asks may come from a namespace above the mount's.
        let mut namespace = mounted.entry.namespace.as_str();
        loop {
            if let Some(subject) = self.identity.subject(namespace, entity_id).await? {
                return Ok(parsed.resolve(Some(&subject), switches).map(std::borrow::Cow::into_owned));
            }
            if namespace.is_empty() {
                return Ok(None);
            }
            let above = namespace.trim_end_matches('/').rfind('/').map_or(0, |slash| slash + 1);
            namespace = &namespace[..above];
        }
    }
}

/// The key that signs for a mount.
fn key_name(entry: &Entry) -> &str {
    let name = entry.config.identity_token_key.as_str();
    if name.is_empty() { keys::DEFAULT } else { name }
}

fn plugin_issuer(base: &str, namespace: &str) -> String {
    format!("{}/plugins", issuer(base, namespace))
}

async fn key_set(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let names: BTreeSet<String> = open.signing_keys(&cx.namespace);
    let names: Vec<String> = names.into_iter().collect();
    Ok(Reply::bare(200, keys::key_set(&open, &cx.namespace, &names).await?))
}

async fn discovery(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let open = at.open()?;
    let base = open.issuer_base(&mut open.begin(&cx.namespace)).await?;
    let issuer = plugin_issuer(&base, &cx.namespace);
    Ok(Reply::bare(
        200,
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/keys"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": crate::jwt::ALGORITHMS,
        }),
    ))
}

impl Open {
    /// The names of the keys that sign for the mounts of a namespace.
    fn signing_keys(&self, namespace: &str) -> BTreeSet<String> {
        let mut names = BTreeSet::from([keys::DEFAULT.to_owned()]);
        names.extend(self.mounts_of(namespace).iter().map(|mounted| key_name(&mounted.entry).to_owned()));
        names
    }
}
