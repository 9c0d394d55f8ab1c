//! Who somebody is beyond one token: entities, their aliases at auth mounts, and groups.
pub mod subject;

pub use subject::Subject;
