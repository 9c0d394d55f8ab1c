//! The questions of KMIP 1.2 to 1.4 that a seal asks, over any stream
//! (<https://docs.oasis-open.org/kmip/spec/v1.4/os/kmip-spec-v1.4-os.html>, sections 4.26, 4.29 and 4.30).
use super::ttlv::{Item, tag};
use lessor_core::seal::SealError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// How it is encrypted (OpenBao's words).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KmipAlgorithm {
    /// With an AES key.
    AesGcm,
    /// With an RSA key pair, and this hash in OAEP and its mask.
    RsaOaep(KmipHash),
}

/// A hash of OAEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KmipHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

const GET_ATTRIBUTES: u32 = 0x0b;
const DISCOVER_VERSIONS: u32 = 0x1e;
const ENCRYPT: u32 = 0x1f;
const DECRYPT: u32 = 0x20;

/// Bytes of an answer.
const LARGEST: u32 = 1 << 20;
/// Minor versions of 1.x that are spoken, best first.
const MINORS: [i32; 3] = [4, 3, 2];
/// Bytes of the nonce and of the tag of AES-GCM.
pub(super) const NONCE: usize = 12;
const TAG: i32 = 16;

/// What came of encrypting.
pub(super) struct Encrypted {
    pub(super) data: Vec<u8>,
    /// Where the server chose it.
    pub(super) nonce: Option<Vec<u8>>,
    /// Empty where it is part of the data.
    pub(super) tag: Vec<u8>,
}

/// One connection.
pub(super) struct Connection<S> {
    stream: S,
    minor: i32,
}

fn away(error: &dyn std::fmt::Display) -> SealError {
    SealError::Unavailable(format!("kmip: {error}"))
}

fn unreadable() -> SealError {
    away(&"the answer cannot be read")
}

fn version(minor: i32) -> Item {
    Item::structure(
        tag::PROTOCOL_VERSION,
        vec![Item::integer(tag::VERSION_MAJOR, 1), Item::integer(tag::VERSION_MINOR, minor)],
    )
}

impl KmipHash {
    fn number(self) -> u32 {
        match self {
            Self::Sha256 => 6,
            Self::Sha384 => 7,
            Self::Sha512 => 8,
        }
    }
}

impl KmipAlgorithm {
    /// Section 2.1.7; numbers from section 9.1.3.2.
    fn parameters(self, minor: i32) -> Item {
        let items = match self {
            Self::AesGcm => vec![
                Item::choice(tag::BLOCK_CIPHER_MODE, 9),
                Item::choice(tag::CRYPTOGRAPHIC_ALGORITHM, 3),
                Item::integer(tag::IV_LENGTH, i32::try_from(NONCE).unwrap_or_default()),
                Item::integer(tag::TAG_LENGTH, TAG),
            ],
            Self::RsaOaep(hash) => {
                let mut items = vec![
                    Item::choice(tag::PADDING_METHOD, 2),
                    Item::choice(tag::HASHING_ALGORITHM, hash.number()),
                    Item::choice(tag::CRYPTOGRAPHIC_ALGORITHM, 4),
                ];
                // New in 1.4; before, the mask has the hash of the padding.
                if minor >= 4 {
                    items.push(Item::choice(tag::MASK_GENERATOR, 1));
                    items.push(Item::choice(tag::MASK_HASHING_ALGORITHM, hash.number()));
                }
                items
            }
        };
        Item::structure(tag::CRYPTOGRAPHIC_PARAMETERS, items)
    }
}

/// A refusal. What may pass: a server that is overloaded or in trouble says general failure.
fn failure(item: &Item) -> SealError {
    let reason = item.get_number(tag::RESULT_REASON).unwrap_or(0x100);
    let text = item.get_text(tag::RESULT_MESSAGE).unwrap_or("no reason given");
    let text = format!("kmip: {text} (reason {reason:#x})");
    if reason == 0x100 { SealError::Unavailable(text) } else { SealError::Refused(text) }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Agrees on a version.
    ///
    /// # Errors
    /// When the server speaks none of them.
    pub(super) async fn open(stream: S) -> Result<Self, SealError> {
        let mut connection = Self { stream, minor: MINORS[0] };
        let known = MINORS.map(version).to_vec();
        let answer = connection.ask(DISCOVER_VERSIONS, known).await?;
        let theirs: Vec<u32> =
            answer.all(tag::PROTOCOL_VERSION).filter_map(|one| one.get_number(tag::VERSION_MINOR)).collect();
        let common = MINORS.into_iter().find(|minor| theirs.iter().any(|one| i32::try_from(*one) == Ok(*minor)));
        connection.minor =
            common.ok_or_else(|| SealError::Refused("kmip: the server speaks none of 1.4, 1.3 and 1.2".into()))?;
        Ok(connection)
    }
    /// The payload of the answer.
    async fn ask(&mut self, operation: u32, payload: Vec<Item>) -> Result<Item, SealError> {
        let header =
            Item::structure(tag::REQUEST_HEADER, vec![version(self.minor), Item::integer(tag::BATCH_COUNT, 1)]);
        let payload = Item::structure(tag::REQUEST_PAYLOAD, payload);
        let batch = Item::structure(tag::BATCH_ITEM, vec![Item::choice(tag::OPERATION, operation), payload]);
        let message = Item::structure(tag::REQUEST_MESSAGE, vec![header, batch]).encode();
        self.stream.write_all(&message).await.map_err(|error| away(&error))?;
        self.stream.flush().await.map_err(|error| away(&error))?;
        let message = self.read().await?;
        let item = message.get(tag::BATCH_ITEM).ok_or_else(unreadable)?;
        if item.get_number(tag::RESULT_STATUS) != Some(0) {
            return Err(failure(item));
        }
        Ok(item.get(tag::RESPONSE_PAYLOAD).cloned().unwrap_or(Item::structure(tag::RESPONSE_PAYLOAD, Vec::new())))
    }
    async fn read(&mut self) -> Result<Item, SealError> {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head).await.map_err(|error| away(&error))?;
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        if length > LARGEST {
            return Err(away(&"the answer is too large"));
        }
        let mut message = Zeroizing::new(vec![0; head.len() + usize::try_from(length).unwrap_or_default()]);
        message[..head.len()].copy_from_slice(&head);
        self.stream.read_exact(&mut message[head.len()..]).await.map_err(|error| away(&error))?;
        let item = Item::decode(&message).filter(|item| item.tag == tag::RESPONSE_MESSAGE);
        item.ok_or_else(unreadable)
    }
    /// The public key of a private one: what is encrypted with that.
    async fn public_key(&mut self, private: &str) -> Result<String, SealError> {
        let payload = vec![Item::text(tag::UNIQUE_IDENTIFIER, private), Item::text(tag::ATTRIBUTE_NAME, "Link")];
        let answer = self.ask(GET_ATTRIBUTES, payload).await?;
        let mut links = answer.all(tag::ATTRIBUTE).filter_map(|one| one.get(tag::ATTRIBUTE_VALUE));
        let link = links.find(|link| link.get_number(tag::LINK_TYPE) == Some(0x102));
        let id = link.and_then(|link| link.get_text(tag::LINKED_OBJECT)).map(str::to_owned);
        id.ok_or_else(|| SealError::Refused("kmip: the private key has no link to its public key".into()))
    }
    /// Encrypts with a key; `nonce` is for AES.
    pub(super) async fn encrypt(
        &mut self,
        algorithm: KmipAlgorithm,
        key: &str,
        plain: &[u8],
        nonce: &[u8],
    ) -> Result<Encrypted, SealError> {
        let key = match algorithm {
            KmipAlgorithm::AesGcm => key.to_owned(),
            KmipAlgorithm::RsaOaep(_) => self.public_key(key).await?,
        };
        let mut payload = vec![
            Item::text(tag::UNIQUE_IDENTIFIER, &key),
            algorithm.parameters(self.minor),
            Item::bytes(tag::DATA, plain),
        ];
        if algorithm == KmipAlgorithm::AesGcm {
            payload.push(Item::bytes(tag::IV_COUNTER_NONCE, nonce));
        }
        let answer = self.ask(ENCRYPT, payload).await?;
        let bytes = |tag| answer.get_bytes(tag).map(<[u8]>::to_vec);
        Ok(Encrypted {
            data: bytes(tag::DATA).ok_or_else(unreadable)?,
            nonce: bytes(tag::IV_COUNTER_NONCE),
            tag: bytes(tag::AUTHENTICATED_TAG).unwrap_or_default(),
        })
    }
    /// Decrypts.
    pub(super) async fn decrypt(
        &mut self,
        algorithm: KmipAlgorithm,
        key: &str,
        nonce: &[u8],
        encrypted: &Encrypted,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut payload = vec![
            Item::text(tag::UNIQUE_IDENTIFIER, key),
            algorithm.parameters(self.minor),
            Item::bytes(tag::DATA, &encrypted.data),
        ];
        if algorithm == KmipAlgorithm::AesGcm {
            payload.push(Item::bytes(tag::IV_COUNTER_NONCE, nonce));
        }
        if !encrypted.tag.is_empty() {
            payload.push(Item::bytes(tag::AUTHENTICATED_TAG, &encrypted.tag));
        }
        let answer = self.ask(DECRYPT, payload).await?;
        answer.get_bytes(tag::DATA).map(|plain| Zeroizing::new(plain.to_vec())).ok_or_else(unreadable)
    }
}
