//! Passwords by policy: the role's, the configuration's, or the standard one.
use lessor_engine::password_policy::{PasswordPolicy, default_password};
use lessor_engine::{Context, Error, Result, Secret};

/// The bits below which few SCRAM rounds would be a risk.
const STRONG: f64 = 112.0;

/// A password by the named policy; empty names the standard.
pub(crate) async fn generate(cx: &Context, policy: &str) -> Result<Secret> {
    if policy.is_empty() {
        return Ok(default_password());
    }
    let made = cx.policies.generate(policy).await;
    made.map_err(|error| Error::Refused { status: 500, message: format!("failed to generate password: {error}") })
}

/// Refuses fewer rounds for passwords that could be guessed.
///
/// A verifier is only as strong as rounds times guesses: with 112 bits of chance in the password, rounds add nothing
/// that matters (NIST SP 800-131A counts 112 bits as out of reach).
pub(crate) async fn check_strength(cx: &Context, policy: &str) -> Result<()> {
    let bits = if policy.is_empty() { PasswordPolicy::standard().bits() } else { cx.policies.bits(policy).await? };
    if bits >= STRONG {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "scram_iterations: passwords of this policy have {bits:.0} bits; below {STRONG} the server's own rounds have to stay"
    )))
}
