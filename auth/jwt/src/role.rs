//! A role as it is stored: whom it lets in, and how their tokens are.
use lessor_engine::{Context, Error, Result, TokenRole};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How somebody logs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RoleType {
    /// Over a browser.
    #[default]
    Oidc,
    /// With a token they have.
    Jwt,
}

impl RoleType {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::Jwt => "jwt",
        }
    }
    pub(crate) fn parse(word: &str) -> Result<Self> {
        match word {
            "" | "oidc" => Ok(Self::Oidc),
            "jwt" => Ok(Self::Jwt),
            other => Err(Error::invalid(format!("invalid 'role_type': {other}"))),
        }
    }
}

/// How a bound claim is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClaimMatch {
    /// As it is.
    #[default]
    String,
    /// With `*` for any text.
    Glob,
}

impl ClaimMatch {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Glob => "glob",
        }
    }
    pub(crate) fn parse(word: &str) -> Result<Self> {
        match word {
            "" | "string" => Ok(Self::String),
            "glob" => Ok(Self::Glob),
            other => Err(Error::invalid(format!("invalid 'bound_claims_type': {other}"))),
        }
    }
}

/// What is stored under `role/<name>`. `None` where a list or map was never written: a read shows it as null.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) role_type: RoleType,
    pub(crate) user_claim: String,
    pub(crate) user_claim_json_pointer: bool,
    pub(crate) bound_audiences: Option<Vec<String>>,
    pub(crate) bound_subject: String,
    pub(crate) bound_claims: Option<Map<String, Value>>,
    pub(crate) bound_claims_type: ClaimMatch,
    pub(crate) claim_mappings: Option<BTreeMap<String, String>>,
    pub(crate) groups_claim: String,
    /// Seconds, as they were written: 0 and below have meanings, see `lessor_signed_token::Expected`.
    pub(crate) clock_skew_leeway: i64,
    pub(crate) expiration_leeway: i64,
    pub(crate) not_before_leeway: i64,
    pub(crate) allowed_redirect_uris: Option<Vec<String>>,
    pub(crate) oidc_scopes: Option<Vec<String>>,
    pub(crate) max_age: u64,
    pub(crate) verbose_oidc_logging: bool,
    pub(crate) token: TokenRole,
    /// Whether the uses were last written under their older name.
    pub(crate) num_uses: bool,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{}", name.to_lowercase())
}

impl Role {
    pub(crate) fn audiences(&self) -> &[String] {
        self.bound_audiences.as_deref().unwrap_or_default()
    }
    /// The role of that name.
    ///
    /// # Errors
    /// `role "x" could not be found`.
    pub(crate) async fn load(cx: &Context, name: &str) -> Result<Self> {
        let role = cx.view.get(&key(name)).await?;
        role.ok_or_else(|| Error::invalid(format!("role {name:?} could not be found")))
    }
    /// Whether the whole makes sense.
    ///
    /// # Errors
    /// What is missing or contradicts itself.
    pub(crate) fn check(&self) -> Result<()> {
        if self.user_claim.is_empty() {
            return Err(Error::invalid("a user claim must be defined on the role"));
        }
        let empty = |list: &Option<Vec<String>>| list.as_ref().is_none_or(Vec::is_empty);
        if self.role_type == RoleType::Oidc && empty(&self.allowed_redirect_uris) {
            return Err(Error::invalid("'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified."));
        }
        let bound = !empty(&self.bound_audiences)
            || !self.bound_subject.is_empty()
            || self.bound_claims.as_ref().is_some_and(|claims| !claims.is_empty())
            || !self.token.settings.bound_cidrs.is_empty();
        if self.role_type == RoleType::Jwt && !bound {
            return Err(Error::invalid("must have at least one bound constraint when creating/updating a role"));
        }
        self.check_bound_claims()?;
        self.check_mappings()
    }
    fn check_bound_claims(&self) -> Result<()> {
        if self.bound_claims_type != ClaimMatch::Glob {
            return Ok(());
        }
        for expected in self.bound_claims.iter().flat_map(Map::values) {
            let values = expected.as_array().map_or(std::slice::from_ref(expected), Vec::as_slice);
            if let Some(other) = values.iter().find(|value| !value.is_string()) {
                return Err(Error::invalid(format!("claim is not a string: {other}")));
            }
        }
        Ok(())
    }
    fn check_mappings(&self) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for target in self.claim_mappings.iter().flat_map(BTreeMap::values) {
            if target == "role" {
                let text = "metadata key \"role\" is reserved and may not be a mapping destination";
                return Err(Error::invalid(text));
            }
            if !seen.insert(target) {
                return Err(Error::invalid(format!("multiple keys are mapped to metadata key {target:?}")));
            }
        }
        Ok(())
    }
}
