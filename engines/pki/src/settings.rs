//! `config/issuers`, `config/keys`, `config/urls`, `config/cluster`, `config/crl`.
use crate::Engine;
use crate::ca::{Ca, Record};
use crate::template::Urls;
use lessor_engine::{Changes, CommaList, Context, Error, Params, Reply, Result, Seconds, duration};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// Addresses of the mount, or of one issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct UrlsConfig {
    pub(crate) issuing_certificates: Vec<String>,
    pub(crate) crl_distribution_points: Vec<String>,
    pub(crate) ocsp_servers: Vec<String>,
    pub(crate) delta_crl_distribution_points: Vec<String>,
    pub(crate) enable_templating: bool,
}

impl UrlsConfig {
    pub(crate) fn is_empty(&self) -> bool {
        self.issuing_certificates.is_empty()
            && self.crl_distribution_points.is_empty()
            && self.ocsp_servers.is_empty()
            && self.delta_crl_distribution_points.is_empty()
    }
    /// Refuses what is no address.
    pub(crate) fn check(&self) -> Result<()> {
        let lists = [
            ("issuing_certificates", &self.issuing_certificates),
            ("crl_distribution_points", &self.crl_distribution_points),
            ("ocsp_servers", &self.ocsp_servers),
            ("delta_crl_distribution_points", &self.delta_crl_distribution_points),
        ];
        for (field, url) in lists.iter().flat_map(|(field, urls)| urls.iter().map(move |url| (field, url))) {
            let filled = fill(url, "x", "https://a", "https://a");
            let fits = if self.enable_templating { is_url(&filled) } else { is_url(url) };
            if !fits {
                return Err(Error::invalid(format!(
                    "invalid URL found in Authority Information Access (AIA) parameter {field}: {url}"
                )));
            }
        }
        Ok(())
    }
    /// With templates filled in.
    ///
    /// # Errors
    /// When a template needs a setting that is not there.
    pub(crate) fn resolve(&self, cluster: &Cluster, issuer_id: &str) -> Result<Urls> {
        let one = |url: &String| {
            if !self.enable_templating {
                return Ok(url.clone());
            }
            for (name, value) in [("cluster_path", &cluster.path), ("cluster_aia_path", &cluster.aia_path)] {
                if url.contains(&format!("{{{{{name}}}}}")) && value.is_empty() {
                    let field = if name == "cluster_path" { "path" } else { "aia_path" };
                    return Err(Error::invalid(format!(
                        "unable to fill in the AIA URL {url:?}: {field} of config/cluster is not set"
                    )));
                }
            }
            Ok(fill(url, issuer_id, &cluster.path, &cluster.aia_path))
        };
        let all = |urls: &Vec<String>| urls.iter().map(one).collect::<Result<Vec<_>>>();
        Ok(Urls {
            issuing_certificates: all(&self.issuing_certificates)?,
            crl_distribution_points: all(&self.crl_distribution_points)?,
            ocsp_servers: all(&self.ocsp_servers)?,
            delta_crl_distribution_points: all(&self.delta_crl_distribution_points)?,
        })
    }
}

fn fill(url: &str, issuer_id: &str, path: &str, aia_path: &str) -> String {
    url.replace("{{issuer_id}}", issuer_id).replace("{{cluster_path}}", path).replace("{{cluster_aia_path}}", aia_path)
}

fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| url.has_host()) && text.is_ascii()
}

/// Where this cluster is found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Cluster {
    pub(crate) path: String,
    pub(crate) aia_path: String,
}

/// How revocations are published. Durations are kept as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CrlConfig {
    pub(crate) expiry: String,
    pub(crate) disable: bool,
    pub(crate) ocsp_disable: bool,
    pub(crate) ocsp_expiry: String,
    pub(crate) auto_rebuild: bool,
    pub(crate) auto_rebuild_grace_period: String,
    pub(crate) enable_delta: bool,
    pub(crate) delta_rebuild_interval: String,
    pub(crate) allow_expired_cert_revocation: bool,
    pub(crate) max_crl_entries: i64,
}

impl Default for CrlConfig {
    fn default() -> Self {
        Self {
            expiry: "72h".to_owned(),
            disable: false,
            ocsp_disable: false,
            ocsp_expiry: "12h".to_owned(),
            auto_rebuild: false,
            auto_rebuild_grace_period: "12h".to_owned(),
            enable_delta: false,
            delta_rebuild_interval: "15m".to_owned(),
            allow_expired_cert_revocation: false,
            max_crl_entries: 100_000,
        }
    }
}

/// Whole seconds of a duration that was checked when it was written.
pub(crate) fn seconds(text: &str) -> i64 {
    duration::parse(text).ok().and_then(|parsed| i64::try_from(parsed.as_secs()).ok()).unwrap_or_default()
}

fn duration_of(field: &str, text: &str) -> Result<()> {
    let parsed = duration::parse(text);
    parsed.map(|_| ()).map_err(|why| Error::invalid(format!("given {field} could not be decoded: {why}")))
}

impl CrlConfig {
    fn check(&self) -> Result<()> {
        for (field, text) in [
            ("expiry", &self.expiry),
            ("ocsp_expiry", &self.ocsp_expiry),
            ("auto_rebuild_grace_period", &self.auto_rebuild_grace_period),
            ("delta_rebuild_interval", &self.delta_rebuild_interval),
        ] {
            duration_of(field, text)?;
        }
        let expiry = seconds(&self.expiry);
        if expiry < 1 {
            return Err(Error::invalid("expiry must be one second or more"));
        }
        if self.auto_rebuild && seconds(&self.auto_rebuild_grace_period) >= expiry {
            return Err(Error::invalid(format!(
                "CRL auto-rebuilding grace period ({}) must be strictly shorter than CRL expiry ({}) value when auto-rebuilding of CRLs is enabled",
                self.auto_rebuild_grace_period, self.expiry
            )));
        }
        if self.enable_delta && seconds(&self.delta_rebuild_interval) >= expiry {
            return Err(Error::invalid(format!(
                "CRL delta rebuild window ({}) must be strictly shorter than CRL expiry ({}) value when delta CRLs are enabled",
                self.delta_rebuild_interval, self.expiry
            )));
        }
        if self.enable_delta && !self.auto_rebuild {
            return Err(Error::invalid(
                "Delta CRLs cannot be enabled when auto rebuilding is disabled as the complete CRL is always regenerated!",
            ));
        }
        if self.max_crl_entries == 0 || self.max_crl_entries < -1 {
            return Err(Error::invalid("max_crl_entries must be -1 (no limit) or a positive number"));
        }
        Ok(())
    }
    fn show(&self) -> Value {
        // A record of plain fields is always an object.
        serde_json::to_value(self).unwrap_or_default()
    }
}

#[derive(Params)]
pub(crate) struct Defaults {
    /// Reference (name or id) to what is to be the default.
    default: Option<String>,
    /// Whether an issuer that is generated or imported with its key becomes the default.
    default_follows_latest_issuer: Option<bool>,
}

#[derive(Params)]
pub(crate) struct Replace {
    /// Reference (name or id) to the issuer that is to be the default.
    #[param(default = "next")]
    default: String,
}

#[derive(Params)]
pub(crate) struct KeyDefault {
    /// Reference (name or id) to the key that is to be the default.
    default: String,
}

#[derive(Params)]
pub(crate) struct UrlsParams {
    /// URLs of the issuer's certificate.
    issuing_certificates: Option<CommaList>,
    /// URLs of the revocation list.
    crl_distribution_points: Option<CommaList>,
    /// URLs of OCSP responders.
    ocsp_servers: Option<CommaList>,
    /// URLs of the delta revocation list.
    delta_crl_distribution_points: Option<CommaList>,
    /// Whether `{{issuer_id}}`, `{{cluster_path}}` and `{{cluster_aia_path}}` are filled in.
    enable_templating: Option<bool>,
}

#[derive(Params)]
pub(crate) struct ClusterParams {
    /// This cluster's URL of the mount, such as `https://host:8200/v1/pki`.
    path: Option<String>,
    /// URL of the mount for certificates, lists and OCSP only; may be plain HTTP.
    aia_path: Option<String>,
}

#[derive(Params)]
pub(crate) struct CrlParams {
    /// How long a revocation list is valid.
    expiry: Option<String>,
    /// Whether an empty list is published instead.
    disable: Option<bool>,
    /// Whether OCSP answers `unauthorized`.
    ocsp_disable: Option<bool>,
    /// How long an OCSP answer is valid; 0 says nothing about it.
    ocsp_expiry: Option<String>,
    /// Whether lists are built on a schedule instead of at each revocation.
    auto_rebuild: Option<bool>,
    /// How long before its end a list is built anew.
    auto_rebuild_grace_period: Option<String>,
    /// Whether delta lists are built.
    enable_delta: Option<bool>,
    /// How often delta lists are built.
    delta_rebuild_interval: Option<String>,
    /// Whether expired certificates can be revoked.
    allow_expired_cert_revocation: Option<bool>,
    /// The longest list that is built; -1 for no limit.
    max_crl_entries: Option<i64>,
}

fn show_issuers(record: &Record) -> Value {
    json!({
        "default": record.default_issuer,
        "default_follows_latest_issuer": record.default_follows_latest_issuer,
    })
}

pub(crate) async fn read_issuers(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(show_issuers(&engine.ca(&cx).await?.record)))
}

fn make_default(ca: &Ca, record: &mut Record, reference: &str) -> Result<Option<String>> {
    if reference.is_empty() || reference == "default" {
        return Err(Error::invalid("Invalid issuer specification; must be non-empty and can't be 'default'."));
    }
    let found = ca.find_issuer(reference);
    let found = found.ok_or_else(|| {
        Error::invalid(format!(
            "Error resolving issuer reference: unable to find PKI issuer for reference: {reference}"
        ))
    })?;
    record.default_issuer.clone_from(&found.record.id);
    Ok(found.key.is_none().then(|| {
        "This selected default issuer has no key associated with it. Some operations like issuing certificates and \
         signing CRLs will be unavailable with the requested default issuer until a key is imported or the default \
         issuer is changed."
            .to_owned()
    }))
}

async fn write_default(engine: &Engine, cx: &Context, reference: Option<&str>, follows: Option<bool>) -> Result<Reply> {
    let (shown, warning) = engine
        .change(cx, |ca, record| {
            let warning = match reference {
                Some(reference) => make_default(ca, record, reference)?,
                None => None,
            };
            record.default_follows_latest_issuer = follows.unwrap_or(record.default_follows_latest_issuer);
            Ok(((show_issuers(record), warning), Changes::new()))
        })
        .await?;
    let mut reply = Reply::data(shown);
    reply.warnings.extend(warning);
    reply.warnings.extend(engine.rebuild_or_warn(cx).await);
    Ok(reply)
}

pub(crate) async fn write_issuers(engine: Arc<Engine>, cx: Context, asked: Defaults) -> Result<Reply> {
    if asked.default.is_none() && asked.default_follows_latest_issuer.is_none() {
        return Err(Error::invalid("Invalid issuer specification; must be non-empty and can't be 'default'."));
    }
    write_default(&engine, &cx, asked.default.as_deref(), asked.default_follows_latest_issuer).await
}

pub(crate) async fn replace_root(engine: Arc<Engine>, cx: Context, asked: Replace) -> Result<Reply> {
    write_default(&engine, &cx, Some(&asked.default), None).await
}

pub(crate) async fn read_keys(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(json!({ "default": engine.ca(&cx).await?.record.default_key })))
}

pub(crate) async fn write_keys(engine: Arc<Engine>, cx: Context, asked: KeyDefault) -> Result<Reply> {
    if asked.default.is_empty() || asked.default == "default" {
        return Err(Error::invalid("Invalid key specification; must be non-empty and can't be 'default'."));
    }
    let id = engine
        .change(&cx, |ca, record| {
            let found = ca.find_key(&asked.default);
            let missing = || {
                let reference = &asked.default;
                Error::invalid(format!(
                    "Error resolving issuer reference: unable to find PKI key for reference: {reference}"
                ))
            };
            record.default_key.clone_from(&found.ok_or_else(missing)?.id);
            Ok((record.default_key.clone(), Changes::new()))
        })
        .await?;
    Ok(Reply::data(json!({ "default": id })))
}

fn show_urls(urls: &UrlsConfig) -> Value {
    json!({
        "issuing_certificates": urls.issuing_certificates,
        "crl_distribution_points": urls.crl_distribution_points,
        "delta_crl_distribution_points": urls.delta_crl_distribution_points,
        "ocsp_servers": urls.ocsp_servers,
        "enable_templating": urls.enable_templating,
    })
}

pub(crate) async fn read_urls(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(show_urls(&engine.ca(&cx).await?.record.urls)))
}

pub(crate) async fn write_urls(engine: Arc<Engine>, cx: Context, asked: UrlsParams) -> Result<Reply> {
    let (shown, warnings) = engine
        .change(&cx, |_, record| {
            let urls = &mut record.urls;
            let take = |given: &Option<CommaList>, into: &mut Vec<String>| {
                if let Some(list) = given {
                    into.clone_from(&list.0);
                }
            };
            take(&asked.issuing_certificates, &mut urls.issuing_certificates);
            take(&asked.crl_distribution_points, &mut urls.crl_distribution_points);
            take(&asked.ocsp_servers, &mut urls.ocsp_servers);
            take(&asked.delta_crl_distribution_points, &mut urls.delta_crl_distribution_points);
            urls.enable_templating = asked.enable_templating.unwrap_or(urls.enable_templating);
            urls.check()?;
            let mut warnings = Vec::new();
            if urls.enable_templating {
                warnings.extend(
                    urls.resolve(&record.cluster, "x").err().map(|error| format!("issuance may fail: {error}")),
                );
            }
            Ok(((show_urls(urls), warnings), Changes::new()))
        })
        .await?;
    let mut reply = Reply::data(shown);
    reply.warnings = warnings;
    Ok(reply)
}

fn show_cluster(cluster: &Cluster) -> Value {
    json!({ "path": cluster.path, "aia_path": cluster.aia_path })
}

pub(crate) async fn read_cluster(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(show_cluster(&engine.ca(&cx).await?.record.cluster)))
}

pub(crate) async fn write_cluster(engine: Arc<Engine>, cx: Context, asked: ClusterParams) -> Result<Reply> {
    for (field, given) in [("path", &asked.path), ("aia_path", &asked.aia_path)] {
        if let Some(url) = given.as_ref().filter(|url| !url.is_empty() && !is_url(url)) {
            return Err(Error::invalid(format!("invalid, non-URL {field} given to cluster: {url}")));
        }
    }
    let shown = engine.change(&cx, |_, record| {
        let cluster = &mut record.cluster;
        cluster.path = asked.path.clone().unwrap_or_else(|| cluster.path.clone());
        cluster.aia_path = asked.aia_path.clone().unwrap_or_else(|| cluster.aia_path.clone());
        Ok((show_cluster(cluster), Changes::new()))
    });
    Ok(Reply::data(shown.await?))
}

pub(crate) async fn read_crl(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(engine.ca(&cx).await?.record.crl.show()))
}

pub(crate) async fn write_crl(engine: Arc<Engine>, cx: Context, asked: CrlParams) -> Result<Reply> {
    let (shown, rebuild) = engine
        .change(&cx, |_, record| {
            let before = record.crl.clone();
            let crl = &mut record.crl;
            let text = |given: &Option<String>, into: &mut String| {
                if let Some(text) = given {
                    text.clone_into(into);
                }
            };
            text(&asked.expiry, &mut crl.expiry);
            text(&asked.ocsp_expiry, &mut crl.ocsp_expiry);
            text(&asked.auto_rebuild_grace_period, &mut crl.auto_rebuild_grace_period);
            text(&asked.delta_rebuild_interval, &mut crl.delta_rebuild_interval);
            crl.disable = asked.disable.unwrap_or(crl.disable);
            crl.ocsp_disable = asked.ocsp_disable.unwrap_or(crl.ocsp_disable);
            crl.auto_rebuild = asked.auto_rebuild.unwrap_or(crl.auto_rebuild);
            crl.enable_delta = asked.enable_delta.unwrap_or(crl.enable_delta);
            crl.allow_expired_cert_revocation =
                asked.allow_expired_cert_revocation.unwrap_or(crl.allow_expired_cert_revocation);
            crl.max_crl_entries = asked.max_crl_entries.unwrap_or(crl.max_crl_entries);
            crl.check()?;
            let rebuild = before.disable != crl.disable
                || before.expiry != crl.expiry
                || before.auto_rebuild != crl.auto_rebuild
                || before.enable_delta != crl.enable_delta;
            Ok(((crl.show(), rebuild), Changes::new()))
        })
        .await?;
    let mut reply = Reply::data(shown);
    if rebuild {
        reply.warnings.extend(engine.rebuild_or_warn(&cx).await);
    }
    Ok(reply.reschedule(crate::schedule::CRL))
}

/// `Seconds` that are not there are none.
pub(crate) fn asked_seconds(seconds: Seconds) -> Option<i64> {
    i64::try_from(seconds.0).ok().filter(|seconds| *seconds > 0)
}
