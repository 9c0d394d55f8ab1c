//! What a renewal asks again.
use crate::Aws;
use crate::login::Origin;
use async_trait::async_trait;
use lessor_engine::{AuthMethod, Context, Renewed, Result};
use serde::Deserialize;
use serde_json::Value;

#[async_trait]
impl AuthMethod for Aws {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        Origin::deserialize(renewal)?.renew(self, cx).await
    }
}
