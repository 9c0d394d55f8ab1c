//! The codes themselves (RFC 4226, 5.3, and RFC 6238).
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

/// The digest of the HMAC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
    #[serde(rename = "SHA512")]
    Sha512,
}

impl Algorithm {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "SHA1" => Some(Self::Sha1),
            "SHA256" => Some(Self::Sha256),
            "SHA512" => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// The code of a time step, with leading zeros. `digits` is 6 or 8.
pub(crate) fn code(algorithm: Algorithm, key: &[u8], step: u64, digits: u32) -> String {
    let mac = hmac::sign(&hmac::Key::new(algorithm.hmac(), key), &step.to_be_bytes());
    let mac = mac.as_ref();
    // The last four bits say where to cut; every digest is at least 20 bytes long.
    let at = usize::from(mac[mac.len() - 1] & 0xf);
    let cut = mac[at..at + 4].iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff;
    let width = if digits == 8 { 8 } else { 6 };
    format!("{:0width$}", cut % 10u32.pow(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B; the seeds have the length of the digest.
        let seed = |len: usize| -> Vec<u8> { b"1234567890".iter().copied().cycle().take(len).collect() };
        let vectors = [
            (59, "94287082", "46119246", "90693936"),
            (1_111_111_109, "07081804", "68084774", "25091201"),
            (1_111_111_111, "14050471", "67062674", "99943326"),
            (1_234_567_890, "89005924", "91819424", "93441116"),
            (2_000_000_000, "69279037", "90698825", "38618901"),
            (20_000_000_000, "65353130", "77737706", "47863826"),
        ];
        for (time, sha1, sha256, sha512) in vectors {
            let step = time / 30;
            assert_eq!(code(Algorithm::Sha1, &seed(20), step, 8), sha1);
            assert_eq!(code(Algorithm::Sha256, &seed(32), step, 8), sha256);
            assert_eq!(code(Algorithm::Sha512, &seed(64), step, 8), sha512);
        }
    }

    #[test]
    fn codes_are_those_of_rfc_4226() {
        // Appendix D.
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (step, expected) in (0..).zip(expected) {
            assert_eq!(code(Algorithm::Sha1, b"12345678901234567890", step, 6), expected);
        }
    }
}
