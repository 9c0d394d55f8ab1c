//! One version of a key in a backup, and the numbers it is made of.
use super::{CONVERGENT, check_len, damaged};
use crate::asymmetric::{EcPair, EdPair, Pair, pem, unpem};
use crate::encoding;
use crate::kind::{Family, Kind};
use crate::record::{Key, KeyVersion, Nonces};
use crate::view;
use ::rsa::BoxedUint;
use ::rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use lessor_engine::{Error, Result, Secret, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A version, or the place of one.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    key: Bytes,
    #[serde(default)]
    hmac_key: Bytes,
    #[serde(default)]
    time: Option<Timestamp>,
    #[serde(default)]
    ec_x: Option<Number>,
    #[serde(default)]
    ec_y: Option<Number>,
    #[serde(default)]
    ec_d: Option<Number>,
    #[serde(default)]
    rsa_key: Option<RsaKey>,
    #[serde(default)]
    rsa_public_key: Option<RsaPublic>,
    #[serde(default)]
    public_key: String,
    #[serde(default)]
    pub(super) convergent_version: i64,
    #[serde(default)]
    creation_time: i64,
    #[serde(default)]
    certificate_chain: Option<Vec<String>>,
}

/// Base64, or null.
#[derive(Default, Clone)]
struct Bytes(Secret);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_empty() { to.serialize_none() } else { to.serialize_str(self.0.expose()) }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<String>::deserialize(from)?.unwrap_or_default().into()))
    }
}

/// A whole number of any length, in decimal.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Number(Box<RawValue>);

impl Number {
    fn of(number: &BoxedUint) -> Result<Self> {
        Ok(Self(RawValue::from_string(number.to_string_radix_vartime(10))?))
    }

    fn of_bytes(bytes: &[u8]) -> Result<Self> {
        Self::of(&BoxedUint::from_be_slice_vartime(bytes))
    }

    fn value(&self) -> Result<BoxedUint> {
        BoxedUint::from_str_radix_vartime(self.0.get(), 10).map_err(|_| damaged("a number"))
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        Ok(self.value()?.to_be_bytes_trimmed_vartime().into_vec())
    }
}

#[derive(Serialize, Deserialize)]
struct RsaPublic {
    #[serde(rename = "N")]
    n: Number,
    #[serde(rename = "E")]
    e: u64,
}

#[derive(Serialize, Deserialize)]
struct RsaKey {
    #[serde(rename = "N")]
    n: Number,
    #[serde(rename = "E")]
    e: u64,
    #[serde(rename = "D")]
    d: Number,
    #[serde(rename = "Primes")]
    primes: Vec<Number>,
}

impl Entry {
    /// The place of a version that is not there.
    pub(super) fn blank() -> Self {
        Self {
            key: Bytes::default(),
            hmac_key: Bytes::default(),
            time: None,
            ec_x: None,
            ec_y: None,
            ec_d: None,
            rsa_key: None,
            rsa_public_key: None,
            public_key: String::new(),
            convergent_version: 0,
            creation_time: 0,
            certificate_chain: None,
        }
    }

    /// Whether it only holds a place.
    pub(super) fn is_blank(&self) -> bool {
        self.key.0.is_empty()
            && self.ec_x.is_none()
            && self.rsa_key.is_none()
            && self.rsa_public_key.is_none()
            && self.public_key.is_empty()
    }

    pub(super) fn of(key: &Key, version: &KeyVersion) -> Result<Self> {
        let mut entry = Self {
            hmac_key: Bytes(version.hmac.clone()),
            time: Some(version.created),
            creation_time: version.created.as_second(),
            convergent_version: if key.nonces == Nonces::Convergent { CONVERGENT } else { 0 },
            certificate_chain: (!version.certificates.is_empty()).then(|| version.certificates.clone()),
            ..Self::blank()
        };
        if !key.kind.is_asymmetric() {
            entry.key = Bytes(version.private.clone());
            return Ok(entry);
        }
        match &*version.pair(key.kind)? {
            Pair::Ed25519(_) => {
                entry.key = Bytes(version.private.clone());
                entry.public_key = view::public_key(key.kind, version)?;
            }
            Pair::Ecdsa(pair) => {
                let (x, y) = pair.coordinates();
                entry.ec_x = Some(Number::of_bytes(x)?);
                entry.ec_y = Some(Number::of_bytes(y)?);
                entry.ec_d = pair.number()?.map(|number| Number::of_bytes(&number)).transpose()?;
                entry.public_key = pem("PUBLIC KEY", &encoding::decode(&version.public)?)?;
            }
            Pair::Rsa(pair) => {
                let public = pair.public_numbers();
                let e = exponent(public)?;
                entry.rsa_public_key = Some(RsaPublic { n: Number::of(public.n())?, e });
                if let Some(private) = pair.numbers()? {
                    let primes = private.primes().iter().map(|prime| Number::of(prime)).collect::<Result<_>>()?;
                    let n = Number::of(private.n())?;
                    entry.rsa_key = Some(RsaKey { n, e, d: Number::of(private.d())?, primes });
                }
            }
        }
        Ok(entry)
    }

    pub(super) fn into_version(self, kind: Kind) -> Result<KeyVersion> {
        let created = match self.time {
            Some(time) if time.as_second() > 0 => time,
            _ => Timestamp::from_second(self.creation_time).map_err(|_| damaged("a time"))?,
        };
        let mut version = match kind.family() {
            Family::Aead(_) | Family::Hmac => {
                let bytes = encoding::unseal(&self.key.0).map_err(|_| damaged("a key"))?;
                check_len(kind, bytes.len())?;
                KeyVersion::symmetric(&bytes, created)?
            }
            Family::Ed25519 | Family::Ecdsa(_) | Family::Rsa(_) => KeyVersion::asymmetric(self.pair(kind)?, created)?,
        };
        if !self.hmac_key.0.is_empty() {
            encoding::unseal(&self.hmac_key.0).map_err(|_| damaged("a key"))?;
            version.hmac = self.hmac_key.0;
        }
        version.certificates = self.certificate_chain.unwrap_or_default();
        Ok(version)
    }

    fn pair(&self, kind: Kind) -> Result<Pair> {
        match kind.family() {
            Family::Ed25519 if self.key.0.is_empty() => {
                let key = encoding::decode(&self.public_key)?;
                EdPair::from_public(&key).map(Pair::Ed25519)
            }
            Family::Ecdsa(curve) => match (&self.ec_x, &self.ec_y, &self.ec_d) {
                (Some(x), Some(y), Some(d)) => {
                    let d = zeroize::Zeroizing::new(d.bytes()?);
                    EcPair::from_numbers(curve, &d, &x.bytes()?, &y.bytes()?).map(Pair::Ecdsa)
                }
                (Some(x), Some(y), None) => EcPair::from_coordinates(curve, &x.bytes()?, &y.bytes()?).map(Pair::Ecdsa),
                _ => {
                    let (_, der) = unpem(&self.public_key).ok_or_else(|| damaged("a public key"))?;
                    Pair::from_public(kind, &der)
                }
            },
            Family::Rsa(_) => self.rsa(kind),
            Family::Ed25519 | Family::Aead(_) | Family::Hmac => {
                Pair::from_stored(kind, &encoding::unseal(&self.key.0).map_err(|_| damaged("a key"))?)
            }
        }
    }

    fn rsa(&self, kind: Kind) -> Result<Pair> {
        let broken = |_| damaged("an RSA key");
        if let Some(key) = &self.rsa_key {
            let primes = key.primes.iter().map(Number::value).collect::<Result<_>>()?;
            let (n, e, d) = (key.n.value()?, BoxedUint::from(key.e), key.d.value()?);
            let key = ::rsa::PrivateKey::from_components(n, e, d, primes).map_err(broken)?;
            let der = key.to_pkcs8_der().map_err(|_| damaged("an RSA key"))?;
            return Pair::from_pkcs8(kind, der.as_bytes());
        }
        let Some(key) = &self.rsa_public_key else { return Err(damaged("an RSA key")) };
        let key = ::rsa::PublicKey::new(key.n.value()?, BoxedUint::from(key.e)).map_err(broken)?;
        let der = key.to_public_key_der().map_err(|_| damaged("an RSA key"))?;
        Pair::from_public(kind, der.as_bytes())
    }
}

fn exponent(public: &::rsa::PublicKey) -> Result<u64> {
    let bytes = public.e().to_be_bytes_trimmed_vartime();
    let too_long = || Error::Internal("the exponent of the RSA key is too long for a backup".to_owned());
    if bytes.len() > 8 {
        return Err(too_long());
    }
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
