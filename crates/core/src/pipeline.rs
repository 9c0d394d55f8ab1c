//! The way of a request, as one straight line.
mod answer;
mod caller;
mod place;
mod shape;

use crate::active::{Active, From};
use crate::audit::{Line, Subject};
use crate::glance::Glance;
use crate::lease::issue::Issued;
use crate::lockout::Suspect;
use crate::metrics::{InFlight, Timer, count_status};
use crate::mount::Mounted;
use crate::node::Core;
use crate::policy::Decision;
use crate::quota;
use crate::request::Request;
use crate::response::Response;
use crate::status;
use caller::Session;
use lessor_engine::path::{Access, Matched};
use lessor_engine::{Caller, Connection, Error, Operation, Result, Secret};
use place::Place;
use shape::{inject_data, refused, wrapped};
use std::sync::Arc;

impl Core {
    /// Answers one request; whatever goes wrong is an answer too.
    pub async fn handle(self: &Arc<Self>, request: Request) -> Response {
        if !request.namespace.is_empty() && place::is_root_only(&request.path) {
            return Response::error(400, "operation unavailable in namespaces");
        }
        if let Some(answer) = status::answer(self, &request).await {
            return answer;
        }
        let Ok(active) = self.active() else { return Response::error(503, "Vault is sealed") };
        if let Some(text) = active.cluster.refused() {
            return Response::error(503, text);
        }
        let _counted = InFlight::new();
        let _under_way = self.in_flight.enter(&request, active.now());
        let hands_out = crate::rekey::hands_out(&request.path);
        let response = match serve(&active, request).await {
            Ok(response) => response,
            Err(Refusal(response)) => response,
        };
        if hands_out && response.status == 200 {
            self.handed_out();
        }
        count_status(response.status);
        response
    }
}

impl Core {
    /// Whether a request would be let in, for whoever has more to receive before it can be answered. Nothing is counted.
    ///
    /// # Errors
    /// The answer to one that would not.
    pub async fn would_admit(&self, request: &Request) -> Result<(), Response> {
        let refused = || wrapped(403, "permission denied");
        let active = self.active().map_err(|_| Response::error(503, "Vault is sealed"))?;
        let asked = async {
            let glance = active.glance(request).await?;
            let place = Place::find(&active, request);
            let text = request.token.as_ref().map(Secret::expose).unwrap_or_default();
            let found = active.tokens.find_as_of(&glance, text, active.now()).await?;
            let Some(token) = found.map(|found| found.token).filter(|token| token.admits(request.client)) else {
                return Ok(false);
            };
            let subject = active.identity.subject(&token.namespace, &token.entity_id).await?;
            let mut asked = request.clone();
            Ok(active.decide(Some(&token), subject.as_deref(), &mut asked, place.access(), &glance).await?.allowed)
        };
        let allowed: Result<bool> = asked.await;
        if allowed.map_err(|error| shape::refused(&error))? { Ok(()) } else { Err(refused()) }
    }
}

static LOGIN: Timer = Timer::new("core.handle_login_request");
static REQUEST: Timer = Timer::new("core.handle_request");

/// An answer that ends the line early.
struct Refusal(Response);

impl std::convert::From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(refused(&error))
    }
}

async fn serve(active: &Arc<Active>, mut request: Request) -> Result<Response, Refusal> {
    let glance = active.glance(&request).await?;
    place::enter_namespace(active, &mut request)?;
    active.open_wrapping(&mut request).await?;
    let place = Place::find(active, &request);
    match quota::admit::admit(active, &request, place.arrival()).await {
        Ok(admission) => {
            let answer = admitted(active, request, place, &glance).await.unwrap_or_else(|Refusal(response)| response);
            Ok(admission.onto(answer))
        }
        Err(refusal) => {
            if active.quotas.config().enable_rate_limit_audit_logging {
                let subject = Subject {
                    request: &request,
                    token: None,
                    decision: &Decision::default(),
                    mount: place.mounted.as_ref().map(|mounted| &mounted.entry),
                    time: active.now(),
                    namespace: &active.namespaces.id_of(&request.namespace),
                    headers: &active.audit.headers,
                };
                active.audit.write(|| Line::response(&subject, &refusal)).await?;
            }
            Ok(refusal)
        }
    }
}

/// Everything behind the quotas.
async fn admitted(
    active: &Arc<Active>,
    mut request: Request,
    place: Place,
    glance: &Glance,
) -> Result<Response, Refusal> {
    let open = place.access() == Access::Open;
    let _time = if open { LOGIN.start() } else { REQUEST.start() };
    let session = caller::identify(active, &request, place.access(), glance).await?;
    request.operation = operation(active, &request, &place, &session).await?;
    let token = session.token.as_deref();
    let decision = active.decide(token, session.subject.as_deref(), &mut request, place.access(), glance).await?;
    let subject = |request| Subject {
        request,
        token,
        decision: &decision,
        mount: place.mounted.as_ref().map(|mounted| &mounted.entry),
        time: active.now(),
        namespace: &session.namespace,
        headers: &active.audit.headers,
    };
    active.audit.write(|| Line::request(&subject(&request))).await?;
    let mut issued = None;
    let mut response = if !decision.allowed {
        wrapped(403, "permission denied")
    } else {
        match run(active, &request, &session, &place).await {
            Ok(mut done) => {
                decision.filter(&request, &mut done.response)?;
                issued = done.issued;
                match request.wrap_ttl {
                    Some(ttl) => answer::wrap(active, &request, ttl, done.response, done.accessor).await?,
                    None => done.response,
                }
            }
            Err(Refusal(response)) => response,
        }
    };
    if let Some(token) = session.token.as_ref().filter(|_| session.last_use) {
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

/// Writes to what is not there yet are creations, where the engine can tell.
async fn operation(active: &Active, request: &Request, place: &Place, session: &Session) -> Result<Operation, Refusal> {
    let (Operation::Update, Some(mounted)) = (request.operation, &place.mounted) else {
        return Ok(request.operation);
    };
    let Some(matched) = place.matched.as_ref().filter(|matched| matched.has_existence_check()) else {
        return Ok(Operation::Update);
    };
    let cx = active.context(mounted, from(mounted, session, request), &place.route);
    let exists = matched.exists(cx, &request.fields).await?;
    Ok(if exists { Operation::Update } else { Operation::Create })
}

async fn run(
    active: &Arc<Active>,
    request: &Request,
    session: &Session,
    place: &Place,
) -> Result<answer::Done, Refusal> {
    let mounted = place.mounted(request)?;
    let route = &place.route;
    if request.help {
        let help = crate::help::answer(active, mounted, route, request);
        return Ok(answer::Done::plain(help.unwrap_or_else(|| wrapped(404, "unsupported path"))));
    }
    let matched = place.matched.as_ref().ok_or_else(|| Refusal(wrapped(404, "unsupported path")))?;
    let spec = matched.operation(request.operation).ok_or_else(|| Refusal(wrapped(405, "unsupported operation")))?;
    let context = || active.context(mounted, from(mounted, session, request), route);
    let suspect = suspect(active, mounted, matched, request);
    if let Some(suspect) = &suspect {
        active.refuse_locked(suspect).await?;
    }
    let _time = mounted.routes.start(request.operation, &mounted.entry.path);
    let reply = matched.call(spec, context(), request.fields.clone()).await;
    if let Some(suspect) = &suspect {
        match &reply {
            Err(Error::BadCredentials(_)) => active.count_failure(suspect).await?,
            Err(_) => {}
            Ok(_) => active.forget_failures(suspect).await?,
        }
    }
    let mut reply = reply?;
    let (reschedule, ended) = (reply.reschedule.clone(), std::mem::take(&mut reply.ended));
    let done = answer::answer(active, request, session, mounted, &context, reply).await?;
    for subject in reschedule {
        active.reschedule(&mounted.entry.uuid, &subject).await?;
    }
    for ended in ended {
        active.end_leases_of(&mounted.entry, &ended).await?;
    }
    Ok(done)
}

/// Who tries to log in, where failures lock them out.
fn suspect(active: &Active, mounted: &Mounted, matched: &Matched, request: &Request) -> Option<Suspect> {
    let alias_of = matched.spec().login_alias?;
    let mut fields = request.fields.clone();
    matched.capture_into(&mut fields);
    active.suspect(mounted, alias_of(&fields)?)
}

/// What the engine is told of the request.
fn from(mounted: &Mounted, session: &Session, request: &Request) -> From {
    let own = matches!(mounted.entry.kind.as_str(), "system" | "token" | "cubbyhole" | "identity");
    let mut caller = Caller {
        wrap_ttl: request.wrap_ttl,
        wrap_signed: crate::wrapping::signed::is_wanted(request),
        ..Caller::default()
    };
    if let Some(token) = &session.token {
        caller.display_name.clone_from(&token.display_name);
        caller.accessor.clone_from(&token.accessor);
        caller.entity_id.clone_from(&token.entity_id);
        caller.identified = session.subject.clone().map(|subject| subject as Arc<dyn lessor_engine::Identified>);
        caller.record = own.then(|| Arc::clone(token) as Arc<dyn std::any::Any + Send + Sync>);
    }
    if own {
        caller.token = request.token.clone().unwrap_or_default();
    }
    From { caller, connection: connection(mounted, request), namespace: request.namespace.clone() }
}

fn connection(mounted: &Mounted, request: &Request) -> Arc<Connection> {
    let passed = &mounted.entry.config.passthrough_request_headers;
    let always = |name: &str| matches!(name, "authorization" | "if-modified-since");
    let wanted = |name: &str| always(name) || passed.iter().any(|pass| pass.eq_ignore_ascii_case(name));
    let headers = request.headers.iter().filter(|(name, _)| wanted(name));
    Arc::new(Connection {
        address: request.client,
        headers: headers.cloned().collect(),
        certificates: if mounted.entry.is_auth() { request.certificates.clone() } else { Vec::new() },
        upload: request.upload.clone().filter(|_| mounted.entry.kind == "system"),
    })
}

/// The token text of a body, or the caller's own.
pub(crate) fn token_text(given: &Secret, caller: &Caller) -> Secret {
    if given.is_empty() { caller.token.clone() } else { given.clone() }
}
