//! What can go wrong inside an engine, sorted by who can mend it.
use lessor_storage as storage;

/// A typed engine error. The message is for the caller and never carries a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's input is wrong (400). Names the field, the reason and the accepted form.
    #[error("{0}")]
    Invalid(String),
    /// A login with wrong credentials (400); counts towards locking its alias out.
    #[error("{0}")]
    BadCredentials(String),
    /// The caller may not do this (403).
    #[error("{0}")]
    Forbidden(String),
    /// Nothing of that name (404).
    #[error("{0}")]
    NotFound(String),
    /// The platform answered and refused (answered with `status`, 400 or 500 by the contract).
    #[error("{message}")]
    Refused {
        /// The HTTP status the contract gives this refusal.
        status: u16,
        /// The platform's own words.
        message: String,
    },
    /// The platform cannot be reached or does not answer (500). Opens the target's circuit breaker.
    #[error("{0}")]
    Unavailable(String),
    /// The platform asks to slow down (502).
    #[error("upstream rate limited: {0}")]
    Throttled(String),
    /// Storage failed or a guard did not hold.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// A fault of Lessor's own (500).
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// A refusal that the contract answers with 400.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::Refused { status: 400, message: message.into() }
    }
    /// Shorthand for [`Error::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }
    /// The HTTP status this error is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::BadCredentials(_) => 400,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Refused { status, .. } => *status,
            Self::Throttled(_) => 502,
            Self::Storage(storage::Error::Sealed) => 503,
            Self::Unavailable(_) | Self::Storage(_) | Self::Internal(_) => 500,
        }
    }
    /// Whether the whole target is at fault and not this one request: then others wait for its return too.
    pub fn target_is_down(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Throttled(_))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("a stored record cannot be read: {error}"))
    }
}

/// The result of an engine call.
pub type Result<T, E = Error> = std::result::Result<T, E>;
