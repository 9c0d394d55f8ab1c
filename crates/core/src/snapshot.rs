//! The whole storage in one file, and back: encrypted as it lies there, the same for every storage engine.
//!
//! A restore puts the entries of the file aside first, then says that it goes on, then takes the old entries away and moves
//! the new ones to their places. From the moment it says so every node is sealed, and whoever starts next carries it to
//! its end: a crash leaves the old storage or the new one. What was restored starts with revocation paused: the leases
//! that the file knows nothing of are somebody's decision.
mod file;
mod restore;
mod take;

pub use file::Header;
pub(crate) use restore::GOES_ON;
