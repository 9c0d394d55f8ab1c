//! Providers with ways of their own (`provider_config`): where their groups are, and how they write them.
mod azure;
mod gsuite;

use crate::Jwt;
use crate::identity::{claim, set_claim};
use crate::role::Role;
use gsuite::Gsuite;
use lessor_engine::{Context, Error, Result, Secret};
use lessor_platform_http::Http;
use lessor_signed_token::Claims;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Parts that a read does not show.
const HIDDEN: [&str; 1] = ["gsuite_service_account"];

#[derive(Clone, Serialize, Deserialize)]
enum Kind {
    Azure,
    Gsuite(Box<Gsuite>),
    /// Groups are one text, divided by commas.
    SecureAuth,
    /// Groups are one text, divided by spaces.
    IbmIsam,
}

/// A provider with ways of its own.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Custom {
    kind: Kind,
    /// What was written, without its secrets.
    shown: Map<String, Value>,
}

/// What a login has at hand beside the claims.
pub(crate) struct AtHand<'a> {
    pub(crate) jwt: &'a Jwt,
    pub(crate) cx: &'a Context,
    /// The provider's own connection.
    pub(crate) http: &'a Http,
    /// The provider's address; empty where there is none.
    pub(crate) issuer: &'a str,
    /// The person's token; `None` where somebody logs in with a token alone.
    pub(crate) access_token: Option<&'a Secret>,
}

impl Custom {
    /// Reads `provider_config`; an empty one is none.
    ///
    /// # Errors
    /// What is wrong with it, without its secrets.
    pub(crate) async fn parse(sent: Map<String, Value>) -> Result<Option<Self>> {
        if sent.is_empty() {
            return Ok(None);
        }
        let wrong = |text: String| Error::invalid(format!("invalid provider_config: {text}"));
        let name = sent.get("provider").and_then(Value::as_str);
        let name = name.ok_or_else(|| wrong("'provider' field not found in provider_config".to_owned()))?;
        let kind = match name {
            "azure" => Kind::Azure,
            "secureauth" => Kind::SecureAuth,
            "ibmisam" => Kind::IbmIsam,
            "gsuite" => {
                let read = Gsuite::parse(&sent).await;
                let read = read.map_err(|why| wrong(format!("error initializing {name:?} provider_config: {why}")))?;
                Kind::Gsuite(Box::new(read))
            }
            other => return Err(wrong(format!("provider {other:?} not found in custom providers"))),
        };
        let shown = sent.into_iter().filter(|(name, _)| !HIDDEN.contains(&name.as_str())).collect();
        Ok(Some(Self { kind, shown }))
    }
    /// What a read shows.
    pub(crate) fn show(&self) -> &Map<String, Value> {
        &self.shown
    }
    /// Puts into the claims what the provider keeps elsewhere, or writes otherwise: groups, and facts about people.
    ///
    /// # Errors
    /// When the provider does not tell.
    pub(crate) async fn complete(&self, at: &AtHand<'_>, role: &Role, claims: &mut Claims) -> Result<()> {
        if let Kind::Gsuite(gsuite) = &self.kind {
            gsuite.add_facts(at, role, claims).await?;
        }
        if role.groups_claim.is_empty() {
            return Ok(());
        }
        let text = claim(claims, &role.groups_claim).and_then(Value::as_str);
        let groups = match &self.kind {
            Kind::SecureAuth => text.map(|text| json!(text.split(',').collect::<Vec<_>>())),
            Kind::IbmIsam => text.map(|text| json!(text.split(' ').collect::<Vec<_>>())),
            Kind::Azure if claim(claims, &role.groups_claim).is_some() => None,
            Kind::Azure => Some(azure::groups(at, role, claims).await?),
            Kind::Gsuite(gsuite) => gsuite.groups(at, role, claims).await?,
        };
        if let Some(groups) = groups {
            set_claim(claims, &role.groups_claim, groups);
        }
        Ok(())
    }
}

fn failed(why: impl std::fmt::Display) -> Error {
    Error::invalid(format!("failed to fetch groups: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("an object") };
        map
    }

    async fn completed(provider: &str, groups: Value) -> Value {
        let custom = Custom::parse(object(json!({ "provider": provider }))).await.unwrap().unwrap();
        let (jwt, http) = (Jwt::default(), Http::new("").unwrap());
        let role = Role { groups_claim: "groups".to_owned(), ..Role::default() };
        let cx = crate::testing::context();
        let at = AtHand { jwt: &jwt, cx: &cx, http: &http, issuer: "", access_token: None };
        let mut claims = object(json!({ "groups": groups }));
        custom.complete(&at, &role, &mut claims).await.unwrap();
        claims.remove("groups").unwrap()
    }

    #[tokio::test]
    async fn one_text_of_groups_becomes_a_list_and_a_list_stays_one() {
        assert_eq!(completed("secureauth", json!("a b,c")).await, json!(["a b", "c"]));
        assert_eq!(completed("ibmisam", json!("a b,c")).await, json!(["a", "b,c"]));
        for provider in ["secureauth", "ibmisam", "azure"] {
            assert_eq!(completed(provider, json!(["a", "b"])).await, json!(["a", "b"]), "{provider}");
        }
    }

    #[tokio::test]
    async fn an_unknown_provider_is_refused() {
        for (sent, text) in [
            (json!({ "x": "y" }), "'provider' field not found in provider_config"),
            (json!({ "provider": 5 }), "'provider' field not found in provider_config"),
            (json!({ "provider": "zz" }), "provider \"zz\" not found in custom providers"),
            (json!({ "provider": "gsuite" }), "gsuite_service_account"),
        ] {
            let error = Custom::parse(object(sent)).await.err().unwrap().to_string();
            assert!(error.starts_with("invalid provider_config: ") && error.contains(text), "{error}");
        }
        assert!(Custom::parse(Map::new()).await.unwrap().is_none());
    }
}
