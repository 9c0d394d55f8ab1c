//! From when until when a certificate is valid, within the bounds of role, mount and issuer.
use crate::ca::Issuer;
use crate::encode::{moment, rfc3339};
use crate::roles::Role;
use crate::settings::asked_seconds;
use lessor_engine::{Context, Error, Result, Seconds};

/// What a request says.
pub(crate) struct Asked<'a> {
    pub(crate) ttl: Seconds,
    pub(crate) not_after: &'a str,
    pub(crate) not_before: &'a str,
}

/// What a role says; that of requests without a role is [`Rules::of_mount`].
pub(crate) struct Rules<'a> {
    pub(crate) ttl: Seconds,
    pub(crate) max_ttl: Seconds,
    pub(crate) not_before_duration: Seconds,
    pub(crate) not_after: &'a str,
    pub(crate) not_before: &'a str,
    pub(crate) not_after_bound: &'a str,
    pub(crate) not_before_bound: &'a str,
    /// Whether a fixed end may lie behind the longest TTL: only for authorities.
    pub(crate) unbounded_end: bool,
}

/// The two ends, and what to warn of.
#[derive(Debug)]
pub(crate) struct Validity {
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Rules<'a> {
    pub(crate) fn of(role: &'a Role) -> Self {
        Self {
            ttl: role.ttl,
            max_ttl: role.max_ttl,
            not_before_duration: role.not_before_duration,
            not_after: &role.not_after,
            not_before: &role.not_before,
            not_after_bound: &role.not_after_bound,
            not_before_bound: &role.not_before_bound,
            unbounded_end: false,
        }
    }
    pub(crate) fn of_mount() -> Self {
        Self {
            ttl: Seconds(0),
            max_ttl: Seconds(0),
            not_before_duration: Seconds(30),
            not_after: "",
            not_before: "",
            not_after_bound: "permit",
            not_before_bound: "permit",
            unbounded_end: false,
        }
    }
    /// Those of an authority: a fixed end is its maker's business.
    pub(crate) fn of_authority(not_before_duration: Seconds) -> Self {
        Self { not_before_duration, unbounded_end: true, ..Self::of_mount() }
    }
}

/// Refuses moments and bounds that are none.
pub(crate) fn check_role(role: &Role) -> Result<()> {
    for (field, text) in [("not_after", &role.not_after), ("not_before", &role.not_before)] {
        if !text.is_empty() {
            moment(field, text)?;
        }
    }
    if !matches!(role.not_before_bound.as_str(), "permit" | "duration" | "forbid") {
        return Err(Error::invalid(
            "Unknown value for field `not_before_bound`. Possible values are `permit` `duration` or `forbid`",
        ));
    }
    if !matches!(role.not_after_bound.as_str(), "permit" | "ttl-limited" | "forbid") {
        moment("not_after_bound", &role.not_after_bound).map_err(|_| {
            Error::invalid(
                "Unknown value for field `not_after_bound`. Possible values are `permit`, `ttl-limited`, `forbid`, or an explicit timestamp.",
            )
        })?;
    }
    Ok(())
}

fn whole(seconds: std::time::Duration) -> i64 {
    i64::try_from(seconds.as_secs()).unwrap_or(i64::MAX / 4)
}

/// # Errors
/// When what is asked for lies out of the bounds.
pub(crate) fn decide(cx: &Context, rules: &Rules<'_>, asked: &Asked<'_>) -> Result<Validity> {
    let now = cx.now().as_second();
    let mut warnings = Vec::new();
    if asked.ttl.0 > 0 && !asked.not_after.is_empty() {
        return Err(Error::invalid(
            "Either ttl or not_after should be provided. Both should not be provided in the same request.",
        ));
    }
    let longest = asked_seconds(rules.max_ttl).unwrap_or_else(|| whole(cx.mount.max_ttl)).min(i64::MAX / 4);
    let mut ttl = asked_seconds(asked.ttl)
        .or_else(|| asked_seconds(rules.ttl))
        .unwrap_or_else(|| whole(cx.mount.default_ttl))
        .min(i64::MAX / 4);
    let not_after = if !rules.not_after.is_empty() {
        if !asked.not_after.is_empty() && asked.not_after != rules.not_after {
            warnings.push("the role fixes not_after: that of the request is ignored".to_owned());
        }
        moment("not_after", rules.not_after)?
    } else if asked.not_after.is_empty() {
        if ttl > longest {
            let text = |seconds: i64| {
                let seconds = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
                lessor_engine::duration::go_string(seconds)
            };
            warnings.push(format!(
                "TTL {:?} is longer than permitted maxTTL {:?}, so maxTTL is being used",
                text(ttl),
                text(longest)
            ));
            ttl = longest;
        }
        now.saturating_add(ttl)
    } else {
        let end = moment("not_after", asked.not_after)?;
        let bound = match rules.not_after_bound {
            "forbid" => return Err(Error::invalid("not_after is not allowed in requests of this role")),
            "ttl-limited" => now.saturating_add(ttl.min(longest)),
            "permit" if rules.unbounded_end => i64::MAX,
            "permit" => now.saturating_add(longest),
            until => moment("not_after_bound", until)?,
        };
        if end > bound {
            return Err(Error::invalid(format!(
                "not_after {} lies behind {}, the latest end that is allowed: raise max_ttl, or set not_after or not_after_bound of the role",
                asked.not_after,
                rfc3339(bound)
            )));
        }
        end
    };
    let earliest = now.saturating_sub(i64::try_from(rules.not_before_duration.0).unwrap_or(i64::MAX / 4));
    let not_before = if !rules.not_before.is_empty() {
        moment("not_before", rules.not_before)?
    } else if asked.not_before.is_empty() {
        earliest
    } else {
        let start = moment("not_before", asked.not_before)?;
        match rules.not_before_bound {
            "forbid" => return Err(Error::invalid("not_before is not allowed in requests of this role")),
            "duration" if start < earliest => {
                return Err(Error::invalid(format!(
                    "not_before {} lies before {}, the earliest beginning that is allowed",
                    asked.not_before,
                    rfc3339(earliest)
                )));
            }
            _ => start,
        }
    };
    if not_after <= not_before {
        return Err(Error::invalid("the certificate would end before it begins: look at not_after and not_before"));
    }
    Ok(Validity { not_before, not_after, warnings })
}

impl Validity {
    /// Keeps the end within the issuer's, as the issuer wants it. `lenient`: refusals become truncations.
    pub(crate) fn within(&mut self, issuer: &Issuer, lenient: bool) -> Result<()> {
        let end = issuer.cert.not_after;
        if self.not_after <= end {
            return Ok(());
        }
        let behavior = match issuer.record.leaf_not_after_behavior.as_str() {
            "err" if lenient => "truncate",
            other => other,
        };
        match behavior {
            "permit" => {}
            "truncate" => self.not_after = end,
            _ => {
                return Err(Error::invalid(format!(
                    "cannot satisfy request, as TTL would result in notAfter of {} that is beyond the expiration of the CA certificate at {}",
                    rfc3339(self.not_after),
                    rfc3339(end)
                )));
            }
        }
        if self.not_after <= self.not_before {
            return Err(Error::invalid(format!("the issuer's certificate ended at {}", rfc3339(end))));
        }
        Ok(())
    }
}
