//! `role/…`: the roles.
use crate::Jwt;
use crate::role::{CallbackMode, ClaimMatch, Role, RoleType, key};
use lessor_engine::{
    Changes, CommaList, Context, Error, FieldKind, FieldValue, KeyValues, Object, OldNames, Params, Reply, Result,
    Seconds, TokenParams, duration,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Seconds or a duration, below zero too.
#[derive(Clone, Copy)]
pub(crate) struct Leeway(i64);

impl FieldValue for Leeway {
    const KIND: FieldKind = FieldKind::Duration;
    fn coerce(value: Value) -> Result<Self, String> {
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            _ => return Err("expected seconds or a duration such as 2m; -1 for no leeway".to_owned()),
        };
        let (sign, length) = text.strip_prefix('-').map_or((1, text.as_str()), |length| (-1, length));
        let seconds = duration::parse(length).map_err(|error| error.to_string())?.as_secs();
        i64::try_from(seconds).map(|seconds| Self(sign * seconds)).map_err(|error| error.to_string())
    }
    fn absent() -> Self {
        Self(0)
    }
}

#[derive(Params)]
pub(crate) struct At {
    /// Name of the role, in lower case.
    name: String,
}

#[derive(Params)]
pub(crate) struct RoleParams {
    /// Name of the role, in lower case.
    name: String,
    /// `oidc` for logins over a browser, `jwt` for logins with a token.
    #[param(default = "oidc")]
    role_type: String,
    /// Claim with a name that is unique, for the identity alias.
    user_claim: Option<String>,
    /// Reads user_claim as a JSON pointer.
    user_claim_json_pointer: Option<bool>,
    /// Audiences, of which the token has to name one.
    bound_audiences: Option<CommaList>,
    /// The subject the token has to have.
    bound_subject: Option<String>,
    /// Claims the token has to have, with a value or a list of values each; a name that begins with / is a JSON pointer.
    bound_claims: Option<Object>,
    /// `string`, or `glob` for * in bound_claims.
    #[param(default = "string")]
    bound_claims_type: String,
    /// Claims that become metadata, with the key they get there.
    claim_mappings: Option<KeyValues>,
    /// Claim with the names of groups.
    groups_claim: Option<String>,
    /// How far clocks may differ; 0 for 60 seconds, -1 for not at all.
    clock_skew_leeway: Option<Leeway>,
    /// How long a token without an end is taken; 0 for 150 seconds, -1 for no time.
    expiration_leeway: Option<Leeway>,
    /// How long before its end a token without a beginning begins; 0 for 150 seconds, -1 for no time.
    not_before_leeway: Option<Leeway>,
    /// Where a browser may be sent back to.
    allowed_redirect_uris: Option<CommaList>,
    /// Scopes to ask the provider for; openid always is.
    oidc_scopes: Option<CommaList>,
    /// Seconds since the person logged in at the provider; 0 for any.
    max_age: Option<Seconds>,
    /// Where the provider's answer goes: over the `client`, `direct` to this server, or by the flow for a `device`.
    #[param(default = "client")]
    callback_mode: String,
    /// Seconds between two questions for the outcome of a direct or device login; 0 for the provider's, or 5.
    poll_interval: Option<i64>,
    /// Lets people in by a direct callback without asking them whether it was them.
    oidc_disable_confirmation: bool,
    /// Tokens of the provider that become metadata, which token lookups and the audit log show in clear: access_token,
    /// id_token, refresh_token.
    oauth2_metadata: Option<CommaList>,
    /// Reads token_policies as templates over the claims.
    token_policies_template_claims: Option<bool>,
    /// Taken for compatibility: claims are never logged.
    verbose_oidc_logging: Option<bool>,
    /// Older name of token_policies.
    policies: Option<CommaList>,
    /// Older name of token_num_uses.
    num_uses: Option<i64>,
    /// Older name of token_ttl.
    ttl: Option<Seconds>,
    /// Older name of token_max_ttl.
    max_ttl: Option<Seconds>,
    /// Older name of token_period.
    period: Option<Seconds>,
    /// Older name of token_bound_cidrs.
    bound_cidrs: Option<CommaList>,
    #[param(flatten)]
    token: TokenParams,
}

fn replace<T>(place: &mut T, sent: Option<T>) {
    if let Some(sent) = sent {
        *place = sent;
    }
}

fn replace_list(place: &mut Option<Vec<String>>, sent: Option<&CommaList>) {
    if let Some(sent) = sent {
        *place = Some(sent.0.clone());
    }
}

/// What is left out keeps its value, but for the two kinds, which fall back to their defaults.
fn changed(old: Option<Role>, sent: &RoleParams) -> Result<Role> {
    let mut role = old.unwrap_or_default();
    role.name = sent.name.to_lowercase();
    let old = OldNames {
        policies: sent.policies.clone(),
        ttl: sent.ttl,
        max_ttl: sent.max_ttl,
        period: sent.period,
        bound_cidrs: sent.bound_cidrs.clone(),
    };
    let mut token = sent.token.clone();
    if token.token_num_uses.is_some() || sent.num_uses.is_some() {
        role.num_uses = sent.num_uses.is_some();
    }
    token.token_num_uses = token.token_num_uses.or(sent.num_uses);
    if let Some(policies) = token.token_policies.as_ref().or(sent.policies.as_ref()) {
        role.policy_templates.clone_from(&policies.0);
    }
    role.token.apply(token, old)?;
    if role.policy_templates.is_empty() {
        role.policy_templates.clone_from(&role.token.settings.policies);
    }
    role.role_type = RoleType::parse(&sent.role_type)?;
    role.bound_claims_type = ClaimMatch::parse(&sent.bound_claims_type)?;
    replace(&mut role.user_claim, sent.user_claim.clone());
    replace(&mut role.user_claim_json_pointer, sent.user_claim_json_pointer);
    replace_list(&mut role.bound_audiences, sent.bound_audiences.as_ref());
    replace(&mut role.bound_subject, sent.bound_subject.clone());
    replace(&mut role.bound_claims, sent.bound_claims.as_ref().map(|claims| Some(claims.0.clone())));
    replace(&mut role.claim_mappings, sent.claim_mappings.as_ref().map(|pairs| Some(pairs.0.clone())));
    replace(&mut role.groups_claim, sent.groups_claim.clone());
    replace(&mut role.clock_skew_leeway, sent.clock_skew_leeway.map(|leeway| leeway.0));
    replace(&mut role.expiration_leeway, sent.expiration_leeway.map(|leeway| leeway.0));
    replace(&mut role.not_before_leeway, sent.not_before_leeway.map(|leeway| leeway.0));
    replace_list(&mut role.allowed_redirect_uris, sent.allowed_redirect_uris.as_ref());
    replace_list(&mut role.oidc_scopes, sent.oidc_scopes.as_ref());
    replace(&mut role.max_age, sent.max_age.map(|seconds| seconds.0));
    replace(&mut role.verbose_oidc_logging, sent.verbose_oidc_logging);
    role.callback_mode = CallbackMode::parse(&sent.callback_mode)?;
    if let Some(seconds) = sent.poll_interval {
        let wrong = |_| Error::invalid("poll_interval must not be negative");
        role.poll_interval = u64::try_from(seconds).map_err(wrong)?;
    }
    role.oidc_disable_confirmation = sent.oidc_disable_confirmation;
    replace_list(&mut role.oauth2_metadata, sent.oauth2_metadata.as_ref());
    replace(&mut role.token_policies_template_claims, sent.token_policies_template_claims);
    role.check()?;
    Ok(role)
}

pub(crate) async fn exists(_: Arc<Jwt>, cx: Context, at: At) -> Result<bool> {
    Ok(cx.view.get::<Role>(&key(&at.name)).await?.is_some())
}

pub(crate) async fn list(_: Arc<Jwt>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(cx.view.list("role/").await?))
}

pub(crate) async fn write(_: Arc<Jwt>, cx: Context, sent: RoleParams) -> Result<Reply> {
    let key = key(&sent.name);
    let role = loop {
        let (old, version) = cx.view.get_versioned(&key).await?.map_or((None, None), |(r, v)| (Some(r), Some(v)));
        let role = changed(old, &sent)?;
        let changes = Changes::new().put(&key, &role)?.expect(&key, version);
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
            done => break done.map(|()| role)?,
        }
    };
    if role.verbose_oidc_logging {
        return Ok(Reply::empty().warn("verbose_oidc_logging is accepted and has no effect: claims are never logged."));
    }
    Ok(Reply::empty())
}

pub(crate) async fn read(_: Arc<Jwt>, cx: Context, at: At) -> Result<Reply> {
    let Some(role) = cx.view.get::<Role>(&key(&at.name)).await? else { return Ok(Reply::missing()) };
    let mut shown = role.token.show();
    let own = json!({
        "allowed_redirect_uris": role.allowed_redirect_uris,
        "bound_audiences": role.bound_audiences,
        "bound_claims": role.bound_claims,
        "bound_claims_type": role.bound_claims_type.word(),
        "bound_subject": role.bound_subject,
        "callback_mode": role.callback_mode.word(),
        "claim_mappings": role.claim_mappings,
        "clock_skew_leeway": role.clock_skew_leeway,
        "expiration_leeway": role.expiration_leeway,
        "groups_claim": role.groups_claim,
        "max_age": role.max_age,
        "not_before_leeway": role.not_before_leeway,
        "oauth2_metadata": role.oauth2_metadata,
        "oidc_disable_confirmation": role.oidc_disable_confirmation,
        "oidc_scopes": role.oidc_scopes,
        "role_type": role.role_type.word(),
        "token_policies_template_claims": role.token_policies_template_claims,
        "user_claim": role.user_claim,
        "user_claim_json_pointer": role.user_claim_json_pointer,
        "verbose_oidc_logging": role.verbose_oidc_logging,
    });
    if let Value::Object(own) = own {
        shown.extend(own);
    }
    if role.num_uses && role.token.settings.num_uses > 0 {
        shown.insert("num_uses".to_owned(), json!(role.token.settings.num_uses));
    }
    if role.poll_interval > 0 {
        shown.insert("poll_interval".to_owned(), json!(role.poll_interval));
    }
    if role.token_policies_template_claims {
        for name in ["token_policies", "policies"] {
            if let Some(shown) = shown.get_mut(name) {
                *shown = json!(role.policy_templates);
            }
        }
    }
    shown.sort_keys();
    Ok(Reply::data(Value::Object(shown)))
}

pub(crate) async fn delete(_: Arc<Jwt>, cx: Context, at: At) -> Result<Reply> {
    cx.view.delete(&key(&at.name)).await?;
    Ok(Reply::empty())
}
