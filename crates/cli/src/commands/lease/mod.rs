//! `lease`: what was handed out and when it ends.

pub mod lookup;
pub mod renew;
pub mod revoke;
