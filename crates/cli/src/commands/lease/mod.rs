//! `lease`: what was handed out and when it ends.

use crate::command::arity;
use crate::failure::Failure;
use crate::flags::Args;

pub mod lookup;
pub mod renew;
pub mod revoke;

/// The one lease id of the command line.
fn id(args: &Args) -> Result<&str, Failure> {
    arity(args, 0, 1)?;
    args.rest.first().map(|id| id.trim()).ok_or_else(|| Failure::local("Missing ID!"))
}
