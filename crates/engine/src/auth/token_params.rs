//! The `token_*` parameters that the roles and users of every auth method share.
use crate::{CommaList, Error, Params, Result, Seconds};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// The kind of token a login makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// What the mount is tuned to.
    #[default]
    Default,
    /// Stored, renewable, revocable.
    Service,
    /// Self-contained and short-lived.
    Batch,
    /// Service, unless the mount says batch; a value of mounts that roles may carry too.
    DefaultService,
    /// Batch, unless the mount says service.
    DefaultBatch,
}

impl TokenKind {
    /// The word of the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Service => "service",
            Self::Batch => "batch",
            Self::DefaultService => "default-service",
            Self::DefaultBatch => "default-batch",
        }
    }
    /// Reads the word of the API; empty is [`TokenKind::Default`].
    ///
    /// # Errors
    /// `invalid 'token_type' value "…"`.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "" | "default" => Ok(Self::Default),
            "service" => Ok(Self::Service),
            "batch" => Ok(Self::Batch),
            "default-service" => Ok(Self::DefaultService),
            "default-batch" => Ok(Self::DefaultBatch),
            _ => Err(Error::invalid(format!("invalid 'token_type' value {word:?}"))),
        }
    }
    fn is_batch(self) -> bool {
        matches!(self, Self::Batch | Self::DefaultBatch)
    }
}

/// As they are sent: what is left out keeps its value.
#[derive(Params, Clone, Default)]
pub struct TokenParams {
    /// Initial TTL and TTL of a renewal; 0 for the mount's default.
    pub token_ttl: Option<Seconds>,
    /// Upper bound, counted from the login; 0 for the mount's maximum.
    pub token_max_ttl: Option<Seconds>,
    /// Policies of the token.
    pub token_policies: Option<CommaList>,
    /// Addresses from which one may log in and use the token.
    pub token_bound_cidrs: Option<CommaList>,
    /// A bound that stays with the token whatever happens to the role.
    pub token_explicit_max_ttl: Option<Seconds>,
    /// Leaves out the default policy.
    pub token_no_default_policy: Option<bool>,
    /// Uses of the token; 0 for no limit.
    pub token_num_uses: Option<i64>,
    /// Renewals reset the TTL to this, without upper bound.
    pub token_period: Option<Seconds>,
    /// `default`, `service`, `batch`, `default-service` or `default-batch`.
    pub token_type: Option<String>,
    /// Binds the token to the address of the login.
    pub token_strictly_bind_ip: Option<bool>,
}

/// As they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenSettings {
    /// Seconds; 0 for the mount's default.
    pub ttl: u64,
    /// Seconds from the login; 0 for the mount's maximum.
    pub max_ttl: u64,
    /// Lower-case names.
    pub policies: Vec<String>,
    /// Empty lets every address in.
    pub bound_cidrs: Vec<IpNet>,
    /// Seconds from the login; 0 for none.
    pub explicit_max_ttl: u64,
    /// Leaves out the default policy.
    pub no_default_policy: bool,
    /// 0 for no limit.
    pub num_uses: u32,
    /// Seconds; 0 for none.
    pub period: u64,
    /// The kind of token.
    pub kind: TokenKind,
    /// Binds the token to the address of the login.
    pub strictly_bind_ip: bool,
}

/// Reads addresses and blocks; a single address is a block of its own.
///
/// # Errors
/// `error parsing address "…"`.
pub fn parse_cidrs(texts: &[String]) -> Result<Vec<IpNet>> {
    let parse = |text: &String| {
        let block = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        block.ok_or_else(|| {
            Error::invalid(format!("error parsing address {text:?}: use an address (10.0.0.1) or a block (10.0.0.0/8)"))
        })
    };
    texts.iter().map(parse).collect()
}

/// A block as it is shown: a single address without its length.
pub fn show_cidr(block: &IpNet) -> String {
    if block.prefix_len() == block.max_prefix_len() { block.addr().to_string() } else { block.to_string() }
}

impl TokenSettings {
    /// Takes over what was sent and checks the whole.
    ///
    /// # Errors
    /// When the values contradict each other, with the field's name.
    pub fn apply(&mut self, sent: TokenParams) -> Result<()> {
        let seconds = |sent: Option<Seconds>, place: &mut u64| {
            if let Some(sent) = sent {
                *place = sent.0;
            }
        };
        seconds(sent.token_ttl, &mut self.ttl);
        seconds(sent.token_max_ttl, &mut self.max_ttl);
        seconds(sent.token_explicit_max_ttl, &mut self.explicit_max_ttl);
        seconds(sent.token_period, &mut self.period);
        if let Some(policies) = sent.token_policies {
            self.policies = policy_names(&policies.0);
        }
        if let Some(blocks) = sent.token_bound_cidrs {
            self.bound_cidrs = parse_cidrs(&blocks.0)?;
        }
        if let Some(leave_out) = sent.token_no_default_policy {
            self.no_default_policy = leave_out;
        }
        if let Some(uses) = sent.token_num_uses {
            self.num_uses = u32::try_from(uses)
                .map_err(|_| Error::invalid("'token_num_uses' cannot be negative: use 0 for no limit"))?;
        }
        if let Some(word) = sent.token_type {
            self.kind = TokenKind::parse(&word)?;
        }
        if let Some(bind) = sent.token_strictly_bind_ip {
            self.strictly_bind_ip = bind;
        }
        self.check()
    }
    fn check(&self) -> Result<()> {
        if self.max_ttl > 0 && self.ttl > self.max_ttl {
            return Err(Error::invalid("'token_ttl' cannot be greater than 'token_max_ttl'"));
        }
        if self.kind.is_batch() && self.num_uses > 0 {
            let text =
                "'token_type' cannot be 'batch' or 'default_batch' when set to generate tokens with limited use count";
            return Err(Error::invalid(text));
        }
        if self.kind.is_batch() && self.period > 0 {
            let text = "'token_type' cannot be 'batch' or 'default_batch' when set to generate periodic tokens";
            return Err(Error::invalid(text));
        }
        if self.strictly_bind_ip && !self.bound_cidrs.is_empty() {
            return Err(Error::invalid("'token_strictly_bind_ip' and 'token_bound_cidrs' exclude each other"));
        }
        Ok(())
    }
    /// The `token_*` part of a read: every field, zero or not.
    pub fn show(&self) -> Map<String, Value> {
        let cidrs: Vec<String> = self.bound_cidrs.iter().map(show_cidr).collect();
        let shown = json!({
            "token_bound_cidrs": cidrs,
            "token_explicit_max_ttl": self.explicit_max_ttl,
            "token_max_ttl": self.max_ttl,
            "token_no_default_policy": self.no_default_policy,
            "token_num_uses": self.num_uses,
            "token_period": self.period,
            "token_policies": self.policies,
            "token_strictly_bind_ip": self.strictly_bind_ip,
            "token_ttl": self.ttl,
            "token_type": self.kind.word(),
        });
        match shown {
            Value::Object(shown) => shown,
            _ => Map::new(),
        }
    }
    /// Whether `address` lies in the bound blocks; an unknown address only where nothing is bound.
    pub fn admits(&self, address: Option<IpAddr>) -> bool {
        self.bound_cidrs.is_empty()
            || address.is_some_and(|address| self.bound_cidrs.iter().any(|block| block.contains(&address)))
    }
}

/// Policy names as they are stored: lower-case, sorted, each once.
pub fn policy_names(names: &[String]) -> Vec<String> {
    let names: std::collections::BTreeSet<String> =
        names.iter().map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty()).collect();
    names.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: Value) -> Result<TokenSettings> {
        let Value::Object(mut raw) = pairs else { panic!("an object") };
        let mut settings = TokenSettings::default();
        settings.apply(TokenParams::parse(&mut raw)?).map(|()| settings)
    }

    #[test]
    fn what_is_left_out_keeps_its_value() {
        let mut settings = sent(json!({ "token_ttl": "1h", "token_policies": "B,a" })).unwrap();
        settings.apply(TokenParams { token_max_ttl: Some(Seconds(7200)), ..TokenParams::default() }).unwrap();
        assert_eq!(
            (settings.ttl, settings.max_ttl, settings.policies.clone()),
            (3600, 7200, vec!["a".into(), "b".into()])
        );
        assert_eq!(settings.show()["token_type"], "default");
    }

    #[test]
    fn contradictions_are_refused() {
        for (pairs, text) in [
            (json!({ "token_ttl": 10, "token_max_ttl": 5 }), "'token_ttl' cannot be greater than 'token_max_ttl'"),
            (json!({ "token_type": "batch", "token_num_uses": 1 }), "limited use count"),
            (json!({ "token_type": "batch", "token_period": 1 }), "periodic tokens"),
            (json!({ "token_type": "zzz" }), "invalid 'token_type' value \"zzz\""),
            (json!({ "token_bound_cidrs": "x" }), "error parsing address \"x\""),
            (json!({ "token_ttl": "-3600" }), "cannot provide negative value '-3600'"),
        ] {
            let error = sent(pairs).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn bound_addresses_admit_their_own_and_nobody_else() {
        let settings = sent(json!({ "token_bound_cidrs": ["127.0.0.1", "10.0.0.0/8"] })).unwrap();
        assert_eq!(settings.show()["token_bound_cidrs"], json!(["127.0.0.1", "10.0.0.0/8"]));
        assert!(settings.admits(Some("10.2.3.4".parse().unwrap())));
        assert!(!settings.admits(Some("11.2.3.4".parse().unwrap())));
        assert!(!settings.admits(None));
    }
}
