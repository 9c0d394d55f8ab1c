//! The way of a request, as one straight line.
use crate::active::Active;
use crate::audit::{Line, Subject};
use crate::lease::issue::{Issued, Order};
use crate::mount::Mounted;
use crate::node::Core;
use crate::policy;
use crate::request::Request;
use crate::response::{Envelope, Response};
use crate::status;
use crate::token::Token;
use lessor_engine::path::Matched;
use lessor_engine::{Caller, Context, Error, Operation, Outcome, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;

impl Core {
    /// Answers one request; whatever goes wrong is an answer too.
    pub async fn handle(self: &Arc<Self>, request: Request) -> Response {
        if let Some(answer) = status::answer(self, &request).await {
            return answer;
        }
        let Ok(active) = self.active() else { return Response::error(503, "Vault is sealed") };
        match serve(&active, request).await {
            Ok(response) => response,
            Err(Refusal(response)) => response,
        }
    }
}

/// An answer that ends the line early.
struct Refusal(Response);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(refused(&error))
    }
}

async fn serve(active: &Arc<Active>, mut request: Request) -> Result<Response, Refusal> {
    let (token, one_use_left) = authenticate(active, &request).await?;
    let mounted = active.mounts.find(&request.path);
    let route = mounted.as_ref().map(|mounted| behind(mounted, &request.path).to_owned());
    request.operation = operation(active, &request, mounted.as_deref(), route.as_deref()).await?;
    let allowed = policy::allows(&token, request.operation, &request.path);
    let subject =
        |request| Subject { request, token: Some(&token), mount: mount_of(mounted.as_ref()), time: active.now() };
    active.audit.write(|| Line::request(&subject(&request))).await?;
    let mut issued = None;
    let mut response = if !allowed {
        wrapped(403, "permission denied")
    } else {
        match run(active, &request, &token, mounted.as_ref(), route.as_deref(), one_use_left).await {
            Ok((response, lease)) => {
                issued = lease;
                response
            }
            Err(Refusal(response)) => response,
        }
    };
    if one_use_left {
        active.revoke_token(&token.key).await?;
    }
    inject_data(&request.path, &mut response);
    active.audit.write(|| Line::response(&subject(&request), &response)).await?;
    // Until here a caller that hangs up drops `issued`, which revokes the credential.
    if let Some(issued) = issued {
        Issued::delivered(issued);
    }
    Ok(response)
}

/// The caller, and whether this is the token's last use.
async fn authenticate(active: &Active, request: &Request) -> Result<(Token, bool), Refusal> {
    let denied = || Refusal(Response::error(403, "permission denied"));
    let text = request.token.as_ref().filter(|token| !token.is_empty()).ok_or_else(denied)?;
    let (token, version) = active.tokens.find(text.expose(), active.now()).await?.ok_or_else(denied)?;
    if token.num_uses == 0 {
        return Ok((token, false));
    }
    // Of two requests that race for the last use, the guard lets one through.
    let left = if token.num_uses == 1 { -1 } else { token.num_uses - 1 };
    let used = Token { num_uses: left, ..token.clone() };
    active.tokens.update(&token, &used, version).await.map_err(|_| denied())?;
    Ok((used, left < 0))
}

fn behind<'a>(mounted: &Mounted, path: &'a str) -> &'a str {
    path.strip_prefix(&mounted.entry.path).unwrap_or_default()
}

fn mount_of(mounted: Option<&Arc<Mounted>>) -> Option<(&str, &str, &str)> {
    mounted.map(|mounted| {
        let entry = &mounted.entry;
        (entry.path.as_str(), entry.kind.as_str(), entry.accessor.as_str())
    })
}

/// Writes to what is not there yet are creations, where the engine can tell.
async fn operation(
    active: &Active,
    request: &Request,
    mounted: Option<&Mounted>,
    route: Option<&str>,
) -> Result<Operation, Refusal> {
    let (Operation::Update, Some(mounted), Some(route)) = (request.operation, mounted, route) else {
        return Ok(request.operation);
    };
    let Some(matched) = mounted.backend.paths.find(route).filter(Matched::has_existence_check) else {
        return Ok(Operation::Update);
    };
    let cx = active.context(mounted, Caller::default(), route);
    let exists = matched.exists(cx, &request.fields).await?;
    Ok(if exists { Operation::Update } else { Operation::Create })
}

async fn run(
    active: &Arc<Active>,
    request: &Request,
    token: &Token,
    mounted: Option<&Arc<Mounted>>,
    route: Option<&str>,
    one_use_left: bool,
) -> Result<(Response, Option<Issued>), Refusal> {
    let (Some(mounted), Some(route)) = (mounted, route) else {
        let text = format!("no handler for route \"{}\". route entry not found.", request.path);
        return Err(Refusal(Response::error(404, text)));
    };
    if mounted.entry.tainted {
        let text = format!(
            "no handler for route \"{}\" on namespace \"\". route entry or namespace is tainted.",
            request.path
        );
        return Err(Refusal(Response::error(404, text)));
    }
    if request.help {
        return Ok((crate::help::answer(mounted, route, request), None));
    }
    let matched = mounted.backend.paths.find(route).ok_or_else(|| Refusal(wrapped(404, "unsupported path")))?;
    let spec = matched.operation(request.operation).ok_or_else(|| Refusal(wrapped(405, "unsupported operation")))?;
    let cx = active.context(mounted, caller(mounted, token, request), route);
    let reply = matched.call(spec, cx.clone(), request.fields.clone()).await?;
    let reschedule = reply.reschedule.clone();
    let done = answer(active, request, token, mounted, cx, reply, one_use_left).await?;
    for subject in reschedule {
        active.reschedule(&mounted.entry.uuid, &subject).await?;
    }
    Ok(done)
}

fn caller(mounted: &Mounted, token: &Token, request: &Request) -> Caller {
    let own = matches!(mounted.entry.kind.as_str(), "system" | "token");
    let text = request.token.clone().filter(|_| own).unwrap_or_default();
    Caller {
        display_name: token.display_name.clone(),
        accessor: token.accessor.clone(),
        entity_id: String::new(),
        token: text,
    }
}

async fn answer(
    active: &Arc<Active>,
    request: &Request,
    token: &Token,
    mounted: &Arc<Mounted>,
    cx: Context,
    reply: Reply,
    one_use_left: bool,
) -> Result<(Response, Option<Issued>), Refusal> {
    let Reply { status, lease, auth, outcome, warnings, lease_duration, .. } = reply;
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
            return Ok((Response { status: status.unwrap_or(204), ..Response::empty() }, None));
        }
        Outcome::Empty => 200,
        Outcome::Data(data) => {
            envelope.data = Some(data);
            200
        }
        Outcome::List(keys) if keys.is_empty() => return Ok((Response::missing(), None)),
        Outcome::List(keys) => {
            envelope.data = Some(Map::from_iter([("keys".to_owned(), json!(keys))]));
            200
        }
        Outcome::Missing(data) if data.is_none() && bare => return Ok((Response::missing(), None)),
        Outcome::Missing(data) => {
            envelope.data = data;
            404
        }
        Outcome::Bare(body) => return Ok((Response::bare(status.unwrap_or(200), body), None)),
        Outcome::Issue(_) if one_use_left => {
            let text =
                "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked.";
            return Err(Refusal(Response::error(400, text)));
        }
        Outcome::Issue(issue) => {
            let order = Order {
                mounted: Arc::clone(mounted),
                cx,
                issue: *issue,
                token: token.clone(),
                path: request.path.clone(),
            };
            let mut leased = active.issue(order).await?;
            envelope.lease_id.clone_from(&leased.lease.id);
            envelope.lease_duration = leased.ttl.as_secs();
            envelope.renewable = leased.lease.renewable;
            envelope.data = Some(std::mem::take(&mut leased.data));
            envelope.warnings.append(&mut leased.warnings);
            issued = Some(leased);
            200
        }
        Outcome::Login(login) => {
            let made = active.log_in(mounted, &cx, *login, &request.path).await?;
            envelope.auth = Some(made.token.auth(made.text.expose(), active.now()));
            envelope.warnings.extend(made.warnings);
            200
        }
        Outcome::Rotate(subject) => {
            let rotated = active.rotate(mounted.entry.uuid.clone(), subject).await?;
            envelope.warnings.extend(rotated.warnings);
            envelope.data = rotated.data;
            if envelope.data.is_none() && envelope.warnings.is_empty() {
                return Ok((Response::empty(), None));
            }
            200
        }
    };
    Ok((Response::envelope(status.unwrap_or(default_status), &request.id, envelope), issued))
}

/// The field's multi-error format, which clients search for the text.
fn wrapped(status: u16, text: &str) -> Response {
    Response::error(status, format!("1 error occurred:\n\t* {text}\n\n"))
}

fn refused(error: &Error) -> Response {
    match error {
        Error::Storage(lessor_storage::Error::Sealed) => Response::error(503, "Vault is sealed"),
        Error::NotFound(text) if text.is_empty() => Response::missing(),
        _ => Response::error(error.status(), error.to_string()),
    }
}

/// Old clients read some answers of `sys/` at the top level; see the HTTP contract.
fn inject_data(path: &str, response: &mut Response) {
    const BELOW: [&str; 8] = [
        "sys/audit",
        "sys/audit-hash",
        "sys/auth",
        "sys/mounts",
        "sys/policy",
        "sys/capabilities",
        "sys/key-status",
        "sys/remount",
    ];
    let at =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '-']));
    if response.status != 200 || !BELOW.iter().any(|prefix| at(prefix)) {
        return;
    }
    let Some(Value::Object(body)) = &mut response.body else { return };
    let Some(Value::Object(data)) = body.get("data").cloned() else { return };
    let mut all = data;
    for (name, value) in std::mem::take(body) {
        all.entry(name).or_insert(value);
    }
    *body = all;
}

/// The token text of a body, or the caller's own.
pub(crate) fn token_text(given: &Secret, caller: &Caller) -> Secret {
    if given.is_empty() { caller.token.clone() } else { given.clone() }
}
