//! What a token may do: policies in HCL or JSON, compiled once and asked by every request.
//!
//! [`parse`] reads a policy's text into typed rules, [`Acl::compile`] turns the rules of a token's policies into one
//! table, and [`Acl::decide`] asks it. [`Policies`] keeps the texts in storage and the tables in memory.
mod acl;
mod builtin;
mod capability;
mod check;
mod decision;
mod entry;
mod error;
mod parameters;
mod parse;
mod pattern;
mod prefixes;
mod rule;
mod store;
pub(crate) mod template;

#[cfg(test)]
mod tests;

pub use acl::{Acl, Source};
pub use builtin::{DEFAULT, RESPONSE_WRAPPING};
pub use capability::{Capabilities, Capability};
pub use decision::{Ask, Decision, Granting};
pub use entry::{Change, Entry};
pub use error::PolicyError;
pub use parameters::Parameters;
pub use parse::parse;
pub use rule::{Permissions, Policy, Rule};
pub use store::{EPOCH, Policies};
pub use template::{PathTemplate, Switches};
