//! What a key can be, and what each kind can do.
use aws_lc_rs::rsa::KeySize;
use serde::{Deserialize, Serialize};

/// The type of a key, as clients name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Kind {
    #[serde(rename = "aes128-gcm96")]
    Aes128,
    #[serde(rename = "aes256-gcm96")]
    Aes256,
    #[serde(rename = "chacha20-poly1305")]
    ChaCha20,
    #[serde(rename = "xchacha20-poly1305")]
    XChaCha20,
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ecdsa-p256")]
    P256,
    #[serde(rename = "ecdsa-p384")]
    P384,
    #[serde(rename = "ecdsa-p521")]
    P521,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    #[serde(rename = "hmac")]
    Hmac,
}

/// A cipher that authenticates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Aead {
    Aes128,
    Aes256,
    ChaCha20,
    XChaCha20,
}

/// A NIST curve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// The algorithm behind a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    Aead(Aead),
    Ed25519,
    Ecdsa(Curve),
    Rsa(KeySize),
    Hmac,
}

/// Name, number in backups (that of Vault's `keysutil`), algorithm.
const KINDS: [(Kind, &str, u32, Family); 12] = [
    (Kind::Aes256, "aes256-gcm96", 0, Family::Aead(Aead::Aes256)),
    (Kind::P256, "ecdsa-p256", 1, Family::Ecdsa(Curve::P256)),
    (Kind::Ed25519, "ed25519", 2, Family::Ed25519),
    (Kind::Rsa2048, "rsa-2048", 3, Family::Rsa(KeySize::Rsa2048)),
    (Kind::Rsa4096, "rsa-4096", 4, Family::Rsa(KeySize::Rsa4096)),
    (Kind::ChaCha20, "chacha20-poly1305", 5, Family::Aead(Aead::ChaCha20)),
    (Kind::P384, "ecdsa-p384", 6, Family::Ecdsa(Curve::P384)),
    (Kind::P521, "ecdsa-p521", 7, Family::Ecdsa(Curve::P521)),
    (Kind::Aes128, "aes128-gcm96", 8, Family::Aead(Aead::Aes128)),
    (Kind::Rsa3072, "rsa-3072", 9, Family::Rsa(KeySize::Rsa3072)),
    (Kind::Hmac, "hmac", 10, Family::Hmac),
    (Kind::XChaCha20, "xchacha20-poly1305", 11, Family::Aead(Aead::XChaCha20)),
];

impl Kind {
    /// The kind a client names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The kind of a backup.
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        KINDS.iter().find(|row| row.2 == number).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, u32, Family) {
        // Every kind has its row; the test below walks them all.
        KINDS.iter().find(|row| row.0 == self).unwrap_or(&KINDS[0])
    }

    pub(crate) fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) fn number(self) -> u32 {
        self.row().2
    }

    pub(crate) fn family(self) -> Family {
        self.row().3
    }

    /// Encrypts and decrypts.
    pub(crate) fn encrypts(self) -> bool {
        matches!(self.family(), Family::Aead(_) | Family::Rsa(_))
    }

    /// Signs and verifies.
    pub(crate) fn signs(self) -> bool {
        self.is_asymmetric()
    }

    /// Has a public half.
    pub(crate) fn is_asymmetric(self) -> bool {
        matches!(self.family(), Family::Ed25519 | Family::Ecdsa(_) | Family::Rsa(_))
    }

    /// A context can make another key of it.
    pub(crate) fn derives(self) -> bool {
        matches!(self.family(), Family::Aead(_) | Family::Ed25519)
    }

    /// Takes associated data.
    pub(crate) fn authenticates_data(self) -> bool {
        matches!(self.family(), Family::Aead(_))
    }

    /// Operations of the private key take so long that they leave the runtime's threads.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self.family(), Family::Rsa(_))
    }
}

impl Aead {
    /// Key length in bytes.
    pub(crate) fn key_len(self) -> usize {
        if self == Self::Aes128 { 16 } else { 32 }
    }

    /// Nonce length in bytes.
    pub(crate) fn nonce_len(self) -> usize {
        if self == Self::XChaCha20 { 24 } else { 12 }
    }
}

impl Curve {
    /// Length of a coordinate in bytes.
    pub(crate) fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The name key descriptions show.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_row_of_its_own() {
        let kinds = [
            Kind::Aes128,
            Kind::Aes256,
            Kind::ChaCha20,
            Kind::XChaCha20,
            Kind::Ed25519,
            Kind::P256,
            Kind::P384,
            Kind::P521,
            Kind::Rsa2048,
            Kind::Rsa3072,
            Kind::Rsa4096,
            Kind::Hmac,
        ];
        assert_eq!(kinds.len(), KINDS.len());
        for kind in kinds {
            assert_eq!(kind.row().0, kind);
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(Kind::numbered(kind.number()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
