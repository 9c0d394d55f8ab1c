//! Client for the Lessor HTTP API (and any server that speaks the same `/v1` API).
//!
//! [`Client`] sends one request at a time with the headers, retries, redirects and TLS settings the
//! field's command line clients use, and gives back either a [`Response`] or a typed [`Error`].

mod client;
mod config;
mod error;
mod rate;
mod request;
mod srv;
mod tls;
mod token;

pub use client::{Client, Stream};
pub use config::{Config, DEFAULT_ADDRESS, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT};
pub use error::{ApiError, Error};
pub use rate::RateLimit;
pub use request::{Method, Request, Response};
pub use srv::SrvLookup;
pub use tls::{PemSource, TlsSettings};
pub use token::Token;
