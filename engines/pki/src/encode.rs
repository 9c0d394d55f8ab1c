//! DER where the types of x509-cert do not reach, PEM, and how serial numbers are written.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Error, Result};

/// One DER element: tag, length, and the parts as its content.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(len + 6);
    out.push(tag);
    let bytes = len.to_be_bytes();
    let short = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    if len < 0x80 {
        // Below 128, so it is the last byte alone.
        out.push(bytes[bytes.len() - 1]);
    } else {
        // A usize has at most eight bytes.
        out.push(0x80 | u8::try_from(short.len()).unwrap_or(8));
        out.extend_from_slice(short);
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// DER in PEM, without a newline at the end.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let mut text = pem::encode_config(&pem::Pem::new(label, der), config);
    text.truncate(text.trim_end().len());
    text
}

/// A certificate in PEM.
pub(crate) fn certificate_pem(der: &[u8]) -> String {
    pem("CERTIFICATE", der)
}

/// Every block of a PEM text, with its label.
///
/// # Errors
/// When a block is broken.
pub(crate) fn blocks(text: &str) -> Result<Vec<(String, zeroize::Zeroizing<Vec<u8>>)>> {
    let parsed = pem::parse_many(text).map_err(|error| Error::invalid(format!("the PEM cannot be read: {error}")))?;
    Ok(parsed.into_iter().map(|block| (block.tag().to_owned(), block.into_contents().into())).collect())
}

/// The first block with this label.
pub(crate) fn first_block(text: &str, labels: &[&str]) -> Option<Vec<u8>> {
    let found = blocks(text).ok()?.into_iter().find(|(label, _)| labels.contains(&label.as_str()));
    found.map(|(_, der)| der.to_vec())
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn unb64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.trim()).ok()
}

/// `1a:2b`, as answers write serial numbers.
pub(crate) fn colons(serial: &[u8]) -> String {
    joined(serial, ":")
}

/// `1a-2b`, as storage keys write serial numbers.
pub(crate) fn hyphens(serial: &[u8]) -> String {
    joined(serial, "-")
}

fn joined(serial: &[u8], by: &str) -> String {
    let mut text = String::with_capacity(serial.len() * 3);
    for byte in serial {
        if !text.is_empty() {
            text.push_str(by);
        }
        text.push_str(&hex::encode([*byte]));
    }
    text
}

/// A serial number with colons or hyphens (or neither), in either case. `None`: it is none.
pub(crate) fn serial(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.trim().chars().filter(|c| !matches!(c, ':' | '-')).collect();
    let digits = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits };
    hex::decode(digits).ok().filter(|bytes| !bytes.is_empty() && bytes.len() <= 32)
}

/// The moment in seconds of a text such as `2026-11-25T00:00:00Z`.
pub(crate) fn moment(field: &str, text: &str) -> Result<i64> {
    let parsed: Result<lessor_engine::Timestamp, _> = text.trim().parse();
    // 9999-12-31T23:59:59Z, "no defined end" (RFC 5280, 4.1.2.5), is behind the last moment of the library.
    if text.trim() == "9999-12-31T23:59:59Z" {
        return Ok(253_402_300_799);
    }
    parsed.map(lessor_engine::Timestamp::as_second).map_err(|_| {
        Error::invalid(format!("failed to parse {field} {text:?}: expected a time such as 2030-01-31T23:59:59Z"))
    })
}

/// Seconds since 1970 as `2026-11-25T00:00:00Z`.
pub(crate) fn rfc3339(seconds: i64) -> String {
    lessor_engine::Timestamp::from_second(seconds).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        assert_eq!(tlv(0x30, &[]), [0x30, 0]);
        assert_eq!(tlv(4, &[&[0; 127]])[..2], [4, 0x7f]);
        assert_eq!(tlv(4, &[&[0; 128]])[..3], [4, 0x81, 0x80]);
        assert_eq!(tlv(4, &[&[0; 300], &[1; 20]])[..4], [4, 0x82, 1, 0x40]);
    }

    #[test]
    fn serial_numbers_are_taken_in_every_spelling() {
        for text in ["1a:2B", "1A-2b", "1a2b"] {
            assert_eq!(serial(text).unwrap(), [0x1a, 0x2b], "{text}");
        }
        assert!(serial("ca").is_some() && serial("xyz").is_none() && serial("").is_none());
        assert_eq!(colons(&[1, 0xab]), "01:ab");
    }
}
