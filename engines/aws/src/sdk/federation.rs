//! Credentials of a role that trusts this server's identity tokens.
use super::convert::failed;
use super::sts::temporary;
use crate::call::{Answer, CallError, Federation, Temporary};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_credential_types::provider::{ProvideCredentials, Result};
use aws_sdk_sts::Client;
use std::fmt;

/// Exchanges an identity token whenever the SDK has no credentials that are good for long enough.
pub(super) struct Federated {
    federation: Federation,
    /// Tried in order.
    sts: Vec<Client>,
}

impl fmt::Debug for Federated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Federated({})", self.federation.role_arn)
    }
}

impl Federated {
    pub(super) fn new(federation: Federation, sts: Vec<Client>) -> Self {
        Self { federation, sts }
    }
    async fn exchange(&self) -> Answer<Temporary> {
        let Federation { role_arn, audience, ttl, tokens, clock } = &self.federation;
        let token = tokens.mint(audience, *ttl).await.map_err(|error| CallError::NoToken(error.to_string()))?;
        // Differs from session to session, so that CloudTrail tells them apart.
        let session = format!("vault-aws-secrets-{}", clock.now().as_nanosecond());
        let mut last = CallError::Unavailable("no STS endpoint is configured".to_owned());
        for client in &self.sts {
            let call = client.assume_role_with_web_identity().role_arn(role_arn).role_session_name(&session);
            let answer = call.web_identity_token(token.expose()).send().await;
            match answer.map_err(|error| failed(&error)) {
                Ok(answer) => return temporary(answer.credentials(), ""),
                Err(error @ CallError::Unavailable(_)) => last = error,
                Err(refused) => return Err(refused),
            }
        }
        Err(last)
    }
    async fn credentials(&self) -> Result {
        let Temporary { key, expires, .. } = self.exchange().await.map_err(CredentialsError::provider_error)?;
        let token = key.token.as_ref().map(|token| token.expose().to_owned());
        Ok(Credentials::new(key.id, key.secret.expose(), token, Some(expires.into()), "lessor"))
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
