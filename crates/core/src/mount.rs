//! Mounts: which engine answers below which path.
pub mod entry;
pub mod table;

pub use entry::{Entry, MountConfig};
pub use table::{Mounted, Mounts};
