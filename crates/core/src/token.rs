//! Tokens: who may ask, and whose leases end when they do.
mod batch;
pub mod identity;
mod known;
pub mod login;
pub mod record;
pub mod revoke;
pub mod store;

pub use record::{Kind, Token};
pub use store::Tokens;
