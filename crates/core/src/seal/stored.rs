//! Key material as it is stored behind the barrier, keys in hexadecimal. Named field by field (`#[serde(with)]`), so that no key
//! is ever written by accident.
use super::Share;
use serde::{Deserialize, Deserializer, Serializer, de::Error, ser::SerializeSeq};
use zeroize::Zeroizing;

fn bytes<E: Error>(text: &Zeroizing<String>) -> Result<Zeroizing<Vec<u8>>, E> {
    hex::decode(text.as_str()).map(Zeroizing::new).map_err(|_| E::custom("key material is damaged"))
}

/// A [`crate::barrier::Key`].
pub(crate) mod key {
    use super::*;
    use crate::barrier::Key;

    pub(crate) fn serialize<S: Serializer>(key: &Key, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(hex::encode(key.expose())))
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
        let bytes = bytes(&Zeroizing::new(String::deserialize(from)?))?;
        Key::from_bytes(&bytes).ok_or_else(|| D::Error::custom("a key has the wrong size"))
    }
}

/// Key shares.
pub(crate) mod shares {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(shares: &[Share], to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(shares.len()))?;
        for share in shares {
            list.serialize_element(Zeroizing::new(hex::encode(share.as_slice())).as_str())?;
        }
        list.end()
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Share>, D::Error> {
        Vec::<String>::deserialize(from)?.into_iter().map(|text| bytes(&Zeroizing::new(text))).collect()
    }
}

/// A [`lessor_engine::Secret`], as it is.
pub(crate) mod text {
    use super::*;
    use lessor_engine::Secret;

    pub(crate) fn serialize<S: Serializer>(text: &Secret, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text.expose())
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}
