//! Connections to LDAP directories, for the auth method that asks them about people and the engine that keeps accounts
//! in them: where they are and whom they trust ([`Settings`]), one connection ([`Connection`]), several that are kept
//! ([`Pool`]), whether a password is right ([`Login`]), and how one is set ([`Schema`]).
mod connection;
mod login;
mod pool;
mod result;
mod schema;
mod settings;
mod tls;

pub use connection::{Account, Bound, Connection, Failure, Search};
pub use ldap3::{Mod, Scope, SearchEntry, dn_escape, exop::PasswordModify, ldap_escape};
pub use login::Login;
pub use pool::{Leased, Pool};
pub use result::{code, name_of};
pub use schema::{CredentialType, Schema, letters, unicode};
pub use settings::{Aliases, Settings, TlsVersion};
