//! `config`: whose tokens are taken.
use crate::Jwt;
use crate::custom::Custom;
use crate::provider::{Fault, Provider};
use lessor_engine::{Any, CommaList, Context, Error, Object, Params, Reply, Result, Secret, secret};
use lessor_signed_token::KeySet;
use lessor_signed_token::algorithm;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// One key set and who vouches for its server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PublishedKeys {
    pub(crate) jwks_url: String,
    #[serde(default)]
    pub(crate) jwks_ca_pem: String,
}

/// Where the keys come from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// A provider that says where everything is.
    Discovery { url: String, ca_pem: String },
    /// Key sets behind URLs.
    KeySets(Vec<PublishedKeys>),
    /// Keys in PEM.
    Keys(Vec<String>),
}

/// What is stored under `config`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) source: Source,
    /// Whether the one key set was written as `jwks_url`.
    single: bool,
    pub(crate) client_id: String,
    #[serde(with = "secret::at_rest")]
    pub(crate) client_secret: Secret,
    pub(crate) response_mode: String,
    pub(crate) response_types: Vec<String>,
    pub(crate) bound_issuer: String,
    pub(crate) algorithms: Vec<String>,
    pub(crate) default_role: String,
    #[serde(default)]
    pub(crate) custom: Option<Custom>,
    /// Names that servers' certificates may have in place of their addresses'.
    #[serde(default)]
    pub(crate) server_names: Vec<String>,
    pub(crate) namespace_in_state: bool,
}

#[derive(Params)]
pub(crate) struct ConfigParams {
    /// Address of an OpenID provider, without .well-known.
    oidc_discovery_url: String,
    /// Who vouches for that address, in PEM; empty for the system's.
    oidc_discovery_ca_pem: String,
    /// Name of this server at the provider.
    oidc_client_id: String,
    /// Its password there.
    #[param(secret)]
    oidc_client_secret: Secret,
    /// How a browser brings the answer back: `query` or `form_post`.
    oidc_response_mode: String,
    /// What the answer is: `code` or `id_token`.
    oidc_response_types: CommaList,
    /// Address of a JSON web key set.
    jwks_url: String,
    /// Who vouches for that address, in PEM; empty for the system's.
    jwks_ca_pem: String,
    /// Several key sets, as a list of {jwks_url, jwks_ca_pem}.
    jwks_pairs: Any,
    /// Public keys in PEM.
    jwt_validation_pubkeys: CommaList,
    /// Algorithms that are taken; without it RS256 over a browser, and all for tokens that are sent.
    jwt_supported_algs: CommaList,
    /// The issuer that tokens have to name.
    bound_issuer: String,
    /// Role of logins that name none.
    default_role: String,
    /// Settings of a provider with ways of its own: azure, gsuite, secureauth or ibmisam.
    #[param(secret)]
    provider_config: Object,
    /// Names that servers' certificates may have in place of those of their addresses.
    override_allowed_server_names: CommaList,
    /// Critical extensions of certificates that are ignored; not offered by this version.
    unsupported_critical_cert_extensions: CommaList,
    /// Puts the namespace into the state that goes over the browser.
    namespace_in_state: Option<bool>,
    /// Stores addresses that do not answer yet.
    skip_jwks_validation: bool,
}

const KEY: &str = "config";

impl Config {
    /// The configuration.
    ///
    /// # Errors
    /// `could not load configuration` when there is none.
    pub(crate) async fn load(cx: &Context) -> Result<Self> {
        let config = cx.view.get(KEY).await?;
        config.ok_or_else(|| Error::invalid("could not load configuration"))
    }
    /// The role that was asked for, or the default one.
    ///
    /// # Errors
    /// `missing role`.
    pub(crate) fn role_name(&self, asked: &str) -> Result<String> {
        let name = if asked.is_empty() { self.default_role.as_str() } else { asked };
        if name.is_empty() { Err(Error::invalid("missing role")) } else { Ok(name.to_lowercase()) }
    }
    fn key_sets(&self) -> &[PublishedKeys] {
        if let Source::KeySets(sets) = &self.source { sets } else { &[] }
    }
}

fn pairs(sent: &Value) -> Result<Vec<PublishedKeys>> {
    if sent.is_null() {
        return Ok(Vec::new());
    }
    let form = |_| Error::invalid("jwks_pairs is a list of objects with jwks_url and, if needed, jwks_ca_pem");
    Deserialize::deserialize(sent).map_err(form)
}

fn source(sent: &ConfigParams) -> Result<Source> {
    let mut pairs = pairs(&sent.jwks_pairs.0)?;
    if !sent.jwks_url.is_empty() {
        pairs.push(PublishedKeys { jwks_url: sent.jwks_url.clone(), jwks_ca_pem: sent.jwks_ca_pem.clone() });
    }
    let url = &sent.oidc_discovery_url;
    let both = !sent.jwks_url.is_empty() && !sent.jwks_pairs.0.is_null();
    match (url.is_empty(), pairs.is_empty(), sent.jwt_validation_pubkeys.is_empty()) {
        (false, true, true) => Ok(Source::Discovery { url: url.clone(), ca_pem: sent.oidc_discovery_ca_pem.clone() }),
        (true, false, true) if !both => Ok(Source::KeySets(pairs)),
        (true, true, false) => Ok(Source::Keys(sent.jwt_validation_pubkeys.0.clone())),
        _ => Err(Error::invalid(
            "exactly one of 'jwt_validation_pubkeys', 'jwks_url', 'jwks_pairs', 'oidc_discovery_url', or \
             'provider_config' must be set",
        )),
    }
}

fn check_oidc(sent: &ConfigParams) -> Result<()> {
    if sent.oidc_client_id.is_empty() != sent.oidc_client_secret.is_empty() {
        return Err(Error::invalid("both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC"));
    }
    if !sent.oidc_client_id.is_empty() && sent.oidc_discovery_url.is_empty() {
        return Err(Error::invalid("'oidc_discovery_url' must be set for OIDC"));
    }
    let mode = sent.oidc_response_mode.as_str();
    if !matches!(mode, "" | "query" | "form_post") {
        return Err(Error::invalid(format!("invalid response_mode: {mode:?}")));
    }
    let types = &sent.oidc_response_types;
    if types.iter().any(|one| one != "code" && one != "id_token") {
        let text = format!("invalid response_types [{}]. 'code' and 'id_token' are allowed", types.join(" "));
        return Err(Error::invalid(text));
    }
    // A token in an address would stand in histories and logs.
    if types.iter().any(|one| one == "id_token") && mode != "form_post" {
        let mode = if mode.is_empty() { "query" } else { mode };
        return Err(Error::invalid(format!("{mode} response_mode may not be used with an id_token response_type")));
    }
    Ok(())
}

fn check_rest(sent: &ConfigParams) -> Result<()> {
    if let Some(name) = sent.jwt_supported_algs.iter().find(|name| algorithm(name).is_none()) {
        return Err(Error::invalid(format!("invalid jwt_supported_algs: unsupported signing algorithm {name:?}")));
    }
    if !sent.unsupported_critical_cert_extensions.is_empty() {
        let text = "unsupported_critical_cert_extensions is not offered: a certificate has to be understood";
        return Err(Error::invalid(text));
    }
    Ok(())
}

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// The address without what discovery adds to it, and whether somebody had added it.
fn trimmed(url: &mut String) -> bool {
    let Some(at) = url.find(WELL_KNOWN) else { return false };
    url.truncate(at);
    true
}

/// Asks the source once, so that a wrong address is told to whoever writes it; as a warning where it may be wrong yet.
async fn try_out(config: &Config, cx: &Context, unchecked: bool) -> Result<Option<String>> {
    let source = &config.source;
    let fault = match source {
        Source::Keys(texts) if KeySet::from_pem(texts).is_some() => None,
        Source::Keys(_) => {
            let text = "error parsing public key: data does not contain any valid public keys";
            return Err(Error::invalid(text));
        }
        _ => Provider::fetch(source, &config.server_names, cx.now()).await.err(),
    };
    let text = match (fault, source) {
        (None, _) => return Ok(None),
        (Some(Fault::Ca(_)), Source::KeySets(_)) => return Err(Error::invalid("error checking jwks_ca_pem")),
        (Some(fault), Source::KeySets(_)) => format!("error checking jwks URL: {fault}"),
        (Some(fault), _) => format!("error checking oidc discovery URL: {fault}"),
    };
    if unchecked { Ok(Some(text)) } else { Err(Error::invalid(text)) }
}

/// Every write replaces the whole but for namespace_in_state: half a configuration would be one that nobody asked for.
pub(crate) async fn write(_: Arc<Jwt>, cx: Context, mut sent: ConfigParams) -> Result<Reply> {
    let was_longer = trimmed(&mut sent.oidc_discovery_url);
    let source = source(&sent)?;
    check_oidc(&sent)?;
    check_rest(&sent)?;
    let before = cx.view.get::<Config>(KEY).await?.is_none_or(|config| config.namespace_in_state);
    let config = Config {
        single: !sent.jwks_url.is_empty(),
        source,
        client_id: sent.oidc_client_id,
        client_secret: sent.oidc_client_secret,
        response_mode: sent.oidc_response_mode,
        response_types: sent.oidc_response_types.0,
        bound_issuer: sent.bound_issuer,
        algorithms: sent.jwt_supported_algs.0,
        default_role: sent.default_role.to_lowercase(),
        custom: Custom::parse(sent.provider_config.0).await?,
        server_names: sent.override_allowed_server_names.0,
        namespace_in_state: sent.namespace_in_state.unwrap_or(before),
    };
    let warning = try_out(&config, &cx, sent.skip_jwks_validation).await?;
    cx.view.put(KEY, &config).await?;
    let mut reply = Reply::empty();
    if was_longer {
        reply = reply.warn(format!("modifying provided `OIDCDiscoveryURL` to {:?}", sent.oidc_discovery_url));
    }
    Ok(match warning {
        Some(warning) => reply.warn(warning),
        None => reply,
    })
}

pub(crate) async fn read(jwt: Arc<Jwt>, cx: Context, (): ()) -> Result<Reply> {
    let Some(config) = cx.view.get::<Config>(KEY).await? else { return Ok(Reply::missing()) };
    let (url, ca_pem) = match &config.source {
        Source::Discovery { url, ca_pem } => (url.as_str(), ca_pem.as_str()),
        _ => ("", ""),
    };
    let keys: &[String] = if let Source::Keys(keys) = &config.source { keys } else { &[] };
    let one = config.key_sets().first().filter(|_| config.single);
    let several = if config.single { &[] } else { config.key_sets() };
    let provider = Map::new();
    let provider = config.custom.as_ref().map_or(&provider, Custom::show);
    let fault = jwt.providers.get(&cx, &config, None).await.err();
    let reply = Reply::data(json!({
        "bound_issuer": config.bound_issuer,
        "default_role": config.default_role,
        "jwks_ca_pem": one.map_or("", |set| &set.jwks_ca_pem),
        "jwks_pairs": several,
        "jwks_url": one.map_or("", |set| &set.jwks_url),
        "jwt_supported_algs": config.algorithms,
        "jwt_validation_pubkeys": keys,
        "namespace_in_state": config.namespace_in_state,
        "oidc_client_id": config.client_id,
        "oidc_discovery_ca_pem": ca_pem,
        "oidc_discovery_url": url,
        "oidc_response_mode": config.response_mode,
        "oidc_response_types": config.response_types,
        "override_allowed_server_names": config.server_names,
        "provider_config": provider,
        "status": if fault.is_none() { "valid" } else { "invalid" },
        "unsupported_critical_cert_extensions": [],
    }));
    Ok(match fault {
        Some(fault) => reply.warn(format!("failed to construct JWK validator: {fault}")),
        None => reply,
    })
}
