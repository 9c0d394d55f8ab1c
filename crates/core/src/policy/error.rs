//! What can be wrong with a policy's text.
use lessor_engine::Error;
use std::fmt;

/// A text that is no policy. The words are those of Vault, behind `failed to parse policy: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No HCL, or HCL of another shape.
    #[error("failed to parse policy: {0}")]
    Syntax(#[from] lessor_hcl::Error),
    /// Keys that mean nothing outside of `path` blocks.
    #[error("failed to parse policy: {0}")]
    Keys(UnknownKeys),
    /// Keys that mean nothing inside of a `path` block.
    #[error("failed to parse policy: path {path:?}: {keys}")]
    PathKeys {
        /// The block.
        path: String,
        /// The keys.
        keys: UnknownKeys,
    },
    /// A `path` block with a value that does not fit.
    #[error("failed to parse policy: path {path:?}: {reason}")]
    Path {
        /// The block.
        path: String,
        /// What does not fit, and where.
        reason: String,
    },
}

/// Keys nobody knows, with their lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKeys(pub Vec<(String, usize)>);

impl fmt::Display for UnknownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "1 error occurred:")?,
            count => write!(f, "{count} errors occurred:")?,
        }
        for (key, line) in &self.0 {
            write!(f, "\n\t* invalid key {key:?} on line {line}")?;
        }
        write!(f, "\n\n")
    }
}

impl From<PolicyError> for Error {
    fn from(error: PolicyError) -> Self {
        Self::invalid(error.to_string())
    }
}
