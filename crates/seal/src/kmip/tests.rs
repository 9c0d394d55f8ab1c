//! Protocol only: what PyKMIP, the real peer of the end-to-end tests, does not do: RSA, older versions, faulty answers.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use super::protocol::{Connection, Encrypted, KmipAlgorithm, KmipHash};
use super::ttlv::{Item, tag};
use super::{KmipSeal, KmipSettings, pack, unpack};
use lessor_core::seal::SealError;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Answers the payloads, one after the other, and gives back what it was asked.
async fn serve(mut stream: DuplexStream, answers: Vec<Item>) -> Vec<Item> {
    let mut asked = Vec::new();
    for answer in answers {
        let mut message = vec![0; 8];
        stream.read_exact(&mut message).await.unwrap();
        let length = u32::from_be_bytes(message[4..].try_into().unwrap());
        message.resize(8 + length as usize, 0);
        stream.read_exact(&mut message[8..]).await.unwrap();
        asked.push(Item::decode(&message).unwrap());
        let header = Item::structure(tag::RESPONSE_HEADER, vec![Item::integer(tag::BATCH_COUNT, 1)]);
        let message = Item::structure(tag::RESPONSE_MESSAGE, vec![header, answer]);
        stream.write_all(&message.encode()).await.unwrap();
    }
    asked
}

fn done(payload: Vec<Item>) -> Item {
    let payload = Item::structure(tag::RESPONSE_PAYLOAD, payload);
    Item::structure(tag::BATCH_ITEM, vec![Item::choice(tag::RESULT_STATUS, 0), payload])
}

fn refused(reason: u32) -> Item {
    let reason = Item::choice(tag::RESULT_REASON, reason);
    let items = vec![Item::choice(tag::RESULT_STATUS, 1), reason, Item::text(tag::RESULT_MESSAGE, "no")];
    Item::structure(tag::BATCH_ITEM, items)
}

fn speaks(minors: &[i32]) -> Item {
    let version = |minor: &i32| {
        let items = vec![Item::integer(tag::VERSION_MAJOR, 1), Item::integer(tag::VERSION_MINOR, *minor)];
        Item::structure(tag::PROTOCOL_VERSION, items)
    };
    done(minors.iter().map(version).collect())
}

fn payload(asked: &Item) -> &Item {
    asked.get(tag::BATCH_ITEM).unwrap().get(tag::REQUEST_PAYLOAD).unwrap()
}

fn minor(asked: &Item) -> Option<u32> {
    asked.get(tag::REQUEST_HEADER)?.get(tag::PROTOCOL_VERSION)?.get_number(tag::VERSION_MINOR)
}

fn link(kind: u32, id: &str) -> Item {
    let value = vec![Item::choice(tag::LINK_TYPE, kind), Item::text(tag::LINKED_OBJECT, id)];
    let items = vec![Item::text(tag::ATTRIBUTE_NAME, "Link"), Item::structure(tag::ATTRIBUTE_VALUE, value)];
    Item::structure(tag::ATTRIBUTE, items)
}

const OAEP: KmipAlgorithm = KmipAlgorithm::RsaOaep(KmipHash::Sha384);

async fn encrypt(algorithm: KmipAlgorithm, answers: Vec<Item>) -> (Result<Encrypted, SealError>, Vec<Item>) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(serve(theirs, answers));
    let done = async { Connection::open(ours).await?.encrypt(algorithm, "key", b"plain", b"nonce").await }.await;
    (done, server.await.unwrap_or_default())
}

#[tokio::test]
async fn protocol_only_rsa_encrypts_with_the_public_key_that_the_private_one_names() {
    let links = done(vec![link(0x103, "other"), link(0x102, "public")]);
    let answers = vec![speaks(&[4, 3]), links, done(vec![Item::bytes(tag::DATA, b"sealed")])];
    let (encrypted, asked) = encrypt(OAEP, answers).await;
    assert_eq!(encrypted.unwrap().data, b"sealed");
    assert_eq!(payload(&asked[1]).get_text(tag::UNIQUE_IDENTIFIER), Some("key"));
    let sent = payload(&asked[2]);
    assert_eq!(
        (sent.get_text(tag::UNIQUE_IDENTIFIER), sent.get_bytes(tag::DATA)),
        (Some("public"), Some(&b"plain"[..]))
    );
    let parameters = sent.get(tag::CRYPTOGRAPHIC_PARAMETERS).unwrap();
    let numbers = [
        tag::CRYPTOGRAPHIC_ALGORITHM,
        tag::PADDING_METHOD,
        tag::HASHING_ALGORITHM,
        tag::MASK_GENERATOR,
        tag::MASK_HASHING_ALGORITHM,
    ];
    assert_eq!(numbers.map(|number| parameters.get_number(number).unwrap()), [4, 2, 7, 1, 7]);
    assert!(sent.get(tag::IV_COUNTER_NONCE).is_none());
    let (none, _) = encrypt(OAEP, vec![speaks(&[4]), done(vec![link(0x103, "other")])]).await;
    assert!(matches!(none, Err(SealError::Refused(text)) if text.contains("no link to its public key")));
}

#[tokio::test]
async fn protocol_only_the_best_common_version_is_spoken_and_without_one_nothing() {
    let answers = vec![speaks(&[2, 1, 0]), done(vec![Item::bytes(tag::DATA, b"sealed and tagged")])];
    let (encrypted, asked) = encrypt(KmipAlgorithm::AesGcm, answers).await;
    assert_eq!((minor(&asked[0]), minor(&asked[1])), (Some(4), Some(2)));
    let encrypted = encrypted.unwrap();
    // The tag is part of the data, and goes back with it.
    assert!(encrypted.tag.is_empty());
    let packed = pack(b"nonce", &encrypted).unwrap();
    let (nonce, back) = unpack(&packed).unwrap();
    assert_eq!((nonce, back.data.as_slice()), (&b"nonce"[..], &b"sealed and tagged"[..]));
    assert!(unpack(&[200, 0]).is_none());
    let (none, _) = encrypt(KmipAlgorithm::AesGcm, vec![speaks(&[1, 0])]).await;
    assert!(matches!(none, Err(SealError::Refused(text)) if text.contains("none of 1.4")));
}

#[tokio::test]
async fn protocol_only_a_refusal_is_told_from_trouble_that_may_pass() {
    let (denied, _) = encrypt(KmipAlgorithm::AesGcm, vec![speaks(&[4]), refused(0x0c)]).await;
    assert_eq!(denied.err(), Some(SealError::Refused("kmip: no (reason 0xc)".into())));
    let (trouble, _) = encrypt(KmipAlgorithm::AesGcm, vec![speaks(&[4]), refused(0x100)]).await;
    assert!(matches!(trouble, Err(SealError::Unavailable(_))));
    let (empty, _) = encrypt(KmipAlgorithm::AesGcm, vec![speaks(&[4]), done(Vec::new())]).await;
    assert!(matches!(empty, Err(SealError::Unavailable(text)) if text.contains("cannot be read")));
    let (closed, _) = encrypt(KmipAlgorithm::AesGcm, vec![speaks(&[4])]).await;
    assert!(matches!(closed, Err(SealError::Unavailable(_))));
}

#[test]
fn an_endpoint_or_cipher_that_is_none_is_named() {
    let seal = |endpoint: &str, cipher: &str| {
        KmipSeal::new(KmipSettings {
            endpoint: endpoint.into(),
            kms_key_id: "1".into(),
            client_cert: "c".into(),
            client_key: "k".into(),
            ca_cert: None,
            server_name: None,
            timeout: Duration::from_secs(1),
            algorithm: KmipAlgorithm::AesGcm,
            tls12_ciphers: Some(cipher.to_owned()).filter(|text| !text.is_empty()).into_iter().collect(),
        })
    };
    let suite = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
    assert_eq!(seal("kms.example", suite).unwrap().address, "kms.example:5696");
    assert_eq!(seal("[::1]:1234", "").unwrap().address, "[::1]:1234");
    assert_eq!(seal("[::1]", "").unwrap().address, "[::1]:5696");
    assert!(seal("host:x", "").err().unwrap().to_string().contains("is no host:port"));
    assert!(seal("a b:1", "").err().unwrap().to_string().contains("is no host:port"));
    assert!(seal("host:1", "TLS_RSA_WITH_RC4_128_MD5").err().unwrap().to_string().contains("is none of"));
}
