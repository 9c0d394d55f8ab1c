//! Password policies that a configuration names.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use async_trait::async_trait;
use lessor_engine::Operation::Update;
use lessor_engine::{Error, PasswordPolicies, Result, Secret};
use lessor_mountkit::Alone;
use lessor_storage::MemoryStorage;
use serde_json::json;
use std::sync::Arc;

/// Knows one.
struct Long;

#[async_trait]
impl PasswordPolicies for Long {
    async fn generate(&self, name: &str) -> Result<Secret> {
        self.bits(name).await.map(|_| Secret::new("long"))
    }
    async fn bits(&self, name: &str) -> Result<f64> {
        if name == "long" { Ok(100.0) } else { Err(Error::invalid("there is no such policy")) }
    }
}

#[tokio::test]
async fn a_policy_that_is_not_there_yet_is_warned_of_when_it_is_written_and_kept() {
    for factory in [lessor_engine_ldap::factory(), lessor_engine_ldap::ad_factory()] {
        let mut mount = Alone::new(factory.as_ref(), "ldap/", &[], Arc::new(MemoryStorage::new()));
        mount.cx.policies = Arc::new(Long);
        for (policy, warned) in [("long", false), ("later", true), ("", false)] {
            let fields = json!({ "binddn": "cn=lessor", "bindpass": "x", "password_policy": policy });
            let reply = mount.reply(Update, "config", fields).await;
            assert_eq!(reply.warnings.iter().any(|text| text.contains("later")), warned, "{:?}", reply.warnings);
            let shown = mount.read("config").await.data();
            assert_eq!(shown.get("password_policy").and_then(|name| name.as_str()).unwrap_or_default(), policy);
        }
    }
}
