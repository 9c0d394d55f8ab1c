//! What core runs by itself or in two phases: rotations of the key, and tidying, of which the commit is the only step.
use crate::Aws;
use crate::config::{Config, KEY};
use crate::root_key::ROOT;
use crate::tidy::{self, List};
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Timestamp, Works};
use serde_json::{Map, Value};

#[derive(Clone, Copy)]
enum Subject {
    Root,
    Tidy(List),
}

impl Subject {
    fn parse(name: &str) -> Result<Self> {
        let nothing = || Error::NotFound(format!("{name} is nothing that is scheduled"));
        if name == ROOT { Ok(Self::Root) } else { List::of_subject(name).map(Self::Tidy).ok_or_else(nothing) }
    }
}

#[async_trait]
impl Rotating for Aws {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let (target, data) = match Subject::parse(subject)? {
            Subject::Root => ("account", self.plan_key(cx).await?),
            Subject::Tidy(_) => ("storage", Value::Null),
        };
        Ok(Rotation { subject: subject.to_owned(), target: target.to_owned(), data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        match Subject::parse(&rotation.subject)? {
            Subject::Root => self.make_key(cx, rotation).await,
            Subject::Tidy(_) => Ok(Value::Null),
        }
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        match Subject::parse(&rotation.subject)? {
            Subject::Root => self.try_key(cx, rotation).await,
            Subject::Tidy(_) => Ok(()),
        }
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        match Subject::parse(&rotation.subject)? {
            Subject::Root => self.keep_key(cx, rotation).await,
            Subject::Tidy(list) => tidy::scheduled(cx, list).await,
        }
    }

    async fn retire(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        match Subject::parse(&rotation.subject)? {
            Subject::Root => self.delete_old_key(cx, rotation).await,
            Subject::Tidy(_) => Ok(()),
        }
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        match Subject::parse(&rotation.subject)? {
            Subject::Root => self.settle_key(cx, rotation).await,
            Subject::Tidy(_) => Ok(Works::Old),
        }
    }

    async fn answer(&self, _: &Context, rotation: &Rotation) -> Result<Option<Map<String, Value>>> {
        match Subject::parse(&rotation.subject)? {
            Subject::Root => Self::new_key_id(rotation),
            Subject::Tidy(_) => Ok(None),
        }
    }

    async fn policy(&self, cx: &Context, subject: &str) -> Result<String> {
        match Subject::parse(subject)? {
            Subject::Root => Ok(Config::load(cx).await?.rotation_policy),
            Subject::Tidy(_) => Ok(String::new()),
        }
    }

    fn path(&self, subject: &str) -> String {
        if subject == ROOT { KEY } else { subject }.to_owned()
    }

    async fn next(&self, cx: &Context, subject: &str) -> Result<Option<Timestamp>> {
        match Subject::parse(subject)? {
            Subject::Root => Self::key_due(cx).await,
            Subject::Tidy(list) => tidy::due(cx, list).await,
        }
    }
}
