//! Where the pipeline asks: before anybody is asked who they are.
use super::limiter::Verdict;
use super::rule;
use crate::active::Active;
use crate::request::Request;
use crate::response::Response;
use lessor_engine::PathTable;

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

/// Counts a request. `paths` and `route` say what it arrives at, where there is such a mount.
///
/// # Errors
/// The 429 of a client that asked too often.
pub fn admit(active: &Active, request: &Request, arrives: Option<(&PathTable, &str)>) -> Result<Admission, Response> {
    let role = arrives.and_then(|(paths, route)| role(paths, route, request));
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
fn role(paths: &PathTable, route: &str, request: &Request) -> Option<String> {
    let matched = paths.find(route)?;
    let role_of = matched.spec().login_role?;
    let mut fields = request.fields.clone();
    matched.capture_into(&mut fields);
    role_of(&fields)
}
