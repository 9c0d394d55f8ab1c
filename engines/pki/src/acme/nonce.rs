//! Nonces that any node takes once.
//!
//! A nonce says when it was made, under a MAC whose key is in storage: making one writes nothing. That it was used is written,
//! and the guard of that write is what makes it single. What is older than a nonce lasts is thrown away.
use super::jws::{decode, encode};
use super::problem::{Outcome, refuse};
use crate::Engine;
use aws_lc_rs::{hmac, rand};
use lessor_engine::{Changes, Context, Error, Result, Secret};
use std::sync::atomic::{AtomicI64, Ordering};

const KEY: &str = "acme/nonce-key";
const USED: &str = "acme/used/";
/// Seconds a nonce lasts.
const LASTS: i64 = 3600;

/// The MAC key once it was read, and when used nonces were last thrown away.
#[derive(Default)]
pub(crate) struct Nonces {
    key: tokio::sync::OnceCell<hmac::Key>,
    swept: AtomicI64,
}

fn no_chance(_: aws_lc_rs::error::Unspecified) -> Error {
    Error::Internal("the system gives no randomness".to_owned())
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Stored(#[serde(with = "lessor_engine::secret::at_rest")] Secret);

impl Engine {
    async fn nonce_key(&self, cx: &Context) -> Result<&hmac::Key> {
        self.nonces
            .key
            .get_or_try_init(|| async {
                let mut fresh = [0; 32];
                rand::fill(&mut fresh).map_err(no_chance)?;
                let fresh = Stored(Secret::new(encode(&fresh)));
                match cx.view.commit(Changes::new().expect(KEY, None).put(KEY, &fresh)?).await {
                    // Where another node was first, its key is everybody's.
                    Ok(()) | Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
                    Err(error) => return Err(error),
                }
                let stored: Option<Stored> = cx.view.get(KEY).await?;
                let stored = stored.and_then(|stored| decode(stored.0.expose()));
                let stored = stored.ok_or_else(|| Error::Internal("the key of nonces is damaged".to_owned()))?;
                Ok(hmac::Key::new(hmac::HMAC_SHA256, &stored))
            })
            .await
    }

    /// A fresh nonce.
    pub(crate) async fn nonce(&self, cx: &Context) -> Result<String> {
        let mut bytes = cx.now().as_second().to_be_bytes().to_vec();
        let mut chance = [0; 16];
        rand::fill(&mut chance).map_err(no_chance)?;
        bytes.extend_from_slice(&chance);
        let mac = hmac::sign(self.nonce_key(cx).await?, &bytes);
        bytes.extend_from_slice(&mac.as_ref()[..16]);
        Ok(encode(&bytes))
    }

    /// Takes a nonce; every one is taken once.
    pub(crate) async fn take_nonce(&self, cx: &Context, text: &str) -> Outcome<()> {
        let bad = || refuse("badNonce", "the nonce is not known, used or too old: try again with the new one");
        let Some(bytes) = decode(text).filter(|bytes| bytes.len() == 40) else { return bad() };
        let (said, mac) = bytes.split_at(24);
        let own = hmac::sign(self.nonce_key(cx).await?, said);
        let same = aws_lc_rs::constant_time::verify_slices_are_equal(&own.as_ref()[..16], mac).is_ok();
        let made = <[u8; 8]>::try_from(&said[..8]).map(i64::from_be_bytes).unwrap_or_default();
        let now = cx.now().as_second();
        if !same || now - made > LASTS {
            return bad();
        }
        // In order of time, so that old ones stand together.
        let at = format!("{USED}{made:012}-{}", hex::encode(&said[8..]));
        match cx.view.commit(Changes::new().expect(&at, None).put(&at, &())?).await {
            Ok(()) => {}
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => return bad(),
            Err(error) => return Err(error.into()),
        }
        let last = self.nonces.swept.load(Ordering::Relaxed);
        if now - last > 60
            && self.nonces.swept.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.forget_nonces(cx, now).await?;
        }
        Ok(())
    }

    /// Forgets nonces that nobody could use any more.
    async fn forget_nonces(&self, cx: &Context, now: i64) -> Result<()> {
        loop {
            let keys = cx.view.first_keys(USED, 500).await?;
            let end = format!("{USED}{:012}", now - LASTS - 60);
            let old: Vec<&String> = keys.iter().filter(|key| **key < end).collect();
            if old.is_empty() {
                return Ok(());
            }
            let changes = old.iter().fold(Changes::new(), |changes, key| changes.delete(key));
            cx.view.commit(changes).await?;
        }
    }
}
