//! A stored token that ends: before it does, the cluster is asked for another of the same account.
//!
//! Nothing ends the old one before its time, so whatever breaks off, one of both works.
use crate::Engine;
use crate::config::{self, Config};
use crate::dynamic::token_of;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Secret, Timestamp, Works, secret};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What core calls it.
pub(crate) const TOKEN: &str = "token";

/// What a token says of itself
/// (<https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#schema-for-service-account-private-claims>).
#[derive(Debug, PartialEq, Eq)]
struct Claims {
    namespace: String,
    account: String,
    audiences: Vec<String>,
    /// Seconds since 1970.
    issued: i64,
    ends: i64,
}

impl Claims {
    /// `None` where there is nothing to renew: the token never ends, is not of an account, or ends with a pod or another
    /// object that it is bound to.
    fn of(token: &Secret) -> Option<Self> {
        let claims = URL_SAFE_NO_PAD.decode(token.expose().split('.').nth(1)?).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let own = claims.get("kubernetes.io")?;
        if ["pod", "secret", "node"].iter().any(|bound| own.get(bound).is_some()) {
            return None;
        }
        let (namespace, account) =
            claims.get("sub")?.as_str()?.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        let audiences = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let at = |name: &str| claims.get(name).and_then(Value::as_i64);
        Some(Self {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            audiences,
            issued: at("iat")?,
            ends: at("exp")?,
        })
    }
    fn seconds(&self) -> u64 {
        u64::try_from(self.ends.saturating_sub(self.issued)).unwrap_or_default()
    }
    /// When two thirds of its life are over; `None` once it has ended.
    fn due(&self, now: i64) -> Option<Timestamp> {
        let due = self.issued.saturating_add(self.ends.saturating_sub(self.issued) / 3 * 2);
        (now < self.ends).then(|| Timestamp::from_second(due).ok()).flatten()
    }
}

/// Both tokens.
#[derive(Serialize, Deserialize)]
struct Change {
    #[serde(with = "secret::at_rest")]
    old: Secret,
    /// Empty until the cluster has given it.
    #[serde(with = "secret::at_rest")]
    new: Secret,
}

async fn stored(cx: &Context) -> Result<Option<(Config, Version)>> {
    cx.view.get_versioned(config::KEY).await
}

/// The token that is to be renewed, and what it says.
async fn current(cx: &Context) -> Result<Option<(Secret, Claims)>> {
    let config = stored(cx).await?.map(|(config, _)| config).filter(|config| !config.disable_jwt_renewal);
    Ok(config.and_then(|config| Claims::of(&config.jwt).map(|claims| (config.jwt, claims))))
}

#[async_trait]
impl Rotating for Engine {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let now = cx.now().as_second();
        let found = current(cx).await?.filter(|(_, claims)| claims.due(now).is_some());
        let (old, _) = found.ok_or_else(|| Error::NotFound("there is no token that could be renewed".to_owned()))?;
        let data = serde_json::to_value(Change { old, new: Secret::default() })?;
        Ok(Rotation { subject: subject.to_owned(), target: "cluster".to_owned(), data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let change: Change = rotation.read()?;
        let claims = Claims::of(&change.old);
        let claims = claims.ok_or_else(|| Error::Internal("the token cannot be read any more".to_owned()))?;
        let cluster = self.cluster_as(cx, change.old.clone()).await?;
        let account = (claims.namespace.as_str(), claims.account.as_str());
        let new = token_of(&cluster, account, &claims.audiences, claims.seconds()).await?;
        Ok(serde_json::to_value(Change { new, ..change })?)
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let change: Change = rotation.read()?;
        self.cluster_as(cx, change.new).await?.recognises().await
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let change: Change = rotation.read()?;
        match stored(cx).await? {
            Some((mut config, version)) if config.jwt == change.old => {
                config.jwt = change.new;
                Changes::new().expect(config::KEY, Some(version)).put(config::KEY, &config)
            }
            // Somebody wrote another one meanwhile.
            _ => Ok(Changes::new()),
        }
    }

    /// The old one ends by itself, and nothing else ends it.
    async fn retire(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        let change: Change = rotation.read()?;
        if change.new.is_empty() {
            return Ok(Works::Old);
        }
        let works = self.cluster_as(cx, change.new).await?.recognises().await;
        Ok(if works.is_ok() { Works::New } else { Works::Old })
    }

    fn path(&self, _: &str) -> String {
        config::KEY.to_owned()
    }

    async fn next(&self, cx: &Context, _: &str) -> Result<Option<Timestamp>> {
        let now = cx.now().as_second();
        Ok(current(cx).await?.and_then(|(_, claims)| claims.due(now)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is a failed test")]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(claims: &Value) -> Option<Claims> {
        Claims::of(&Secret::new(format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()))))
    }

    #[test]
    fn only_tokens_of_accounts_that_end_by_themselves_are_renewed() {
        let good = json!({
            "sub": "system:serviceaccount:ops:lessor", "iat": 1000, "exp": 1900, "aud": ["a"], "kubernetes.io": {},
        });
        let read = claims(&good).unwrap();
        assert_eq!((read.namespace.as_str(), read.account.as_str(), read.seconds()), ("ops", "lessor", 900));
        assert_eq!(read.due(1000), Timestamp::from_second(1600).ok());
        assert_eq!(read.due(1900), None, "what has ended cannot ask for another");
        for (name, value) in [
            ("exp", Value::Null),
            ("sub", json!("system:node:a")),
            ("kubernetes.io", json!({ "pod": { "name": "p" } })),
            ("kubernetes.io", Value::Null),
        ] {
            let mut other = good.clone();
            match value {
                Value::Null => drop(other.as_object_mut().unwrap().remove(name)),
                value => other[name] = value,
            }
            assert_eq!(claims(&other), None, "{other}");
        }
        assert_eq!(Claims::of(&Secret::new("opaque")), None);
    }
}
