//! Key pairs: those of CAs, and those that `issue` hands out. Signed and made by aws-lc-rs; what it lacks, the crate `rsa`
//! does: the numbers of a key, and signatures over SHA-1.
use crate::wire::{put, put_number};
use ::rsa::BoxedUint;
use ::rsa::pkcs1::EncodeRsaPrivateKey;
use ::rsa::pkcs8::DecodePrivateKey;
use ::rsa::traits::PublicKeyParts;
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Curve25519SeedBin, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use getrandom::SysRng;
use lessor_engine::{Error, Result, Secret};
use pem_rfc7468::LineEnding;
use serde::{Deserialize, Serialize};
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData};

/// What a kind of key and its size are called by clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Rsa(Bits),
    Ec(Curve),
    Ed25519,
}

/// Sizes of RSA keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bits {
    B2048,
    B3072,
    B4096,
    B8192,
}

/// The curves of ECDSA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// The digest an RSA key signs with (`algorithm_signer`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) enum RsaDigest {
    #[default]
    #[serde(rename = "default")]
    Default,
    #[serde(rename = "ssh-rsa")]
    Sha1,
    #[serde(rename = "rsa-sha2-256")]
    Sha256,
    #[serde(rename = "rsa-sha2-512")]
    Sha512,
}

impl RsaDigest {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "" | "default" => Some(Self::Default),
            "ssh-rsa" => Some(Self::Sha1),
            "rsa-sha2-256" => Some(Self::Sha256),
            "rsa-sha2-512" => Some(Self::Sha512),
            _ => None,
        }
    }
}

impl Kind {
    /// Reads `key_type` and `key_bits`; 0 bits are the kind's own.
    ///
    /// # Errors
    /// When there is no such kind, or it does not come in this size.
    pub(crate) fn named(key_type: &str, bits: i64) -> Result<Self> {
        let size = |accepted: &str| {
            Error::Invalid(format!("invalid key_bits {bits} for key_type {key_type:?}: use {accepted}"))
        };
        match key_type {
            "rsa" | "ssh-rsa" => match bits {
                0 | 4096 => Ok(Self::Rsa(Bits::B4096)),
                2048 => Ok(Self::Rsa(Bits::B2048)),
                3072 => Ok(Self::Rsa(Bits::B3072)),
                8192 => Ok(Self::Rsa(Bits::B8192)),
                _ => Err(size("2048, 3072, 4096 or 8192")),
            },
            "ec" => match bits {
                0 | 256 => Ok(Self::Ec(Curve::P256)),
                384 => Ok(Self::Ec(Curve::P384)),
                521 => Ok(Self::Ec(Curve::P521)),
                _ => Err(size("256, 384 or 521")),
            },
            "ecdsa-sha2-nistp256" => Ok(Self::Ec(Curve::P256)),
            "ecdsa-sha2-nistp384" => Ok(Self::Ec(Curve::P384)),
            "ecdsa-sha2-nistp521" => Ok(Self::Ec(Curve::P521)),
            "ed25519" | "ssh-ed25519" => Ok(Self::Ed25519),
            other => Err(Error::Invalid(format!("unknown key_type {other:?}: use rsa, ec or ed25519"))),
        }
    }
}

enum Signer {
    Rsa(Box<RsaKeyPair>, Box<::rsa::PrivateKey>),
    Ec(Curve, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// A key pair.
pub(crate) struct Pair {
    signer: Signer,
    public: Vec<u8>,
}

fn broken() -> Error {
    Error::Internal("the key pair cannot be made or written".to_owned())
}

fn unreadable(why: &str) -> Error {
    Error::Invalid(format!("unable to parse private_key: {why}"))
}

fn algorithm(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

fn curve_names(curve: Curve) -> (&'static str, &'static str) {
    match curve {
        Curve::P256 => ("ecdsa-sha2-nistp256", "nistp256"),
        Curve::P384 => ("ecdsa-sha2-nistp384", "nistp384"),
        Curve::P521 => ("ecdsa-sha2-nistp521", "nistp521"),
    }
}

impl Pair {
    /// A fresh pair. RSA takes up to seconds.
    pub(crate) fn generate(kind: Kind) -> Result<Self> {
        match kind {
            Kind::Rsa(bits) => {
                let size = match bits {
                    Bits::B2048 => KeySize::Rsa2048,
                    Bits::B3072 => KeySize::Rsa3072,
                    Bits::B4096 => KeySize::Rsa4096,
                    Bits::B8192 => KeySize::Rsa8192,
                };
                Self::rsa(RsaKeyPair::generate(size).map_err(|_| broken())?)
            }
            Kind::Ec(curve) => Ok(Self::ec(curve, EcdsaKeyPair::generate(algorithm(curve)).map_err(|_| broken())?)),
            Kind::Ed25519 => Ok(Self::ed(Ed25519KeyPair::generate().map_err(|_| broken())?)),
        }
    }

    /// Made beside the runtime where it takes long.
    pub(crate) async fn fresh(kind: Kind) -> Result<Self> {
        match kind {
            Kind::Rsa(_) => lessor_engine::beside::make(move || Self::generate(kind)).await,
            Kind::Ec(_) | Kind::Ed25519 => Self::generate(kind),
        }
    }

    /// A private key in PEM (PKCS#1, SEC1, PKCS#8) or in OpenSSH's form, without a passphrase.
    ///
    /// # Errors
    /// When it is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.contains("BEGIN OPENSSH PRIVATE KEY") {
            return Self::from_openssh(text);
        }
        if text.contains("ENCRYPTED") {
            return Err(unreadable("this private key is passphrase protected"));
        }
        let (label, der) = pem_rfc7468::decode_vec(text.as_bytes())
            .map_err(|_| unreadable("use PEM or OpenSSH's form, as ssh-keygen writes them"))?;
        let der = zeroize::Zeroizing::new(der);
        let read = match label {
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).ok().map(Self::rsa),
            "EC PRIVATE KEY" => Self::ec_of_any_curve(&der).map(Ok),
            "PRIVATE KEY" => {
                let ed = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).ok().map(|pair| Ok(Self::ed(pair)));
                let rsa = || RsaKeyPair::from_pkcs8(&der).ok().map(Self::rsa);
                ed().or_else(|| Self::ec_of_any_curve(&der).map(Ok)).or_else(rsa)
            }
            other => return Err(unreadable(&format!("this is a {other}"))),
        };
        read.unwrap_or_else(|| Err(unreadable("it is no sound RSA, ECDSA (nistp) or ed25519 key")))
    }

    fn ec_of_any_curve(der: &[u8]) -> Option<Self> {
        let all = [Curve::P256, Curve::P384, Curve::P521];
        let read = |curve| Some((curve, EcdsaKeyPair::from_private_key_der(algorithm(curve), der).ok()?));
        all.into_iter().find_map(read).map(|(curve, pair)| Self::ec(curve, pair))
    }

    fn from_openssh(text: &str) -> Result<Self> {
        let key = ssh_key::PrivateKey::from_openssh(text).map_err(|error| unreadable(&error.to_string()))?;
        let unsound = |_| unreadable("the numbers of the key do not belong together");
        match key.key_data() {
            KeypairData::Encrypted(_) => Err(unreadable("this private key is passphrase protected")),
            KeypairData::Ed25519(pair) => {
                let seed = zeroize::Zeroizing::new(pair.private.to_bytes());
                let made = Ed25519KeyPair::from_seed_and_public_key(seed.as_slice(), pair.public.as_ref());
                made.map(Self::ed).map_err(unsound)
            }
            KeypairData::Ecdsa(pair) => {
                let (curve, number, point) = match pair {
                    EcdsaKeypair::NistP256 { public, private } => (Curve::P256, private.as_slice(), public.as_bytes()),
                    EcdsaKeypair::NistP384 { public, private } => (Curve::P384, private.as_slice(), public.as_bytes()),
                    EcdsaKeypair::NistP521 { public, private } => (Curve::P521, private.as_slice(), public.as_bytes()),
                };
                let made = EcdsaKeyPair::from_private_key_and_public_key(algorithm(curve), number, point);
                made.map(|made| Self::ec(curve, made)).map_err(unsound)
            }
            KeypairData::Rsa(pair) => {
                let number = |mpint: &ssh_key::Mpint| {
                    mpint
                        .as_positive_bytes()
                        .map(BoxedUint::from_be_slice_vartime)
                        .ok_or_else(|| unreadable("a number of the key is negative"))
                };
                let (n, e, d) = (number(&pair.public.n)?, number(&pair.public.e)?, number(&pair.private.d)?);
                let primes = vec![number(&pair.private.p)?, number(&pair.private.q)?];
                let key = ::rsa::PrivateKey::from_components(n, e, d, primes)
                    .map_err(|_| unreadable("the numbers of the key do not belong together"))?;
                let der = key.to_pkcs1_der().map_err(|_| broken())?;
                let made = RsaKeyPair::from_der(der.as_bytes());
                Self::rsa(made.map_err(|_| unreadable("RSA keys have 2048 to 8192 bits here"))?)
            }
            _ => Err(unreadable("use an RSA, ECDSA (nistp) or ed25519 key")),
        }
    }

    fn rsa(pair: RsaKeyPair) -> Result<Self> {
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| broken())?;
        let numbers = ::rsa::PrivateKey::from_pkcs8_der(der.as_ref()).map_err(|_| broken())?;
        let mut public = Vec::new();
        put(&mut public, b"ssh-rsa");
        put_number(&mut public, &numbers.e_bytes());
        put_number(&mut public, &numbers.n_bytes());
        Ok(Self { signer: Signer::Rsa(Box::new(pair), Box::new(numbers)), public })
    }

    fn ec(curve: Curve, pair: EcdsaKeyPair) -> Self {
        let (name, short) = curve_names(curve);
        let mut public = Vec::new();
        put(&mut public, name.as_bytes());
        put(&mut public, short.as_bytes());
        put(&mut public, pair.public_key().as_ref());
        Self { signer: Signer::Ec(curve, pair), public }
    }

    fn ed(pair: Ed25519KeyPair) -> Self {
        let mut public = Vec::new();
        put(&mut public, b"ssh-ed25519");
        put(&mut public, pair.public_key().as_ref());
        Self { signer: Signer::Ed(pair), public }
    }

    /// The public half as it stands behind the name in a line, decoded.
    pub(crate) fn public(&self) -> &[u8] {
        &self.public
    }

    /// Whether an RSA digest can be chosen.
    pub(crate) fn is_rsa(&self) -> bool {
        matches!(self.signer, Signer::Rsa(..))
    }

    /// The public half as a line, with a line end.
    pub(crate) fn line(&self) -> String {
        let name = match &self.signer {
            Signer::Rsa(..) => "ssh-rsa",
            Signer::Ec(curve, _) => curve_names(*curve).0,
            Signer::Ed(_) => "ssh-ed25519",
        };
        format!("{name} {}\n", STANDARD.encode(&self.public))
    }

    /// The private half: PEM of PKCS#1 or SEC1, and OpenSSH's form for ed25519.
    pub(crate) fn private(&self) -> Result<Secret> {
        let pem = |label: &str, der: &[u8]| {
            pem_rfc7468::encode_string(label, LineEnding::LF, der).map(Secret::new).map_err(|_| broken())
        };
        match &self.signer {
            Signer::Rsa(_, numbers) => pem("RSA PRIVATE KEY", numbers.to_pkcs1_der().map_err(|_| broken())?.as_bytes()),
            Signer::Ec(_, pair) => {
                let der: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().map_err(|_| broken())?;
                pem("EC PRIVATE KEY", der.as_ref())
            }
            Signer::Ed(pair) => {
                let seed = pair.seed().map_err(|_| broken())?;
                let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| broken())?;
                let bytes = zeroize::Zeroizing::new([seed.as_ref(), pair.public_key().as_ref()].concat());
                let key = <&[u8; 64]>::try_from(bytes.as_slice()).map_err(|_| broken())?;
                let key = KeypairData::Ed25519(Ed25519Keypair::from_bytes(key).map_err(|_| broken())?);
                let key = ssh_key::PrivateKey::new(key, "").map_err(|_| broken())?;
                let text = key.to_openssh(ssh_key::LineEnding::LF).map_err(|_| broken())?;
                Ok(Secret::new(text.as_str()))
            }
        }
    }

    /// The signature of a message, as SSH writes it (RFC 4253 6.6, RFC 5656 3.1.2, RFC 8332, RFC 8709).
    ///
    /// # Errors
    /// When an RSA digest is asked of another key.
    pub(crate) fn sign(&self, message: &[u8], digest: RsaDigest) -> Result<Vec<u8>> {
        let failed = || Error::Internal("the certificate cannot be signed".to_owned());
        let (name, signature) = match &self.signer {
            Signer::Rsa(pair, numbers) => {
                let (name, encoding) = match digest {
                    RsaDigest::Default | RsaDigest::Sha256 => ("rsa-sha2-256", &RSA_PKCS1_SHA256),
                    RsaDigest::Sha512 => ("rsa-sha2-512", &RSA_PKCS1_SHA512),
                    RsaDigest::Sha1 => return sha1(numbers, message),
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| failed())?;
                (name, signature)
            }
            _ if digest != RsaDigest::Default => {
                return Err(Error::invalid(
                    "algorithm_signer of the role is for RSA keys, and its CA has another: set it to default",
                ));
            }
            Signer::Ec(curve, pair) => {
                let both = pair.sign(&SystemRandom::new(), message).map_err(|_| failed())?;
                let (r, s) = both.as_ref().split_at(both.as_ref().len() / 2);
                let mut signature = Vec::new();
                put_number(&mut signature, r);
                put_number(&mut signature, s);
                (curve_names(*curve).0, signature)
            }
            Signer::Ed(pair) => ("ssh-ed25519", pair.sign(message).as_ref().to_vec()),
        };
        Ok(named(name, &signature))
    }
}

fn named(name: &str, signature: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, name.as_bytes());
    put(&mut out, signature);
    out
}

fn sha1(key: &::rsa::PrivateKey, message: &[u8]) -> Result<Vec<u8>> {
    use sha1::Digest;
    let digest = sha1::Sha1::digest(message);
    let padding = ::rsa::Pkcs1v15Sign::new::<sha1::Sha1>();
    let signature = key.sign_with_rng(&mut SysRng, padding, &digest);
    signature.map(|bytes| named("ssh-rsa", &bytes)).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_read_back_from_the_form_it_is_handed_out_in() {
        for kind in [Kind::Rsa(Bits::B2048), Kind::Ec(Curve::P256), Kind::Ec(Curve::P521), Kind::Ed25519] {
            let pair = Pair::generate(kind).unwrap();
            let back = Pair::parse(pair.private().unwrap().expose()).unwrap();
            assert_eq!(back.line(), pair.line(), "{kind:?}");
            assert_eq!(crate::public::Public::parse(&pair.line()).unwrap().blob, pair.public());
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_a_reason() {
        for (bad, why) in [
            ("", "use PEM"),
            ("nonsense", "use PEM"),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "passphrase"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "this is a CERTIFICATE"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no sound"),
        ] {
            let error = Pair::parse(bad).err().unwrap().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
