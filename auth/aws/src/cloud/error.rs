//! Why a call to AWS failed.
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use lessor_engine::Error;
use std::error::Error as _;

/// Sorted by who can mend it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// AWS was not reached, or could not answer.
    #[error("{0}")]
    Unavailable(String),
    /// AWS asks to slow down.
    #[error("{0}")]
    Throttled(String),
    /// AWS refused.
    #[error("{code}: {message}")]
    Refused {
        /// `NoSuchEntity` and the like.
        code: String,
        /// AWS's own words.
        message: String,
    },
    /// Nobody is configured, and the server's surroundings offer nobody.
    #[error("there are no credentials for AWS: configure access_key or identity_token_audience in config/client")]
    NoCredentials,
    /// This server made no identity token for the mount.
    #[error("no identity token for AWS: {0}")]
    NoToken(String),
}

pub(crate) type Answer<T> = Result<T, CallError>;

impl CallError {
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
    /// For whoever sent what cannot be checked: a refusal is theirs to mend, silence is not.
    pub(crate) fn while_doing(self, what: &str) -> Error {
        let text = format!("{what}: {self}");
        match self {
            Self::Unavailable(_) => Error::Unavailable(text),
            Self::Throttled(_) => Error::Throttled(text),
            Self::Refused { .. } | Self::NoCredentials | Self::NoToken(_) => Error::invalid(text),
        }
    }
    /// By the status and the code of an answer that is none.
    pub(super) fn answered(status: u16, code: &str, message: &str) -> Self {
        let text = if code.is_empty() { format!("status {status}: {message}") } else { format!("{code}: {message}") };
        if status == 429 || SLOW_DOWN.contains(&code) {
            return Self::Throttled(text);
        }
        if status >= 500 {
            return Self::Unavailable(format!("AWS answered {status}: {text}"));
        }
        Self::Refused { code: code.to_owned(), message: message.to_owned() }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unavailable(text) => Self::Unavailable(text),
            CallError::Throttled(text) => Self::Throttled(text),
            refused @ (CallError::Refused { .. } | CallError::NoCredentials | CallError::NoToken(_)) => {
                Self::refused(refused.to_string())
            }
        }
    }
}

const SLOW_DOWN: [&str; 5] =
    ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"];

/// An answer without a part that AWS promises.
pub(super) fn incomplete(what: &str) -> CallError {
    CallError::Unavailable(format!("AWS answered without {what}"))
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The whole chain: the SDK's first line only says that something failed.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// What went wrong behind an error of the SDK's.
pub(super) fn behind(error: &(dyn std::error::Error + 'static)) -> CallError {
    if let Some(refusal) = causes(error).find_map(|error| error.downcast_ref::<SdkError<AssumeRoleError, Response>>()) {
        return failed(refusal);
    }
    // With an identity token, credentials are asked for with calls of our own.
    let ours = causes(error).find_map(|error| error.downcast_ref::<CallError>());
    let offered = |error: &CredentialsError| !matches!(error, CredentialsError::CredentialsNotLoaded(_));
    match ours {
        Some(ours) => ours.clone(),
        None if causes(error).filter_map(|error| error.downcast_ref()).all(offered) => {
            CallError::Unavailable(format!("AWS could not be reached: {}", chain(error)))
        }
        None => CallError::NoCredentials,
    }
}

/// An error of the SDK's.
pub(super) fn failed<E>(error: &SdkError<E, Response>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(context) = error else {
        return error.source().map_or_else(|| CallError::Unavailable(error.to_string()), behind);
    };
    let status = context.raw().status().as_u16();
    let code = context.err().code().unwrap_or_default();
    CallError::answered(status, code, context.err().message().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_who_can_mend_it() {
        let ours = CallError::Refused { code: "AccessDenied".to_owned(), message: "no".to_owned() };
        let wrapped = CredentialsError::provider_error(ours);
        assert_eq!(behind(&wrapped).to_string(), "AccessDenied: no");
        let nobody = CredentialsError::not_loaded("x");
        assert!(matches!(behind(&nobody), CallError::NoCredentials));
        let lost = CredentialsError::provider_error(std::io::Error::other("connection refused"));
        assert!(matches!(behind(&lost), CallError::Unavailable(text) if text.contains("connection refused")));
        for (status, code, wanted) in [
            (400, "Throttling", 502),
            (429, "", 502),
            (503, "SlowDown", 502),
            (500, "InternalFailure", 500),
            (403, "AccessDenied", 400),
        ] {
            assert_eq!(CallError::answered(status, code, "x").while_doing("y").status(), wanted, "{status} {code}");
        }
    }
}
