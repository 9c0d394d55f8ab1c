//! What a renewal asks again.
use crate::Aws;
use crate::{ec2_login, login};
use async_trait::async_trait;
use lessor_engine::{AuthMethod, Context, Renewed, Result};
use serde::Deserialize;
use serde_json::Value;

/// Of either kind of login; the first alone names an instance.
#[derive(Deserialize)]
#[serde(untagged)]
enum Origin {
    Ec2(ec2_login::Origin),
    Iam(login::Origin),
}

#[async_trait]
impl AuthMethod for Aws {
    async fn renew(&self, cx: &Context, renewal: &Value) -> Result<Renewed> {
        match Origin::deserialize(renewal)? {
            Origin::Ec2(origin) => origin.renew(self, cx).await,
            Origin::Iam(origin) => origin.renew(self, cx).await,
        }
    }
}
