//! `pki`: authorities of several mounts made and compared, and a mount's health judged. The server only offers the steps.
mod authority;
mod certificate;
pub mod health;
pub mod issue;
pub mod list_intermediates;
pub mod reissue;
mod signature;
pub mod verify_sign;
