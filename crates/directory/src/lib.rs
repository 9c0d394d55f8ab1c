//! Connections to LDAP directories, for the auth method that asks them about people and the engine that keeps accounts
//! in them: where they are and whom they trust ([`Settings`]), one connection ([`Connection`]), several that are kept
//! ([`Pool`]).
mod connection;
mod pool;
mod result;
mod settings;
mod tls;

pub use connection::{Account, Bound, Connection, Failure, Search};
pub use ldap3::{Mod, Scope, SearchEntry, dn_escape, exop::PasswordModify, ldap_escape};
pub use pool::{Leased, Pool};
pub use result::{code, name_of};
pub use settings::{Aliases, Settings, TlsVersion};
