//! Base64 as Vault's clients meet it, with the errors that Go's decoder gives.
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD};
use lessor_engine::{Error, Result, Secret};
use zeroize::Zeroizing;

/// As lenient as Go about the bits behind the last byte.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const STD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL: GeneralPurpose =
    GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT.with_decode_padding_mode(DecodePaddingMode::RequireNone));

/// Where the text stops being base64.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("illegal base64 data at input byte {0}")]
pub(crate) struct Illegal(usize);

impl From<Illegal> for Error {
    fn from(error: Illegal) -> Self {
        Self::Invalid(error.to_string())
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn encode_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a text; line breaks are skipped.
///
/// # Errors
/// The first byte that is wrong, counted as Go counts.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Illegal> {
    if let Ok(bytes) = STD.decode(text) {
        return Ok(bytes);
    }
    let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STD.decode(joined).map_err(|_| Illegal(fault(text.as_bytes())))
}

/// The same of the alphabet for URLs, without padding.
///
/// # Errors
/// When it is not of that form.
pub(crate) fn decode_url(text: &str) -> Result<Vec<u8>> {
    URL.decode(text).map_err(|_| Error::invalid("the text is no url-safe base64 without padding"))
}

/// The offset Go's decoder reports: of a wrong character, of the start of a group that ends too early, of what stands
/// where the second `=` has to be (less one), or of what follows the padding.
fn fault(text: &[u8]) -> usize {
    let kept: Vec<(usize, u8)> =
        text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).collect();
    for (nth, (at, byte)) in kept.iter().enumerate() {
        let next = |steps: usize| kept.get(nth + steps).copied();
        match (byte, nth % 4) {
            (b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/', _) => {}
            (b'=', 2) => match next(1) {
                None => return text.len(),
                Some((_, b'=')) => return next(2).map_or(text.len(), |(behind, _)| behind),
                Some((other, _)) => return other - 1,
            },
            (b'=', 3) => return next(1).map_or(text.len(), |(behind, _)| behind),
            _ => return *at,
        }
    }
    text.len() - kept.len() % 4
}

/// Secret bytes as they are kept.
pub(crate) fn seal(bytes: &[u8]) -> Secret {
    Secret::new(STANDARD.encode(bytes))
}

/// Secret bytes as they were kept.
///
/// # Errors
/// When the record is damaged.
pub(crate) fn unseal(secret: &Secret) -> Result<Zeroizing<Vec<u8>>> {
    let bytes = STANDARD.decode(secret.expose());
    bytes.map(Zeroizing::new).map_err(|_| Error::Internal("a stored key is damaged".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_where_go_points() {
        for (text, at) in
            [("!", 0), ("ab!d", 2), ("abc", 0), ("YWJjZ", 4), ("YQ=", 3), ("YQ==YQ==", 4), ("a b=", 1), ("YQ=a", 2)]
        {
            assert_eq!(decode(text), Err(Illegal(at)), "{text}");
        }
    }

    #[test]
    fn line_breaks_and_loose_bits_are_taken() {
        assert_eq!(decode("YW\r\nJj").unwrap(), b"abc");
        assert_eq!(decode("YR==").unwrap(), b"a");
        assert_eq!(decode("").unwrap(), b"");
        assert_eq!(decode_url("_-8").unwrap(), [0xff, 0xef]);
        assert!(decode_url("_-8=").is_err());
    }
}
