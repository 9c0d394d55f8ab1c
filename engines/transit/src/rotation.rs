//! New versions by themselves, once `auto_rotate_period` is over.
use crate::record::{Key, KeyVersion};
use crate::store::{Keyring, generate};
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Timestamp, Works};
use serde_json::Value;
use std::sync::Arc;

/// All of it happens in storage, so the only step that counts is the commit.
#[async_trait]
impl Rotating for Keyring {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let key = needed(self, cx, subject).await?;
        key.may_rotate()?;
        let version = generate(key.kind, key.key_size, cx.now()).await?;
        let data = serde_json::to_value(version)?;
        Ok(Rotation { subject: subject.to_owned(), target: "keys".to_owned(), data })
    }

    async fn apply(&self, _: &Context, rotation: &Rotation) -> Result<Value> {
        Ok(rotation.data.clone())
    }

    async fn verify(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let version = rotation.read::<KeyVersion>()?;
        self.rotation(cx, &rotation.subject, version).await?.ok_or_else(|| gone(&rotation.subject))
    }

    async fn retire(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, _: &Context, _: &Rotation) -> Result<Works> {
        Ok(Works::Old)
    }

    async fn next(&self, cx: &Context, subject: &str) -> Result<Option<Timestamp>> {
        let Some(key) = self.find(cx, subject).await? else { return Ok(None) };
        let Some(period) = key.auto_rotate_period.nonzero().filter(|_| key.may_rotate().is_ok()) else {
            return Ok(None);
        };
        let latest = key.versions.last_key_value().map(|(_, version)| version.created);
        Ok(latest.and_then(|created| created.checked_add(period).ok()))
    }
}

fn gone(name: &str) -> Error {
    Error::NotFound(format!("there is no key {name:?} any more"))
}

async fn needed(keys: &Keyring, cx: &Context, name: &str) -> Result<Arc<Key>> {
    keys.find(cx, name).await?.ok_or_else(|| gone(name))
}
