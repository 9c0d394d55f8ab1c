//! Logins whose browser comes back to this server (`callback_mode` direct): it sees a page, and whoever began the login
//! asks for the outcome.
//!
//! Anybody may begin a login and send its address to somebody else, who is let in at the provider without noticing. So the
//! page asks first, and says from where the login was begun, unless the role is told not to ask.
use super::state::{self, Found, Outcome, Pending};
use super::{CallbackParams, page, prove, provider_refusal};
use crate::Jwt;
use crate::config::Config;
use crate::login::{Proof, let_in};
use crate::role::Role;
use lessor_engine::{Context, Reply, Result};

pub(super) async fn callback(jwt: &Jwt, cx: &Context, mut found: Found, sent: CallbackParams) -> Result<Reply> {
    if found.pending.outcome.is_some() {
        return Ok(page::failed("This login is over."));
    }
    let role = Role::load(cx, &found.pending.role).await?;
    let asks = !role.oidc_disable_confirmation && sent.confirmation.is_empty() && sent.error.is_empty();
    if asks {
        return Ok(page::confirm(&found.pending, sent.state.expose(), sent.code.expose()));
    }
    // A browser that comes twice ends it once.
    found.pending.outcome = Some(Outcome::Busy);
    found.keep(cx).await?;
    let state = sent.state.clone();
    let (outcome, page) = match finish(jwt, cx, &role, &found.pending, sent).await {
        Ok(proof) => (Outcome::In(Box::new(proof)), page::done()),
        Err(error) => (Outcome::Refused(error.to_string()), page::failed(&error.to_string())),
    };
    let mut found = state::find(cx, state.expose()).await?;
    found.pending.outcome = Some(outcome);
    found.keep(cx).await?;
    Ok(page)
}

/// Who it was, if the role lets them in.
async fn finish(jwt: &Jwt, cx: &Context, role: &Role, pending: &Pending, sent: CallbackParams) -> Result<Proof> {
    provider_refusal(&sent)?;
    let config = Config::load(cx).await?;
    let proof = prove(jwt, cx, &config, role, pending, sent.code).await?;
    let_in(role, &proof)?;
    Ok(proof)
}
