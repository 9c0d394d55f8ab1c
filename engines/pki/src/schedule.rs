//! What happens by itself: scheduled lists and tidying. Core keeps the due times in storage and claims them for one node,
//! as it does for rotations; the only step that counts here is the commit.
use crate::Engine;
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Timestamp, Works};
use serde_json::Value;

/// Builds of lists.
pub(crate) const CRL: &str = "crl";
/// Scheduled tidying.
pub(crate) const TIDY: &str = "tidy";

fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

fn nothing(subject: &str) -> Error {
    Error::NotFound(format!("{subject} is nothing that is scheduled"))
}

#[async_trait]
impl Rotating for Engine {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let data = match crate::acme::validate::subject(subject) {
            Some(at) => self.planned_validation(cx, at).await?,
            None => Value::Null,
        };
        Ok(Rotation { subject: subject.to_owned(), target: "ca".to_owned(), data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        match crate::acme::validate::subject(&rotation.subject) {
            Some(at) => self.validate(cx, at, &rotation.data).await,
            None => Ok(Value::Null),
        }
    }

    async fn verify(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        match rotation.subject.as_str() {
            CRL => self.scheduled_build(cx).await?,
            TIDY => self.scheduled_tidy(cx).await?,
            subject => {
                let at = crate::acme::validate::subject(subject).ok_or_else(|| nothing(subject))?;
                return self.validated(cx, at, &rotation.data).await;
            }
        }
        Ok(Changes::new())
    }

    async fn retire(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, _: &Context, _: &Rotation) -> Result<Works> {
        Ok(Works::Old)
    }

    async fn next(&self, cx: &Context, subject: &str) -> Result<Option<Timestamp>> {
        let now = cx.now().as_second();
        match subject {
            // Never at once again, so that what cannot be built does not keep a node busy.
            CRL => Ok(self.crl_due(cx).await?.and_then(|due| at(due.max(now + 1)))),
            TIDY => Ok(self.tidy_due(cx).await?.and_then(at)),
            subject => match crate::acme::validate::subject(subject) {
                Some(place) => Ok(self.validation_due(cx, place).await?.and_then(at)),
                None => Err(nothing(subject)),
            },
        }
    }
}
