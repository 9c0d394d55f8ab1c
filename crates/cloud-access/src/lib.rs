//! As whom this server asks a cloud: access tokens of Google ([`google`]) and Azure ([`azure`]), got as their own libraries
//! get them, and kept until shortly before their end ([`Kept`]); and answers that clouds publish for everybody, such as
//! keys, kept as long as they say ([`Published`]).
pub mod azure;
mod certificate;
pub mod google;
mod kept;
mod published;
mod surroundings;

pub use kept::Kept;
pub use published::Published;
pub use surroundings::Surroundings;

/// Why a cloud gives no access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cloud answers, and refuses; or what it is shown cannot be used.
    #[error("{0}")]
    Refused(String),
    /// Nobody answers, or not in a form that can be read.
    #[error("{0}")]
    Unavailable(String),
}

impl From<Error> for lessor_engine::Error {
    fn from(error: Error) -> Self {
        match error {
            // A fault of the configuration, not of whoever logs in.
            Error::Refused(message) => Self::Refused { status: 500, message },
            Error::Unavailable(message) => Self::Unavailable(message),
        }
    }
}

/// What may be in a file of credentials or a token; no cloud's is larger.
const LARGEST: u64 = 1 << 20;

async fn read(path: &str) -> Result<lessor_engine::Secret, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Refused(format!("{path} cannot be read: {error}"));
    let size = tokio::fs::metadata(path).await.map_err(|error| failed(&error))?.len();
    if size > LARGEST {
        return Err(failed(&"it is too large"));
    }
    tokio::fs::read_to_string(path).await.map(lessor_engine::Secret::new).map_err(|error| failed(&error))
}
