//! Who asks.
use super::Refusal;
use crate::active::Active;
use crate::glance::Glance;
use crate::identity::Subject;
use crate::request::Request;
use crate::response::Response;
use crate::token::Token;
use lessor_engine::Secret;
use lessor_engine::path::Access;
use std::sync::Arc;

/// The caller of one request.
pub struct Session {
    /// The token; none on paths that are open to everybody.
    pub token: Option<Arc<Token>>,
    /// Who is behind the token.
    pub subject: Option<Arc<Subject>>,
    /// Whether this is the token's last use.
    pub last_use: bool,
    /// The id of the request's namespace, for audit.
    pub namespace: String,
}

/// Finds the caller's token and counts its use.
///
/// # Errors
/// `permission denied`, whatever is wrong with it: nobody learns from the answer what exists.
pub async fn identify(active: &Active, request: &Request, access: Access, glance: &Glance) -> Result<Session, Refusal> {
    let namespace = active.namespaces.id_of(&request.namespace);
    if access == Access::Open {
        return Ok(Session { token: None, subject: None, last_use: false, namespace });
    }
    let _time = crate::metrics::timed!("core.check_token");
    let denied = || Refusal(denied(request));
    let text = request.token.as_ref().filter(|token| !token.is_empty());
    let text = text.ok_or_else(|| Refusal(nobody(request)))?;
    let found = active.tokens.find_as_of(glance, text.expose(), active.now()).await?.ok_or_else(denied)?;
    let token = found.token;
    if !token.admits(request.client) || !request.namespace.starts_with(&token.namespace) {
        return Err(denied());
    }
    // Of a deleted or disabled entity no token is good.
    let subject = match token.entity_id.as_str() {
        "" => None,
        entity => Some(active.identity.subject(&token.namespace, entity).await?.ok_or_else(denied)?),
    };
    let Some(version) = found.version.filter(|_| token.num_uses > 0) else {
        return Ok(Session { token: Some(token), subject, last_use: false, namespace });
    };
    // Of two requests that race for the last use, the guard lets one through.
    let left = if token.num_uses == 1 { -1 } else { token.num_uses - 1 };
    let used = Token { num_uses: left, ..Token::clone(&token) };
    active.tokens.update(&token, &used, version).await.map_err(|_| denied())?;
    Ok(Session { token: Some(Arc::new(used)), subject, last_use: left < 0, namespace })
}

/// Nobody asks; where a wrapping token is what the caller came with, that it is missing says so.
fn nobody(request: &Request) -> Response {
    let named = request.fields.get("token").and_then(|token| token.as_str()).unwrap_or_default();
    let what = if unwraps(request) && named.is_empty() {
        "error validating wrapping token: token is empty"
    } else {
        "permission denied"
    };
    Response::error(403, what)
}

fn unwraps(request: &Request) -> bool {
    matches!(request.path.as_str(), "sys/wrapping/unwrap" | "sys/wrapping/rewrap")
}

/// A wrapping token that is used up says so where it is what the caller came for.
fn denied(request: &Request) -> Response {
    let named = request.fields.get("token").and_then(|token| token.as_str());
    let own = named.is_none_or(|named| request.token.as_ref().map(Secret::expose) == Some(named));
    if unwraps(request) && own {
        return Response::error(400, "wrapping token is not valid or does not exist");
    }
    Response::error(403, "permission denied")
}
