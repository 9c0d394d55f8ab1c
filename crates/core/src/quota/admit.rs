//! Where the pipeline asks: before anybody is asked who they are.
use super::limiter::Verdict;
use super::rule;
use crate::active::{Active, From};
use crate::mount::Mounted;
use crate::request::Request;
use crate::response::Response;
use lessor_engine::path::Matched;

/// Where a request arrives.
pub struct Arrival<'a> {
    /// The mount.
    pub mounted: &'a Mounted,
    /// Its declaration of the path.
    pub matched: &'a Matched,
    /// The path behind the mount.
    pub route: &'a str,
}

/// What a rate limit adds to the answer of an admitted request.
#[derive(Default)]
pub struct Admission {
    verdict: Option<Verdict>,
}

impl Admission {
    /// Puts the headers on an answer.
    pub fn onto(self, mut response: Response) -> Response {
        if let Some(verdict) = self.verdict {
            response.headers.extend(headers(&verdict));
        }
        response
    }
}

fn headers(verdict: &Verdict) -> [(&'static str, String); 3] {
    [
        ("x-ratelimit-limit", verdict.limit.to_string()),
        ("x-ratelimit-remaining", verdict.remaining.to_string()),
        ("x-ratelimit-reset", verdict.reset.to_string()),
    ]
}

/// Counts a request; `arrives` at a mount's path, where there is one.
///
/// # Errors
/// The 429 of a client that asked too often.
pub async fn admit(active: &Active, request: &Request, arrives: Option<Arrival<'_>>) -> Result<Admission, Response> {
    let role = match arrives {
        Some(arrives) if active.quotas.ask_for_roles() => role(active, request, arrives).await,
        _ => None,
    };
    let place = rule::Place { namespace: &request.namespace, path: &request.path, role: role.as_deref() };
    let Some(verdict) = active.quotas.take(&place, request.client, active.now().as_millisecond()) else {
        return Ok(Admission::default());
    };
    let shows = active.quotas.config().enable_rate_limit_response_headers;
    if verdict.admitted {
        return Ok(Admission { verdict: shows.then_some(verdict) });
    }
    let text = format!("request path \"{}\": rate limit quota exceeded", request.path);
    let mut response = Response { retry_after: Some(verdict.retry_after), ..Response::error(429, text) };
    if shows && !verdict.blocked {
        response.headers.extend(headers(&verdict));
    }
    Err(response)
}

/// By which role somebody logs in, where the path knows.
async fn role(active: &Active, request: &Request, Arrival { mounted, matched, route }: Arrival<'_>) -> Option<String> {
    let role_of = matched.spec().login_role.as_ref()?;
    let mut fields = request.fields.clone();
    matched.capture_into(&mut fields);
    let from = From { namespace: request.namespace.clone(), ..From::default() };
    role_of(active.context(mounted, from, route), fields).await
}
