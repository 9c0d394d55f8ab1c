//! `plugin`: the catalog of what can be mounted.

pub mod catalog;
pub mod list;
pub mod reload;

use crate::failure::Failure;

/// The types of the catalog.
const TYPES: [&str; 3] = ["auth", "database", "secret"];

/// A type of the catalog; `unknown` is what older clients name plugins by.
fn kind(text: &str) -> Result<String, Failure> {
    let kind = text.trim().to_lowercase();
    if TYPES.contains(&kind.as_str()) {
        return Ok(kind);
    }
    Err(Failure::remote(format!("Error parsing type: {text:?} is not a supported plugin type"))
        .hint("use auth, database or secret"))
}
