//! One ACME request: which directory it is for, that it is signed, and by whom.
use super::config::Eab;
use super::jws::{Jwk, Signed};
use super::problem::{Fault, Outcome, malformed, problem, refuse};
use super::store::{Account, account_at};
use crate::Engine;
use crate::ca::{Ca, Issuer};
use crate::roles::Role;
use lessor_engine::{Context, Error, Fields, Params, Reply, Result};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The parts of every ACME request: those of its path, and those of its body.
#[derive(Params)]
pub(crate) struct Asked {
    /// Reference (name or id) to the issuer.
    issuer_ref: String,
    /// Name of the role.
    role: String,
    /// The protected header.
    protected: String,
    /// What is asked.
    payload: String,
    /// The signature.
    signature: String,
    /// Id of an account.
    pub(crate) kid: String,
    /// Id of an order or authorization.
    pub(crate) id: String,
    /// Type of a challenge.
    #[param(name = "type")]
    pub(crate) kind: String,
}

/// A set of resources: what stands behind it, and where it is.
pub(crate) struct Directory {
    pub(crate) ca: Arc<Ca>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) role: Role,
    /// Below the mount: `roles/web/acme`.
    pub(crate) path: String,
    /// The whole URL.
    pub(crate) base: String,
}

/// A signed request that was checked, but for who signed it.
pub(crate) struct Session {
    pub(crate) directory: Directory,
    pub(crate) header: Map<String, Value>,
    pub(crate) body: Option<Map<String, Value>>,
    /// The account's, where it names one; else the key of the request itself.
    pub(crate) account: Option<Account>,
    pub(crate) key: Jwk,
}

/// A role that takes names as they are: what they are worth is shown by challenges.
fn verbatim() -> Result<Role> {
    let Value::Object(mut fields) = json!({
        "allow_any_name": true, "enforce_hostnames": false, "key_type": "any", "require_cn": false,
        "cn_validations": "disabled",
    }) else {
        return Err(Error::Internal("an object is none".to_owned()));
    };
    let fields: &mut Fields = &mut fields;
    Ok(Role::parse(fields)?)
}

impl Engine {
    /// # Errors
    /// When ACME is not offered here.
    pub(crate) async fn directory(&self, cx: &Context, asked: &Asked) -> Outcome<Directory> {
        let ca = self.ca(cx).await?;
        let config = &ca.record.acme;
        if !config.enabled {
            return Err(Error::NotFound("ACME is disabled in configuration".to_owned()).into());
        }
        let name = if asked.role.is_empty() {
            match config.default_directory_policy.as_str() {
                "forbid" => return refuse("unauthorized", "the default directory policy forbids ACME without a role"),
                policy => policy.strip_prefix("role:").unwrap_or_default().to_owned(),
            }
        } else {
            asked.role.clone()
        };
        let role = if name.is_empty() {
            verbatim()?
        } else {
            if !config.allows_role(&name) {
                return refuse("unauthorized", format!("the role {name} is not allowed for ACME"));
            }
            let found = self.find_role(cx, &name).await?;
            let found = found.ok_or_else(|| Error::NotFound(format!("unknown role: {name}")))?;
            if found.no_store {
                return refuse(
                    "serverInternal",
                    format!("the role {name} stores nothing (no_store), which ACME needs"),
                );
            }
            Role::clone(&found)
        };
        let reference = if asked.issuer_ref.is_empty() { role.issuer_ref.as_str() } else { asked.issuer_ref.as_str() };
        let issuer = ca.issuing(reference).map_err(|error| match error {
            Error::NotFound(text) => Fault::Engine(Error::NotFound(text)),
            other => problem("serverInternal", other.to_string()).into(),
        })?;
        if !config.allows_issuer(&ca, &issuer.record.id) {
            return refuse("unauthorized", "the issuer is not allowed for ACME");
        }
        let path = match (asked.issuer_ref.as_str(), asked.role.as_str()) {
            ("", "") => "acme".to_owned(),
            ("", role) => format!("roles/{role}/acme"),
            (issuer, "") => format!("issuer/{issuer}/acme"),
            (issuer, role) => format!("issuer/{issuer}/roles/{role}/acme"),
        };
        let base = format!("{}/{path}", ca.record.cluster.path.trim_end_matches('/'));
        let issuer = Arc::clone(issuer);
        Ok(Directory { ca, issuer, role, path, base })
    }

    /// Checks a signed request.
    ///
    /// # Errors
    /// When it is not signed as it has to be.
    pub(crate) async fn session(&self, cx: &Context, asked: &Asked) -> Outcome<Session> {
        let directory = self.directory(cx, asked).await?;
        let signed = Signed {
            protected: asked.protected.clone(),
            payload: asked.payload.clone(),
            signature: asked.signature.clone(),
        };
        if signed.protected.is_empty() || signed.signature.is_empty() {
            return refuse("malformed", "the request is no flattened JWS: protected or signature is missing");
        }
        let header = signed.header()?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        let wanted = format!("{}/{}", directory.ca.record.cluster.path.trim_end_matches('/'), cx.path);
        if text("url") != wanted {
            return refuse("unauthorized", format!("the url of the header is {:?}, not {wanted:?}", text("url")));
        }
        if header.contains_key("crit") {
            return refuse("malformed", "the header has critical members that are not understood");
        }
        let (account, key) = match (header.get("jwk"), text("kid")) {
            (Some(jwk), "") => (None, Jwk::read(jwk)?),
            (None, kid) if !kid.is_empty() => {
                let account = self.account_by_url(cx, &directory, kid).await?;
                let key = Jwk::read(&Value::Object(account.jwk.clone()))?;
                (Some(account), key)
            }
            _ => return refuse("malformed", "the header has to name either jwk or kid"),
        };
        key.verify(text("alg"), &signed)?;
        self.take_nonce(cx, text("nonce")).await?;
        let body = signed.body()?;
        Ok(Session { directory, header, body, account, key })
    }

    async fn account_by_url(&self, cx: &Context, directory: &Directory, url: &str) -> Outcome<Account> {
        let missing = || problem("accountDoesNotExist", format!("there is no account {url} in this directory"));
        let id = url.strip_prefix(&directory.base).and_then(|rest| rest.strip_prefix("/account/"));
        let id = id.filter(|id| !id.contains('/')).ok_or_else(missing)?;
        let account: Option<Account> = cx.view.get(&account_at(id)).await?;
        Ok(account.filter(|account| account.directory == directory.path).ok_or_else(missing)?)
    }

    /// Answers a request; refusals are answers too.
    pub(crate) async fn acme_answer(&self, cx: &Context, base: Option<&str>, done: Outcome<Reply>) -> Result<Reply> {
        let reply = match done {
            Ok(reply) => reply,
            Err(Fault::Problem(problem)) => {
                let bytes = serde_json::to_vec(&problem.show())?;
                Reply::raw("application/problem+json", bytes).status(problem.status())
            }
            Err(Fault::Engine(error @ Error::NotFound(_))) => return Err(error),
            Err(Fault::Engine(error)) => {
                tracing::error!(%error, mount = %cx.mount.path, "an ACME request failed");
                let shown = problem("serverInternal", "the server could not answer; its log says why");
                Reply::raw("application/problem+json", serde_json::to_vec(&shown.show())?).status(shown.status())
            }
        };
        let reply = reply.header("replay-nonce", self.nonce(cx).await?);
        Ok(match base {
            Some(base) => reply.header("link", format!("<{base}/directory>;rel=\"index\"")),
            None => reply,
        })
    }
}

impl Session {
    /// The account, which has to be in force.
    ///
    /// # Errors
    /// When there is none, or it was ended.
    pub(crate) fn account(&self) -> Outcome<&Account> {
        let account = self.account.as_ref();
        let account = account.ok_or_else(|| malformed("this request is signed by an account: name it by kid"))?;
        if account.status != "valid" {
            return refuse("unauthorized", format!("the account is {}", account.status));
        }
        if self.directory.ca.record.acme.eab() == Eab::Always && account.eab.is_none() {
            return refuse("unauthorized", "the account has no external account binding, which is required now");
        }
        Ok(account)
    }
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_str).unwrap_or_default()
    }
}

/// JSON with a status.
pub(crate) fn json_reply(status: u16, body: &Value) -> Outcome<Reply> {
    Ok(Reply::raw("application/json", serde_json::to_vec(body)?).status(status))
}
