//! HCL 1, the language of Vault's policies and configuration files, and JSON in its place.
//!
//! HCL 2 readers refuse what policy authors have written for years: two attributes on one line,
//! `allowed_parameters { "*" = [] }`, quoted keys at the top level, `${` inside strings, `0x10`, a brace on
//! the next line. This crate reads the first edition of the language, and nothing else of it: no
//! interpolation is evaluated, no file is opened.
//!
//! ```
//! let body = lessor_hcl::parse(r#"path "secret/*" { capabilities = ["read"] }"#)?;
//! let blocks = body.blocks("path", 1)?;
//! assert_eq!(blocks[0].label(0), Some("secret/*"));
//! # Ok::<(), lessor_hcl::Error>(())
//! ```
//!
//! [`parse`] gives a [`Body`]: items in the order they were written, each with its place in the text. Callers
//! with a fixed vocabulary walk it with [`Body::attr`], [`Body::blocks`] and [`Body::unknown`]; callers who
//! only want the data take [`Body::to_json`].
mod access;
mod ast;
mod format;
mod json;
mod literal;
mod parser;
mod scanner;
mod to_json;

pub use access::Block;
pub use ast::{Body, Item, Key, Node, Span, Value};
pub use format::format;

/// How deep objects and lists may nest. Far beyond what anyone writes, far below what overflows a stack.
pub const MAX_DEPTH: usize = 64;

/// Why a text is not HCL, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("At {line}:{column}: {message}")]
pub struct Error {
    /// Counted from one.
    pub line: usize,
    /// Counted from one, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl Error {
    /// An error at a place of the text; callers use it for faults of meaning, so that these read alike.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Self { line: span.line, column: span.column, message: message.into() }
    }
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Reads a document: JSON if its first character that is no space is a brace, HCL 1 otherwise.
///
/// # Errors
/// The first fault found, with its line and column.
pub fn parse(text: &str) -> Result<Body> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') { json::parse(text) } else { parser::parse(text) }
}
