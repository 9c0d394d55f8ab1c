//! Mounts: which engine or auth method answers below which path.
mod builtin;
pub mod entry;
pub mod table;
mod unmount;

pub use entry::{Entry, MountConfig};
pub use table::{Factories, Mounted, Mounts};
