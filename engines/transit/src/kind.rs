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

const ALL: [Kind; 12] = [
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

impl Kind {
    /// The kind a client names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of a backup.
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        ALL.into_iter().find(|kind| kind.number() == number)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "aes128-gcm96",
            Self::Aes256 => "aes256-gcm96",
            Self::ChaCha20 => "chacha20-poly1305",
            Self::XChaCha20 => "xchacha20-poly1305",
            Self::Ed25519 => "ed25519",
            Self::P256 => "ecdsa-p256",
            Self::P384 => "ecdsa-p384",
            Self::P521 => "ecdsa-p521",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Hmac => "hmac",
        }
    }

    /// Its number in backups: that of OpenBao's `keysutil`, and but for `hmac` of Vault's.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Aes256 => 0,
            Self::P256 => 1,
            Self::Ed25519 => 2,
            Self::Rsa2048 => 3,
            Self::Rsa4096 => 4,
            Self::ChaCha20 => 5,
            Self::P384 => 6,
            Self::P521 => 7,
            Self::Aes128 => 8,
            Self::Rsa3072 => 9,
            Self::Hmac => 10,
            Self::XChaCha20 => 11,
        }
    }

    pub(crate) fn family(self) -> Family {
        match self {
            Self::Aes128 => Family::Aead(Aead::Aes128),
            Self::Aes256 => Family::Aead(Aead::Aes256),
            Self::ChaCha20 => Family::Aead(Aead::ChaCha20),
            Self::XChaCha20 => Family::Aead(Aead::XChaCha20),
            Self::Ed25519 => Family::Ed25519,
            Self::P256 => Family::Ecdsa(Curve::P256),
            Self::P384 => Family::Ecdsa(Curve::P384),
            Self::P521 => Family::Ecdsa(Curve::P521),
            Self::Rsa2048 => Family::Rsa(KeySize::Rsa2048),
            Self::Rsa3072 => Family::Rsa(KeySize::Rsa3072),
            Self::Rsa4096 => Family::Rsa(KeySize::Rsa4096),
            Self::Hmac => Family::Hmac,
        }
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
    fn names_and_numbers_lead_back_to_their_kind() {
        for kind in ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(Kind::numbered(kind.number()), Some(kind));
            // What clients send is what is stored.
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(Kind::named("des"), None);
        assert_eq!(Kind::numbered(12), None);
    }
}
