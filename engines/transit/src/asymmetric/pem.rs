//! PEM with the line lengths and line ends that Go writes.
use lessor_engine::{Error, Result};
use x509_cert::der::pem::{LineEnding, decode_vec, encode_string};

/// The text of a block.
pub(crate) fn pem(label: &str, der: &[u8]) -> Result<String> {
    encode_string(label, LineEnding::LF, der).map_err(|_| Error::Internal("failed to PEM-encode the key".to_owned()))
}

/// Label and contents of the first block; `None` where there is none.
pub(crate) fn unpem(text: &str) -> Option<(String, Vec<u8>)> {
    let (label, der) = decode_vec(text.trim().as_bytes()).ok()?;
    Some((label.to_owned(), der))
}
