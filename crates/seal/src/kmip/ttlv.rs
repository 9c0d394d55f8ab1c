//! KMIP's encoding: tag, type, length, value, in blocks of eight bytes
//! (<https://docs.oasis-open.org/kmip/spec/v1.4/os/kmip-spec-v1.4-os.html>, section 9.1).
use zeroize::Zeroizing;

/// What a field is, by its number in section 9.1.3.1.
pub(super) mod tag {
    pub(crate) const ATTRIBUTE: u32 = 0x42_0008;
    pub(crate) const ATTRIBUTE_NAME: u32 = 0x42_000a;
    pub(crate) const ATTRIBUTE_VALUE: u32 = 0x42_000b;
    pub(crate) const BATCH_COUNT: u32 = 0x42_000d;
    pub(crate) const BATCH_ITEM: u32 = 0x42_000f;
    pub(crate) const BLOCK_CIPHER_MODE: u32 = 0x42_0011;
    pub(crate) const CRYPTOGRAPHIC_ALGORITHM: u32 = 0x42_0028;
    pub(crate) const CRYPTOGRAPHIC_PARAMETERS: u32 = 0x42_002b;
    pub(crate) const HASHING_ALGORITHM: u32 = 0x42_0038;
    pub(crate) const IV_COUNTER_NONCE: u32 = 0x42_003d;
    pub(crate) const LINK_TYPE: u32 = 0x42_004b;
    pub(crate) const LINKED_OBJECT: u32 = 0x42_004c;
    pub(crate) const OPERATION: u32 = 0x42_005c;
    pub(crate) const PADDING_METHOD: u32 = 0x42_005f;
    pub(crate) const PROTOCOL_VERSION: u32 = 0x42_0069;
    pub(crate) const VERSION_MAJOR: u32 = 0x42_006a;
    pub(crate) const VERSION_MINOR: u32 = 0x42_006b;
    pub(crate) const REQUEST_HEADER: u32 = 0x42_0077;
    pub(crate) const REQUEST_MESSAGE: u32 = 0x42_0078;
    pub(crate) const REQUEST_PAYLOAD: u32 = 0x42_0079;
    #[cfg(test)]
    pub(crate) const RESPONSE_HEADER: u32 = 0x42_007a;
    pub(crate) const RESPONSE_MESSAGE: u32 = 0x42_007b;
    pub(crate) const RESPONSE_PAYLOAD: u32 = 0x42_007c;
    pub(crate) const RESULT_MESSAGE: u32 = 0x42_007d;
    pub(crate) const RESULT_REASON: u32 = 0x42_007e;
    pub(crate) const RESULT_STATUS: u32 = 0x42_007f;
    pub(crate) const UNIQUE_IDENTIFIER: u32 = 0x42_0094;
    pub(crate) const DATA: u32 = 0x42_00c2;
    pub(crate) const IV_LENGTH: u32 = 0x42_00cd;
    pub(crate) const TAG_LENGTH: u32 = 0x42_00ce;
    pub(crate) const AUTHENTICATED_TAG: u32 = 0x42_00ff;
    pub(crate) const MASK_GENERATOR: u32 = 0x42_0101;
    pub(crate) const MASK_HASHING_ALGORITHM: u32 = 0x42_0102;
}

/// What a value is. Of the types of section 9.1.1.2 only those that are used here are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Structure(Vec<Item>),
    Integer(i32),
    Enumeration(u32),
    Text(String),
    Bytes(Zeroizing<Vec<u8>>),
    /// Read and not looked at.
    Other,
}

impl Value {
    /// Number of the type, and the bytes.
    fn encode(&self) -> (u32, Zeroizing<Vec<u8>>) {
        let (kind, bytes) = match self {
            Self::Structure(items) => {
                let items: Vec<_> = items.iter().map(Item::encode).collect();
                let mut bytes = Vec::with_capacity(items.iter().map(|item| item.len()).sum());
                items.iter().for_each(|item| bytes.extend_from_slice(item));
                (1, bytes)
            }
            Self::Integer(number) => (2, number.to_be_bytes().to_vec()),
            Self::Enumeration(number) => (5, number.to_be_bytes().to_vec()),
            Self::Text(text) => (7, text.as_bytes().to_vec()),
            Self::Bytes(bytes) => (8, bytes.to_vec()),
            Self::Other => (2, vec![0; 4]),
        };
        (kind, Zeroizing::new(bytes))
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) tag: u32,
    pub(super) value: Value,
}

/// Depth of structures in each other; real messages have five.
const DEEPEST: usize = 16;

impl Item {
    pub(super) fn structure(tag: u32, items: Vec<Item>) -> Self {
        Self { tag, value: Value::Structure(items) }
    }
    pub(super) fn integer(tag: u32, value: i32) -> Self {
        Self { tag, value: Value::Integer(value) }
    }
    pub(super) fn choice(tag: u32, value: u32) -> Self {
        Self { tag, value: Value::Enumeration(value) }
    }
    pub(super) fn text(tag: u32, value: &str) -> Self {
        Self { tag, value: Value::Text(value.to_owned()) }
    }
    pub(super) fn bytes(tag: u32, value: &[u8]) -> Self {
        Self { tag, value: Value::Bytes(Zeroizing::new(value.to_vec())) }
    }
    /// The fields of a structure with this tag.
    pub(super) fn all(&self, tag: u32) -> impl Iterator<Item = &Item> {
        let items = if let Value::Structure(items) = &self.value { items.as_slice() } else { &[] };
        items.iter().filter(move |item| item.tag == tag)
    }
    /// The first of them.
    pub(super) fn get(&self, tag: u32) -> Option<&Item> {
        self.all(tag).next()
    }
    pub(super) fn get_bytes(&self, tag: u32) -> Option<&[u8]> {
        match &self.get(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
    pub(super) fn get_text(&self, tag: u32) -> Option<&str> {
        match &self.get(tag)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
    pub(super) fn get_number(&self, tag: u32) -> Option<u32> {
        match &self.get(tag)?.value {
            Value::Enumeration(number) => Some(*number),
            Value::Integer(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }
    /// What is encoded may be a key.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (kind, value) = self.value.encode();
        // All at once: a buffer that grows leaves its bytes behind.
        let mut encoded = Zeroizing::new(Vec::with_capacity(16 + value.len()));
        encoded.extend((self.tag << 8 | kind).to_be_bytes());
        // What is sent is a few hundred bytes.
        encoded.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        encoded.extend_from_slice(&value);
        let whole = encoded.len().next_multiple_of(8);
        encoded.resize(whole, 0);
        encoded
    }
    /// Reads one field; `None` when the bytes are none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (item, rest) = Self::split(bytes, 0)?;
        rest.is_empty().then_some(item)
    }
    fn split(bytes: &[u8], depth: usize) -> Option<(Self, &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (head, length) = (u32::from_be_bytes(*head), usize::try_from(u32::from_be_bytes(*length)).ok()?);
        let (value, rest) = (rest.get(..length)?, rest.get(length.checked_next_multiple_of(8)?..)?);
        let word = || value.try_into().ok().map(u32::from_be_bytes);
        let value = match head & 0xff {
            1 if depth < DEEPEST => Value::Structure(Self::several(value, depth + 1)?),
            1 => return None,
            2 => Value::Integer(word()?.cast_signed()),
            5 => Value::Enumeration(word()?),
            7 => Value::Text(std::str::from_utf8(value).ok()?.to_owned()),
            8 => Value::Bytes(Zeroizing::new(value.to_vec())),
            _ => Value::Other,
        };
        Some((Self { tag: head >> 8, value }, rest))
    }
    fn several(mut bytes: &[u8], depth: usize) -> Option<Vec<Self>> {
        let mut items = Vec::new();
        while !bytes.is_empty() {
            let (item, rest) = Self::split(bytes, depth)?;
            items.push(item);
            bytes = rest;
        }
        Some(items)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_as_in_the_examples_of_the_standard() {
        let hex = |item: Item| hex::encode(item.encode());
        assert_eq!(hex(Item::integer(0x42_0020, 8)), "42002002000000040000000800000000");
        assert_eq!(hex(Item::choice(0x42_0020, 255)), "4200200500000004000000ff00000000");
        let text = "420020070000000b48656c6c6f20576f726c640000000000";
        assert_eq!(hex(Item::text(0x42_0020, "Hello World")), text);
        assert_eq!(hex(Item::bytes(0x42_0020, &[1, 2, 3])), "42002008000000030102030000000000");
        let items = vec![Item::choice(0x42_0004, 254), Item::integer(0x42_0005, 255)];
        let structure = "42002001000000204200040500000004000000fe000000004200050200000004000000ff00000000";
        assert_eq!(hex(Item::structure(0x42_0020, items.clone())), structure);
        assert_eq!(Item::decode(&hex::decode(structure).unwrap()), Some(Item::structure(0x42_0020, items)));
    }

    #[test]
    fn bytes_that_end_early_lie_about_their_length_or_nest_without_end_are_none() {
        let whole =
            Item::structure(tag::DATA, vec![Item::text(tag::DATA, "x"), Item::bytes(tag::DATA, &[1; 9])]).encode();
        for end in 0..whole.len() {
            assert_eq!(Item::decode(&whole[..end]), None);
        }
        let mut longer = whole.to_vec();
        longer.push(0);
        assert_eq!(Item::decode(&longer), None);
        assert_eq!(Item::decode(&[0x42, 0, 0x20, 8, 0xff, 0xff, 0xff, 0xff]), None);
        let nested = (0..40).fold(Item::integer(tag::DATA, 1), |item, _| Item::structure(tag::DATA, vec![item]));
        assert_eq!(Item::decode(&nested.encode()), None);
    }
}
