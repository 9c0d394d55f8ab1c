//! ACME (RFC 8555).
pub(crate) mod config;
pub(crate) mod validate;

use crate::Engine;
use lessor_engine::Paths;

pub(crate) fn paths(table: Paths<Engine>) -> Paths<Engine> {
    table.path("config/acme", "Whether and how ACME is offered.", |path| path.read(config::read).write(config::write))
}
