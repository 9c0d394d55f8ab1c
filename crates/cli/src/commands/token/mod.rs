//! `token`: create, look at, renew and revoke tokens.

pub mod capabilities;
pub mod create;
pub mod lookup;
pub mod renew;
pub mod revoke;
