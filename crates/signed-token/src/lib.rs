//! Tokens that somebody else signed (RFC 7519): whether one is what it says.
//!
//! [`Unverified::parse`] takes a token apart, [`Unverified::verify`] believes it for one of the keys of a [`KeySet`], and
//! [`check`] holds its registered claims against what is [`Expected`]. What else the claims mean is the caller's business.
pub mod claims;
mod es512;
pub mod keys;
pub mod token;

pub use claims::{Claims, Expected, audiences, check};
pub use keys::KeySet;
pub use token::{Signing, Unverified, algorithm};
