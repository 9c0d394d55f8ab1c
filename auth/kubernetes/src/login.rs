//! The login itself, and what a renewal asks again.
use crate::Kubernetes;
use crate::account::Account;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::roles::{AliasName, Role, key};
use async_trait::async_trait;
use lessor_engine::{Alias, AuthMethod, Context, Error, Login, Params, Renewed, Reply, Result, Secret, glob};
use lessor_label_selector::Selector;
use lessor_signed_token::{Claims, Expected, KeySet, Unverified, audiences, check};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct LoginParams {
    /// Name of the role.
    role: String,
    /// The service account's token.
    #[param(secret)]
    jwt: Secret,
}

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
struct Origin {
    role: String,
}

fn denied(why: impl Into<String>) -> Error {
    Error::Forbidden(why.into())
}

/// What the token says, believed as far as keys are configured.
fn claims(config: &Config, token: &Secret) -> Result<Claims> {
    let refused = |_| denied("permission denied");
    let token = Unverified::parse(token.expose()).map_err(refused)?;
    if config.pem_keys.is_empty() {
        // The cluster is asked about the very same token before anybody is let in.
        return token.claims_unverified().map_err(refused);
    }
    token.verify(&KeySet::from_pem(&config.pem_keys).unwrap_or_default()).map_err(refused)
}

fn check_claims(cx: &Context, config: &Config, role: &Role, claims: &Claims) -> Result<()> {
    let issuer = if config.disable_iss_validation { "" } else { config.issuer.as_str() };
    let audience = [role.audience.clone()];
    let audiences = if role.audience.is_empty() { &[][..] } else { &audience[..] };
    // Tokens in the older form never end.
    let expected = Expected { issuer, audiences, needs_time: false, ..Expected::default() };
    check(claims, "", &expected, cx.now().as_second()).map_err(|fault| denied(fault.to_string()))
}

fn any_fits(patterns: &[String], text: &str) -> bool {
    !text.is_empty() && patterns.iter().any(|pattern| glob::fits(pattern, text))
}

/// Whether the account's namespace is bound, by name or by its labels.
async fn check_namespace(cluster: &Cluster<'_>, role: &Role, account: &Account) -> Result<()> {
    if any_fits(&role.namespaces, &account.namespace) {
        return Ok(());
    }
    if let Ok(selector) = Selector::parse(&role.namespace_selector)
        && selector.fits(&cluster.labels(&account.namespace).await?)
    {
        return Ok(());
    }
    Err(denied("namespace not authorized"))
}

pub(crate) async fn login(_: Arc<Kubernetes>, cx: Context, sent: LoginParams) -> Result<Reply> {
    if sent.role.is_empty() {
        return Err(Error::invalid("missing role"));
    }
    if sent.jwt.is_empty() {
        return Err(Error::invalid("missing jwt"));
    }
    let name = sent.role.to_lowercase();
    let role: Option<Role> = cx.view.get(&key(&name)).await?;
    let role = role.ok_or_else(|| Error::invalid(format!("invalid role name {:?}", sent.role)))?;
    if !role.token.settings.admits(cx.connection.address) {
        return Err(denied("permission denied"));
    }
    let config = Config::load(&cx).await?;
    let claims = claims(&config, &sent.jwt)?;
    check_claims(&cx, &config, &role, &claims)?;
    let account = Account::of(&claims);
    if !any_fits(&role.names, &account.name) {
        return Err(denied("service account name not authorized"));
    }
    let reviewer = config.reviewer(&sent.jwt).await;
    let cluster = Cluster { config: &config, http: config.http().await?, reviewer };
    check_namespace(&cluster, &role, &account).await?;
    // The cluster names the audiences it took the token for only when it is asked for some: the role's, or the token's.
    let own = audiences(&claims).map_err(|fault| denied(fault.to_string()))?;
    let wanted = if role.audience.is_empty() { own } else { vec![role.audience.as_str()] };
    cluster.review(&sent.jwt, &account, &wanted).await?;
    Ok(Reply::login(made(name, &role, account)))
}

fn made(name: String, role: &Role, account: Account) -> Login {
    let alias = match role.alias_name {
        AliasName::Uid => account.uid.clone(),
        AliasName::Name => format!("{}/{}", account.namespace, account.name),
    };
    let display_name = format!("{}-{}", account.namespace, account.name);
    let mut metadata = BTreeMap::from([
        ("service_account_name".to_owned(), account.name),
        ("service_account_namespace".to_owned(), account.namespace),
        ("service_account_secret_name".to_owned(), account.secret),
        ("service_account_uid".to_owned(), account.uid),
    ]);
    let alias = Alias { name: alias, metadata: metadata.clone() };
    metadata.insert("role".to_owned(), name.clone());
    Login {
        display_name,
        alias: Some(alias),
        groups: Vec::new(),
        metadata,
        token: role.token.settings.clone(),
        renewal: json!(Origin { role: name.clone() }),
        role: name,
        renewable: true,
    }
}

pub(crate) struct Renewal;

#[async_trait]
impl AuthMethod for Renewal {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        let origin = Origin::deserialize(renewal)?;
        let role: Option<Role> = cx.view.get(&key(&origin.role)).await?;
        let gone = || Error::invalid(format!("role {} does not exist during renewal", origin.role));
        Ok(Renewed { token: role.ok_or_else(gone)?.token.settings, same_policies: false, groups: None })
    }
}
