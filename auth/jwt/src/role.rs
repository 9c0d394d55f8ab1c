//! A role as it is stored: whom it lets in, and how their tokens are.
use lessor_engine::auth::policy_names;
use lessor_engine::template::Template;
use lessor_engine::{Context, Error, Result, TokenRole, TokenSettings};
use lessor_signed_token::Claims;
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

/// Where the provider's answer of a login over a browser goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CallbackMode {
    /// Over whoever began the login.
    #[default]
    Client,
    /// To this server, which is asked for the outcome.
    Direct,
    /// Nowhere: this server asks the provider (RFC 8628), and is asked for the outcome.
    Device,
}

impl CallbackMode {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Direct => "direct",
            Self::Device => "device",
        }
    }
    pub(crate) fn parse(word: &str) -> Result<Self> {
        match word {
            "client" => Ok(Self::Client),
            "direct" => Ok(Self::Direct),
            "device" => Ok(Self::Device),
            other => Err(Error::invalid(format!("invalid 'callback_mode': {other}"))),
        }
    }
}

/// The provider's own tokens, as a role may hand them on.
const HANDED_ON: [&str; 3] = ["id_token", "refresh_token", "access_token"];

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
    pub(crate) callback_mode: CallbackMode,
    /// Seconds; 0 for the provider's, or 5.
    pub(crate) poll_interval: u64,
    pub(crate) oidc_disable_confirmation: bool,
    pub(crate) oauth2_metadata: Option<Vec<String>>,
    pub(crate) token_policies_template_claims: bool,
    /// The token's policies as they were written: as templates the case of their letters counts.
    pub(crate) policy_templates: Vec<String>,
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
        if let Some(other) = self.oauth2_metadata.iter().flatten().find(|name| !HANDED_ON.contains(&name.as_str())) {
            return Err(Error::invalid(format!("Unrecognized oauth2 metadata name {other}")));
        }
        self.check_bound_claims()?;
        self.check_templates()?;
        self.check_mappings()
    }
    fn check_templates(&self) -> Result<()> {
        for (at, policy) in self.policy_templates.iter().enumerate().filter(|_| self.token_policies_template_claims) {
            let wrong = |error| Error::invalid(format!("failed to parse template policy [{at}]: {error}"));
            Template::parse(policy).map_err(wrong)?;
        }
        Ok(())
    }
    /// How the token of somebody with these claims is.
    ///
    /// # Errors
    /// Which policy is made of a claim that is not there.
    pub(crate) fn settings(&self, claims: &Claims) -> Result<TokenSettings> {
        let mut settings = self.token.settings.clone();
        if !self.token_policies_template_claims {
            return Ok(settings);
        }
        let data = Value::Object(claims.clone());
        let policy = |(at, policy): (usize, &String)| {
            let made = Template::parse(policy).and_then(|template| template.render(&data));
            made.map_err(|error| Error::invalid(format!("failed to template policy [{at}]: {error}")))
        };
        let made: Vec<String> = self.policy_templates.iter().enumerate().map(policy).collect::<Result<_>>()?;
        settings.policies = policy_names(&made);
        Ok(settings)
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
