use crate::Engine;
use lessor_engine::{Changes, Context, Result};
use serde_json::Value;

pub(crate) struct Place;

pub(crate) fn subject(_: &str) -> Option<Place> {
    None
}

impl Engine {
    pub(crate) async fn planned_validation(&self, _: &Context, _: Place) -> Result<Value> {
        Ok(Value::Null)
    }
    pub(crate) async fn validate(&self, _: &Context, _: Place, _: &Value) -> Result<Value> {
        Ok(Value::Null)
    }
    pub(crate) async fn validated(&self, _: &Context, _: Place, _: &Value) -> Result<Changes> {
        Ok(Changes::new())
    }
    pub(crate) async fn validation_due(&self, _: &Context, _: Place) -> Result<Option<i64>> {
        Ok(None)
    }
    pub(crate) async fn tidy_acme(&self, _: &Context, _: &crate::tidy::Options) -> Result<()> {
        Ok(())
    }
}
