//! `sys/mfa/validate`: the second step of a login.
use super::System;
use crate::identity::mfa::Proofs;
use lessor_engine::{Context, Object, Params, Paths, Reply, Result};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("mfa/validate", "Finishes a login that needs MFA.", |path| path.write(validate).open())
}

#[derive(Params)]
struct Validate {
    /// The `mfa_request_id` of the login's answer.
    mfa_request_id: String,
    /// Passcodes by method id: `{"<id>": ["123456"]}`.
    #[param(secret)]
    mfa_payload: Object,
}

async fn validate(system: Arc<System>, cx: Context, asked: Validate) -> Result<Reply> {
    let proofs = Proofs::from_payload(&asked.mfa_payload.0)?;
    let active = system.active()?;
    let made = active.finish_login(&cx.namespace, &asked.mfa_request_id, &proofs).await?;
    Ok(Reply::auth(active.auth_of(&made.token, made.text.expose()).await?))
}
