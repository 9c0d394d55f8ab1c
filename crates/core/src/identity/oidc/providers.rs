//! Providers: an issuer with the clients and scopes it serves.
use super::clients::settle;
use super::{ISSUER_WARNING, check_issuer, issuer, keys, template};
use crate::identity::Open;
use crate::identity::paths::{Endpoints, given};
use crate::identity::tx::Tx;
use crate::jwt::ALGORITHMS;
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("oidc/provider", "Lists the providers.", |path| path.list(list))
        .path("oidc/provider/{name}/.well-known/keys", "The public keys.", |path| path.read(key_set).open())
        .path("oidc/provider/{name}/.well-known/openid-configuration", "What a client needs to know.", |path| {
            path.read(discovery).open()
        })
        .path("oidc/provider/{name}", "Writes, reads and deletes a provider.", |path| {
            path.read(read).write(write).delete(delete)
        })
}

/// The provider that is always there.
const DEFAULT: &str = "default";

/// A provider.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Provider {
    issuer: String,
    pub allowed_client_ids: Vec<String>,
    pub scopes: Vec<String>,
}

impl Provider {
    pub fn allows(&self, client_id: &str) -> bool {
        self.allowed_client_ids.iter().any(|id| id == "*" || id == client_id)
    }
}

fn key(name: &str) -> String {
    format!("oidc/provider/{name}")
}

impl Tx {
    pub(super) async fn oidc_provider(&mut self, name: &str) -> Result<Option<Provider>> {
        let stored = self.get(&key(name)).await?;
        let default = || Provider { allowed_client_ids: vec!["*".to_owned()], ..Provider::default() };
        Ok(stored.or_else(|| (name == DEFAULT).then(default)))
    }
}

impl Open {
    /// Where the server is reached by the provider's clients, and its full issuer.
    pub(super) async fn provider_issuer(
        &self,
        tx: &mut Tx,
        name: &str,
        provider: &Provider,
    ) -> Result<(String, String)> {
        let base = if provider.issuer.is_empty() { self.issuer_base(tx).await? } else { provider.issuer.clone() };
        let full = format!("{}/provider/{name}", issuer(&base, &tx.namespace));
        Ok((base, full))
    }
    async fn show(&self, tx: &mut Tx, name: &str, provider: &Provider) -> Result<Value> {
        Ok(json!({
            "allowed_client_ids": provider.allowed_client_ids,
            "issuer": self.provider_issuer(tx, name, provider).await?.1,
            "scopes_supported": provider.scopes,
        }))
    }
}

#[derive(Params)]
struct Named {
    /// Name of the provider.
    name: String,
}

#[derive(Params)]
struct Write {
    /// Name of the provider.
    name: String,
    /// Scheme, host and port of the issuer; empty for the server's own address.
    issuer: Option<String>,
    /// Client ids that may use it; `*` for all.
    allowed_client_ids: Option<CommaList>,
    /// Scopes that clients may ask for.
    scopes_supported: Option<CommaList>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    let mut tx = at.open()?.begin(&cx.namespace);
    let mut provider = tx.oidc_provider(&write.name).await?.unwrap_or_default();
    let explicit = write.issuer.as_ref().is_some_and(|issuer| !issuer.is_empty());
    if let Some(issuer) = write.issuer {
        if !issuer.is_empty() {
            check_issuer(&issuer)?;
        }
        provider.issuer = issuer;
    }
    let unique = |list: CommaList| list.0.into_iter().collect::<BTreeSet<String>>().into_iter().collect();
    if let Some(ids) = write.allowed_client_ids {
        provider.allowed_client_ids = unique(ids);
    }
    if let Some(scopes) = write.scopes_supported {
        provider.scopes = unique(scopes);
    }
    let conflict = conflict(&mut tx, &provider.scopes).await?;
    tx.put(key(&write.name), &provider)?;
    let mut reply = settle(tx).await?;
    if explicit {
        reply = reply.warn(ISSUER_WARNING);
    }
    Ok(match conflict {
        Some(text) => reply.warn(text),
        None => reply,
    })
}

/// What to warn of where two scopes set the same claim.
async fn conflict(tx: &mut Tx, scopes: &[String]) -> Result<Option<String>> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    let mut found = None;
    for name in scopes {
        let scope = tx.oidc_scope(name).await?;
        let scope = scope.ok_or_else(|| Error::invalid(format!("scope {name:?} does not exist")))?;
        for claim in template::check(&scope.template)? {
            if let Some(other) = seen.insert(claim.clone(), name) {
                found = Some(format!(
                    "Found scope templates with conflicting top-level keys: conflict {claim:?} in scopes {name:?}, \
                     {other:?}. This may result in an error if the scopes are requested in an OIDC Authentication \
                     Request."
                ));
            }
        }
    }
    Ok(found)
}

async fn read(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(provider) = tx.oidc_provider(&named.name).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(open.show(&mut tx, &named.name, &provider).await?))
}

#[derive(Params)]
struct Filter {
    /// Only providers that this client may use.
    allowed_client_id: Option<String>,
}

async fn list(at: Arc<Endpoints>, cx: Context, filter: Filter) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let mut names: BTreeSet<String> = tx.names("oidc/provider/").await?.into_iter().collect();
    names.insert(DEFAULT.to_owned());
    let wanted = given(filter.allowed_client_id);
    let (mut keys, mut info) = (Vec::<Value>::new(), Map::new());
    for name in names {
        let Some(provider) = tx.oidc_provider(&name).await? else { continue };
        if wanted.as_ref().is_none_or(|id| provider.allows(id)) {
            info.insert(name.clone(), open.show(&mut tx, &name, &provider).await?);
            keys.push(name.into());
        }
    }
    Ok(Reply::data(json!({ "key_info": info, "keys": keys })))
}

async fn delete(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    if named.name == DEFAULT {
        return Err(Error::invalid("deletion of OIDC provider \"default\" not allowed"));
    }
    let mut tx = at.open()?.begin(&cx.namespace);
    tx.delete(key(&named.name));
    settle(tx).await
}

async fn key_set(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(provider) = tx.oidc_provider(&named.name).await? else { return Ok(Reply::missing()) };
    let clients = tx.all::<super::clients::Client>("oidc/client/").await?;
    let served = clients.into_iter().filter(|(_, client)| provider.allows(&client.client_id));
    let names: BTreeSet<String> = served.map(|(_, client)| client.key).collect();
    for name in &names {
        // A key that has not signed yet has nothing to publish until it has a pair.
        open.usable_key(&cx.namespace, name).await?;
    }
    let names: Vec<String> = names.into_iter().collect();
    Ok(Reply::bare(200, keys::key_set(&open, &cx.namespace, &names).await?))
}

async fn discovery(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let Some(provider) = tx.oidc_provider(&named.name).await? else { return Ok(Reply::missing()) };
    let (base, issuer) = open.provider_issuer(&mut tx, &named.name, &provider).await?;
    let mut scopes = provider.scopes;
    scopes.push("openid".to_owned());
    let name = &named.name;
    Ok(Reply::bare(
        200,
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/keys"),
            "authorization_endpoint": format!("{base}/ui/vault/{}identity/oidc/provider/{name}/authorize", cx.namespace),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "id_token_signing_alg_values_supported": ALGORITHMS,
            "response_types_supported": ["code"],
            "scopes_supported": scopes,
            "claims_supported": [],
            "subject_types_supported": ["public"],
            "grant_types_supported": ["authorization_code"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        }),
    ))
}
