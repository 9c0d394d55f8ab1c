//! What core runs by itself or in two phases.
use crate::Aws;
use crate::config::{Config, KEY};
use crate::root_key::ROOT;
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Timestamp, Works};
use serde_json::{Map, Value};

fn nothing(subject: &str) -> Error {
    Error::NotFound(format!("{subject} is nothing that is scheduled"))
}

#[async_trait]
impl Rotating for Aws {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let data = match subject {
            ROOT => self.plan_key(cx).await?,
            _ => return Err(nothing(subject)),
        };
        Ok(Rotation { subject: subject.to_owned(), target: "account".to_owned(), data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        self.make_key(cx, rotation).await
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        self.try_key(cx, rotation).await
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        self.keep_key(cx, rotation).await
    }

    async fn retire(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        self.delete_old_key(cx, rotation).await
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        self.settle_key(cx, rotation).await
    }

    async fn answer(&self, _: &Context, rotation: &Rotation) -> Result<Option<Map<String, Value>>> {
        Self::new_key_id(rotation)
    }

    async fn policy(&self, cx: &Context, _: &str) -> Result<String> {
        Ok(Config::load(cx).await?.rotation_policy)
    }

    fn path(&self, _: &str) -> String {
        KEY.to_owned()
    }

    async fn next(&self, cx: &Context, subject: &str) -> Result<Option<Timestamp>> {
        match subject {
            ROOT => Self::key_due(cx).await,
            _ => Err(nothing(subject)),
        }
    }
}
