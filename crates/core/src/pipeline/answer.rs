//! From what a handler replied to the answer: issuing, logging in and rotating happen here.
use super::Refusal;
use super::caller::Session;
use crate::active::Active;
use crate::identity::mfa::Proofs;
use crate::lease::issue::{Issued, Order};
use crate::mount::Mounted;
use crate::request::Request;
use crate::response::{Envelope, Response};
use crate::token::login::LoginEnd;
use crate::wrapping::Wrap;
use crate::wrapping::signed::is_wanted;
use lessor_engine::{Context, Error, Outcome, Reply};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// An answer on its way.
pub struct Done {
    /// What goes back.
    pub response: Response,
    /// A credential that is revoked unless the answer gets out.
    pub issued: Option<Issued>,
    /// Names what is in the answer, for whoever gets it wrapped.
    pub accessor: Option<String>,
}

impl Done {
    /// An answer without a credential.
    pub fn plain(response: Response) -> Self {
        Self { response, issued: None, accessor: None }
    }
}

/// Turns a reply into the answer; `context` is what the reply was made in.
///
/// # Errors
/// What creating, logging in or rotating says.
pub async fn answer(
    active: &Arc<Active>,
    request: &Request,
    session: &Session,
    mounted: &Arc<Mounted>,
    context: &(dyn Fn() -> Context + Sync),
    reply: Reply,
) -> Result<Done, Refusal> {
    let Reply { status, lease, auth, outcome, warnings, lease_duration, wrapped_accessor, headers, .. } = reply;
    let mut envelope = Envelope { warnings, lease_duration, auth, ..Envelope::default() };
    if let Some(lease) = lease {
        envelope.lease_id = lease.id;
        envelope.lease_duration = lease.duration;
        envelope.renewable = lease.renewable;
    }
    let bare = envelope.warnings.is_empty() && envelope.auth.is_none() && envelope.lease_id.is_empty();
    let mut issued = None;
    let default_status = match outcome {
        Outcome::Empty if bare => {
            return Ok(Done::plain(Response { status: status.unwrap_or(204), headers, ..Response::empty() }));
        }
        Outcome::Empty => 200,
        Outcome::Data(data) => {
            envelope.data = Some(data);
            200
        }
        Outcome::List(keys) if keys.is_empty() => return Ok(Done::plain(Response::missing())),
        Outcome::List(keys) => {
            envelope.data = Some(Map::from_iter([("keys".to_owned(), json!(keys))]));
            200
        }
        Outcome::Missing(data) if data.is_none() && bare => return Ok(Done::plain(Response::missing())),
        Outcome::Missing(data) => {
            envelope.data = data;
            404
        }
        Outcome::Bare(body) => {
            return Ok(Done::plain(Response { headers, ..Response::bare(status.unwrap_or(200), body) }));
        }
        Outcome::Raw(raw) => return Ok(Done::plain(Response { headers, ..Response::raw(status.unwrap_or(200), raw) })),
        Outcome::Stream(stream) => return Ok(Done::plain(Response::stream(stream))),
        Outcome::Issue(issue) => {
            let mut leased = active.issue(order(session, mounted, context(), *issue, request)?).await?;
            leased.lease.shown_id().clone_into(&mut envelope.lease_id);
            envelope.lease_duration = leased.ttl.as_secs();
            envelope.renewable = leased.lease.renewable;
            envelope.data = Some(std::mem::take(&mut leased.data));
            envelope.warnings.append(&mut leased.warnings);
            issued = Some(leased);
            200
        }
        Outcome::Login(login) => {
            let proofs = request.headers.iter().filter(|(name, _)| name == "x-vault-mfa");
            let proofs = Proofs::from_headers(proofs.map(|(_, value)| value.as_str()));
            match active.log_in(mounted, &context(), *login, &request.path, &proofs).await? {
                LoginEnd::Token(made) => {
                    envelope.auth = Some(active.auth_of(&made.token, made.text.expose()).await?);
                    envelope.warnings.extend(made.warnings);
                }
                LoginEnd::Mfa(auth, warning) => {
                    envelope.auth = Some(auth);
                    envelope.warnings.push(warning.to_owned());
                }
            }
            200
        }
        Outcome::Refresh(subject) => {
            let refreshed = active.refresh(mounted.entry.uuid.clone(), subject).await?;
            envelope.warnings.extend(refreshed.warnings);
            envelope.data = refreshed.data;
            200
        }
        Outcome::Rotate(subject) => {
            let rotated = active.rotate(mounted.entry.uuid.clone(), subject).await?;
            envelope.warnings.extend(rotated.warnings);
            envelope.data = rotated.data;
            if envelope.data.is_none() && envelope.warnings.is_empty() {
                return Ok(Done::plain(Response::empty()));
            }
            200
        }
    };
    let accessor = envelope.auth.as_ref().and_then(|auth| auth.get("accessor")).and_then(Value::as_str);
    let accessor = wrapped_accessor.or_else(|| accessor.map(str::to_owned));
    let response = Response { headers, ..Response::envelope(status.unwrap_or(default_status), &request.id, envelope) };
    Ok(Done { response, issued, accessor })
}

fn order(
    session: &Session,
    mounted: &Arc<Mounted>,
    cx: Context,
    issue: lessor_engine::Issue,
    request: &Request,
) -> Result<Order, Refusal> {
    if session.last_use {
        let text = "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.";
        return Err(Refusal(Response::error(400, text)));
    }
    let token = session.token.as_deref().cloned();
    let token = token.ok_or_else(|| Error::Internal("a path that is open to everybody issues nothing".to_owned()))?;
    Ok(Order { mounted: Arc::clone(mounted), cx, issue, token, path: request.path.clone() })
}

/// Keeps a successful answer back and gives a wrapping token for it. Refusals, and answers without a body or without
/// the envelope, go out as they are: there is nothing secret in them.
///
/// # Errors
/// When storage fails: then nothing goes out.
pub async fn wrap(
    active: &Active,
    request: &Request,
    ttl: Duration,
    response: Response,
    accessor: Option<String>,
) -> Result<Response, Refusal> {
    let body = response.body.json().filter(|body| body.get("request_id").is_some() && body["wrap_info"].is_null());
    let (200, Some(body)) = (response.status, body) else { return Ok(response) };
    let wrap =
        Wrap { body, ttl, path: &request.path, namespace: &request.namespace, accessor, signed: is_wanted(request) };
    Ok(active.wrap(wrap).await?)
}
