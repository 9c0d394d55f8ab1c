//! Leases: a credential, who holds it, and when it ends. Nothing of them is held in memory.
pub mod issue;
pub mod record;
pub mod renew;
pub mod retry;
pub mod revoke;
pub mod store;
pub mod ttl;

pub use record::{Intent, Lease};
pub use store::Store;
