//! Credentials of a role that trusts this server's identity tokens.
use super::error::{Answer, CallError, failed, incomplete};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, Result};
use aws_sdk_sts::Client;
use lessor_engine::{Clock, IdentityTokens};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Exchanges an identity token whenever the SDK has no credentials that are good for long enough.
pub(super) struct Federated {
    pub(super) role_arn: String,
    pub(super) audience: String,
    /// Lifetime of the token; AWS decides that of the session.
    pub(super) ttl: Duration,
    pub(super) tokens: Arc<dyn IdentityTokens>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sts: Client,
}

impl fmt::Debug for Federated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Federated({})", self.role_arn)
    }
}

impl Federated {
    async fn exchange(&self) -> Answer<Credentials> {
        let token = self.tokens.mint(&self.audience, self.ttl).await;
        let token = token.map_err(|error| CallError::NoToken(error.to_string()))?;
        // Differs from session to session, so that CloudTrail tells them apart.
        let session = format!("vault-aws-auth-{}", self.clock.now().as_nanosecond());
        let call = self.sts.assume_role_with_web_identity().role_arn(&self.role_arn).role_session_name(&session);
        let answer = call.web_identity_token(token.expose()).send().await.map_err(|error| failed(&error))?;
        let got = answer.credentials().ok_or_else(|| incomplete("credentials"))?;
        let expires = SystemTime::try_from(*got.expiration()).map_err(|_| incomplete("an expiry"))?;
        let token = Some(got.session_token().to_owned());
        Ok(Credentials::new(got.access_key_id(), got.secret_access_key(), token, Some(expires), "lessor"))
    }
    async fn credentials(&self) -> Result {
        self.exchange().await.map_err(CredentialsError::provider_error)
    }
}

impl ProvideCredentials for Federated {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(self.credentials())
    }
}
