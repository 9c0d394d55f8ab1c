//! The request pipeline and what it stands on. Knows no engine by name and no HTTP.
//!
//! Begin with [`node::Core`] (sealed and unsealed), then `pipeline` (the way of a request) and `lease::issue` (the
//! protocol by which no credential is ever unknown).
pub mod active;
pub mod audit;
pub mod barrier;
mod ceremony;
pub mod cluster;
pub mod cors;

pub mod cubbyhole;
mod generate_root;
mod glance;
mod hand_out;
mod help;
pub mod history;
pub mod identity;
mod in_flight;
pub mod init;
mod jwt;
pub mod keys;
pub mod lease;
pub mod lockout;
pub mod locks;
pub mod logs;
pub mod metrics;
pub mod mount;
pub mod namespace;
pub mod node;
pub mod openapi;
pub mod password_policies;
mod paused;
mod pgp;
mod pipeline;
pub mod policy;
pub mod quota;
pub mod reconcile;
mod record;
mod rekey;
pub mod request;
pub mod response;
pub mod revocation;
pub mod rotation;
pub mod seal;
pub mod settings;
mod shared_keys;
pub mod snapshot;
mod status;
pub mod system;
pub mod token;
pub mod unseal;
mod upkeep;
mod usage;
pub mod wrapping;
