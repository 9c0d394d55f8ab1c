//! The names under which role ids and secret ids are found, which tell nothing about them.
use crate::is_conflict;
use aws_lc_rs::{hmac, rand};
use lessor_engine::{Changes, Error, Result, Secret, View};

const KEY: &str = "hash-key";

/// HMAC-SHA256 under the mount's own key, which is made once and never changes.
pub(crate) struct Hasher(hmac::Key);

impl Hasher {
    pub(crate) async fn of(view: &View) -> Result<Self> {
        loop {
            if let Some(text) = view.get::<String>(KEY).await? {
                let text = Secret::new(text);
                let bytes = hex::decode(text.expose())
                    .map_err(|_| Error::Internal(format!("the record `{KEY}` of this mount is damaged")))?;
                return Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)));
            }
            let fresh = hex::encode(random::<32>()?);
            match view.commit(Changes::new().put(KEY, &fresh)?.expect(KEY, None)).await {
                Err(error) if !is_conflict(&error) => return Err(error),
                _ => {}
            }
        }
    }
    pub(crate) fn name(&self, text: &str) -> String {
        hex::encode(hmac::sign(&self.0, text.as_bytes()))
    }
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::Internal("the system gives no random numbers".to_owned()))?;
    Ok(bytes)
}

/// A random UUID (version 4) with 122 bits nobody can guess.
pub(crate) fn uuid() -> Result<String> {
    let mut bytes = random::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    Ok([&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-"))
}
