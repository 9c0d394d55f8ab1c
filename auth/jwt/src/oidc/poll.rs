//! `oidc/poll`: the outcome of a direct or device login, for whoever began it. What is not decided yet is told in the
//! words of RFC 8628, section 3.5.
use super::state::{self, Found, Outcome};
use super::{device, failed};
use crate::Jwt;
use crate::login::let_in;
use crate::role::{CallbackMode, Role};
use lessor_engine::{Context, Error, Params, Reply, Result, Secret};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct PollParams {
    /// Which login this is.
    #[param(secret)]
    state: Secret,
    /// The secret of auth_url.
    #[param(secret)]
    client_nonce: Secret,
}

/// Ask again later.
pub(super) fn pending() -> Error {
    Error::invalid("authorization_pending")
}

/// Ask again later, and not so often.
pub(super) fn slow_down() -> Error {
    Error::invalid("slow_down")
}

pub(crate) async fn poll(jwt: Arc<Jwt>, cx: Context, sent: PollParams) -> Result<Reply> {
    let found = state::find(&cx, sent.state.expose()).await?;
    if found.pending.mode == CallbackMode::Client {
        return Err(state::gone());
    }
    if found.pending.client_nonce != sent.client_nonce {
        // The state stands in the browser's address; whoever read it there gets one guess.
        found.take(&cx).await?;
        return Err(Error::invalid("invalid client_nonce"));
    }
    let role: Option<Role> = cx.view.get(&crate::role::key(&found.pending.role)).await?;
    let Some(role) = role else {
        found.take(&cx).await?;
        return Err(failed("Role could not be found"));
    };
    if !role.token.settings.admits(cx.connection.address) {
        return Err(Error::Forbidden("permission denied".to_owned()));
    }
    match found.pending.mode {
        CallbackMode::Device => device::poll(&jwt, &cx, &role, found).await,
        CallbackMode::Direct | CallbackMode::Client => direct(&cx, &role, found).await,
    }
}

async fn direct(cx: &Context, role: &Role, found: Found) -> Result<Reply> {
    match found.pending.outcome {
        None | Some(Outcome::Busy) => Err(pending()),
        Some(_) => match found.take(cx).await?.outcome {
            Some(Outcome::In(proof)) => let_in(role, &proof),
            Some(Outcome::Refused(why)) => Err(Error::invalid(why)),
            None | Some(Outcome::Busy) => Err(pending()),
        },
    }
}
