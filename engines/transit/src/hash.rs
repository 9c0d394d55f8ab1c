//! Digests and HMACs by the names clients use.
use ::hmac as hmac_sha3;
use aws_lc_rs::{digest, hmac};
use hmac_sha3::{KeyInit, Mac};
use zeroize::Zeroizing;

/// A digest algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hash {
    Sha1,
    Sha2_224,
    Sha2_256,
    Sha2_384,
    Sha2_512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

/// Runs code with `$Digest` naming the RustCrypto type of a hash.
macro_rules! with_digest {
    ($hash:expr, $Digest:ident => $body:expr) => {
        match $hash {
            $crate::hash::Hash::Sha1 => {
                type $Digest = sha1::Sha1;
                $body
            }
            $crate::hash::Hash::Sha2_224 => {
                type $Digest = sha2::Sha224;
                $body
            }
            $crate::hash::Hash::Sha2_256 => {
                type $Digest = sha2::Sha256;
                $body
            }
            $crate::hash::Hash::Sha2_384 => {
                type $Digest = sha2::Sha384;
                $body
            }
            $crate::hash::Hash::Sha2_512 => {
                type $Digest = sha2::Sha512;
                $body
            }
            $crate::hash::Hash::Sha3_224 => {
                type $Digest = sha3::Sha3_224;
                $body
            }
            $crate::hash::Hash::Sha3_256 => {
                type $Digest = sha3::Sha3_256;
                $body
            }
            $crate::hash::Hash::Sha3_384 => {
                type $Digest = sha3::Sha3_384;
                $body
            }
            $crate::hash::Hash::Sha3_512 => {
                type $Digest = sha3::Sha3_512;
                $body
            }
        }
    };
}
pub(crate) use with_digest;

const NAMES: [(&str, Hash); 9] = [
    ("sha1", Hash::Sha1),
    ("sha2-224", Hash::Sha2_224),
    ("sha2-256", Hash::Sha2_256),
    ("sha2-384", Hash::Sha2_384),
    ("sha2-512", Hash::Sha2_512),
    ("sha3-224", Hash::Sha3_224),
    ("sha3-256", Hash::Sha3_256),
    ("sha3-384", Hash::Sha3_384),
    ("sha3-512", Hash::Sha3_512),
];

impl Hash {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|row| row.0 == name).map(|row| row.1)
    }

    /// Output length in bytes.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha2_224 | Self::Sha3_224 => 28,
            Self::Sha2_256 | Self::Sha3_256 => 32,
            Self::Sha2_384 | Self::Sha3_384 => 48,
            Self::Sha2_512 | Self::Sha3_512 => 64,
        }
    }

    /// The algorithm in aws-lc-rs, which has all of them but one.
    pub(crate) fn aws(self) -> Option<&'static digest::Algorithm> {
        match self {
            Self::Sha1 => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha2_224 => Some(&digest::SHA224),
            Self::Sha2_256 => Some(&digest::SHA256),
            Self::Sha2_384 => Some(&digest::SHA384),
            Self::Sha2_512 => Some(&digest::SHA512),
            Self::Sha3_224 => None,
            Self::Sha3_256 => Some(&digest::SHA3_256),
            Self::Sha3_384 => Some(&digest::SHA3_384),
            Self::Sha3_512 => Some(&digest::SHA3_512),
        }
    }

    pub(crate) fn digest(self, data: &[u8]) -> Vec<u8> {
        if let Some(algorithm) = self.aws() {
            return digest::digest(algorithm, data).as_ref().to_vec();
        }
        with_digest!(self, D => {
            use sha2::Digest;
            D::digest(data).to_vec()
        })
    }

    /// The HMAC of `data`; keys may have any length.
    pub(crate) fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => Some(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
            Self::Sha2_224 => Some(hmac::HMAC_SHA224),
            Self::Sha2_256 => Some(hmac::HMAC_SHA256),
            Self::Sha2_384 => Some(hmac::HMAC_SHA384),
            Self::Sha2_512 => Some(hmac::HMAC_SHA512),
            Self::Sha3_224 | Self::Sha3_256 | Self::Sha3_384 | Self::Sha3_512 => None,
        };
        if let Some(algorithm) = algorithm {
            return hmac::sign(&hmac::Key::new(algorithm, key), data).as_ref().to_vec();
        }
        with_digest!(self, D => {
            // HMAC takes keys of every length: this one is hashed first where it is longer than a block.
            let key = Zeroizing::new(key.to_vec());
            hmac_sha3::SimpleHmac::<D>::new_from_slice(&key)
                .map(|mac| mac.chain_update(data).finalize().into_bytes().to_vec())
                .unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_abc_are_those_of_their_standards() {
        // FIPS 180-4 and FIPS 202, examples of NIST.
        for (hash, expected) in [
            (Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Hash::Sha2_224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
            (Hash::Sha2_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Hash::Sha3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
            (Hash::Sha3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        ] {
            assert_eq!(hex::encode(hash.digest(b"abc")), expected, "{hash:?}");
        }
        for (_, hash) in NAMES {
            assert_eq!(hash.digest(b"").len(), hash.len());
            assert_eq!(hash.hmac(&[7; 300], b"data").len(), hash.len());
        }
    }

    #[test]
    fn hmacs_are_those_of_rfc_4231_and_nist() {
        // RFC 4231, case 2.
        let mac = Hash::Sha2_256.hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        // The same input under SHA3-256, as Python's hmac computes it.
        let mac = Hash::Sha3_256.hmac(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(mac), "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5");
    }
}
