//! The contract a secrets engine is written against.
//!
//! An engine is a plain value, [`Backend`]: the table of its paths (declared once, as data), and, where it
//! has them, the contracts that core drives: [`Dynamic`] for credentials that are created, leased and
//! revoked, [`Rotating`] for secrets that are replaced in two phases, and [`AuthMethod`] for logins. Engines never see
//! a token, a lease id or the storage of anybody else; core never knows an engine by name.
// The derive names this crate by its full name, here too.
#[allow(unused_extern_crates)]
extern crate self as lessor_engine;

pub mod auth;
pub mod backend;
pub mod beside;
pub mod clock;
pub mod context;
pub mod duration;
pub mod error;
pub mod field;
pub mod glob;
mod page;
pub mod password_policy;
pub mod path;
pub mod reply;
mod schedule;
pub mod secret;
pub mod simulation;
pub mod stream;
pub mod template;
pub mod timing;
pub mod view;

pub use auth::{Alias, AuthMethod, Login, OldNames, Renewed, TokenKind, TokenParams, TokenRole, TokenSettings};
pub use backend::{Backend, Credential, Dynamic, Factory, Grant, MadeObject, Rotating, Rotation, Terms, Works};
pub use clock::{Clock, SystemClock};
pub use context::{Caller, Connection, Context, Identified, IdentityTokens, Mount, PasswordPolicies};
pub use error::{Error, Result};
pub use field::{
    Any, CommaList, FieldError, FieldKind, FieldSpec, FieldValue, Fields, KeyValues, Object, Params, Seconds,
    StringList,
};
pub use jiff::Timestamp;
pub use lessor_engine_derive::Params;
pub use path::{Access, Operation, PathSpec, PathTable, Paths};
pub use reply::{Ended, Issue, LeaseView, Outcome, Raw, Reply};
pub use secret::Secret;
pub use stream::Stream;
pub use view::{Changes, View};
