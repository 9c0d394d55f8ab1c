//! Quotas: how many requests a client may send, and how many leases may stand.
pub(crate) mod admit;
mod leases;
mod limiter;
mod rule;
mod table;

pub use leases::{LeaseCounts, Open, Seat, place_of, place_of_token};
pub use limiter::Verdict;
pub use rule::{Kind, Place, Rule};
pub use table::{QuotaConfig, Quotas};
