//! The registered claims: times with their leeways, issuer, subject and audience (RFC 7519, section 4.1).
use serde_json::{Map, Value};

/// The claims of a verified token.
pub type Claims = Map<String, Value>;

/// Seconds that a leeway of 0 stands for; negative leeways stand for none.
const CLOCK_SKEW: i64 = 60;
const EXPIRATION: i64 = 150;

/// What a token has to fit; the default takes every token whose times are good.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// Empty for any.
    pub issuer: &'a str,
    /// Empty for any.
    pub subject: &'a str,
    /// One of these; empty for any.
    pub audiences: &'a [String],
    /// Signed with one of these; empty for any.
    pub algorithms: &'a [String],
    /// Whether a token without any time is refused.
    pub needs_time: bool,
    /// Seconds that clocks may differ; 0 for 60, below zero for none.
    pub clock_skew: i64,
    /// Seconds that a token without an end lives; 0 for 150, below zero for none.
    pub expiration: i64,
    /// Seconds between beginning and end of a token without a beginning; 0 for 150, below zero for none.
    pub not_before: i64,
}

impl Default for Expected<'_> {
    fn default() -> Self {
        Self {
            issuer: "",
            subject: "",
            audiences: &[],
            algorithms: &[],
            needs_time: true,
            clock_skew: 0,
            expiration: 0,
            not_before: 0,
        }
    }
}

/// Why a token that is signed well is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing says when it is valid.
    #[error("no issued at (iat), not before (nbf), or expiration time (exp) claims in token")]
    NoTime,
    /// It is over.
    #[error("invalid expiration time (exp) claim: token is expired")]
    Expired,
    /// It has not begun.
    #[error("invalid not before (nbf) claim: token not yet valid")]
    Early,
    /// It says it was made later than now.
    #[error("invalid issued at (iat) claim: token issued in the future")]
    Future,
    /// Another issuer.
    #[error("invalid issuer (iss) claim")]
    Issuer,
    /// Another subject.
    #[error("invalid subject (sub) claim")]
    Subject,
    /// For somebody else.
    #[error("invalid audience (aud) claim: audience claim does not match any expected audience")]
    Audience,
    /// Signed in a way that is not allowed.
    #[error("invalid algorithm (alg) header parameter: token signed with unexpected algorithm")]
    Algorithm,
    /// A claim of the wrong JSON type.
    #[error("claim {0:?} is not of the type that the standard gives it")]
    Type(&'static str),
}

fn leeway(configured: i64, default: i64) -> i64 {
    if configured == 0 { default } else { configured.max(0) }
}

fn time(claims: &Claims, name: &'static str) -> Result<Option<i64>, Fault> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        // Fractions of a second are allowed and do not matter.
        #[allow(clippy::cast_possible_truncation, reason = "saturates, and no such time is near")]
        Some(Value::Number(number)) => {
            let seconds = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds as i64));
            Ok(seconds.filter(|seconds| *seconds != 0))
        }
        Some(_) => Err(Fault::Type(name)),
    }
}

fn text<'a>(claims: &'a Claims, name: &'static str) -> Result<&'a str, Fault> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Fault::Type(name)),
    }
}

/// Who the token is meant for; one audience may stand without its list.
///
/// # Errors
/// When `aud` is neither text nor a list of texts.
pub fn audiences(claims: &Claims) -> Result<Vec<&str>, Fault> {
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one]),
        Some(Value::Array(list)) => list.iter().map(|one| one.as_str().ok_or(Fault::Type("aud"))).collect(),
        Some(_) => Err(Fault::Type("aud")),
    }
}

fn check_times(claims: &Claims, expected: &Expected<'_>, now: i64) -> Result<(), Fault> {
    let (issued, begins, ends) = (time(claims, "iat")?, time(claims, "nbf")?, time(claims, "exp")?);
    if issued.is_none() && begins.is_none() && ends.is_none() {
        return if expected.needs_time { Err(Fault::NoTime) } else { Ok(()) };
    }
    // What the token leaves out follows from what it says.
    let latest_start = issued.max(begins).unwrap_or_default();
    let ends = ends.unwrap_or_else(|| latest_start.saturating_add(leeway(expected.expiration, EXPIRATION)));
    let begins = begins.or(issued).unwrap_or_else(|| ends.saturating_sub(leeway(expected.not_before, EXPIRATION)));
    let skew = leeway(expected.clock_skew, CLOCK_SKEW);
    if now.saturating_sub(skew) > ends {
        return Err(Fault::Expired);
    }
    if now.saturating_add(skew) < begins {
        return Err(Fault::Early);
    }
    if issued.is_some_and(|issued| now.saturating_add(skew) < issued) {
        return Err(Fault::Future);
    }
    Ok(())
}

/// Checks the registered claims and the algorithm; `now` is in seconds since 1970.
///
/// # Errors
/// The first thing that does not fit.
pub fn check(claims: &Claims, algorithm: &str, expected: &Expected<'_>, now: i64) -> Result<(), Fault> {
    let issuer = text(claims, "iss")?;
    if !expected.issuer.is_empty() && issuer != expected.issuer {
        return Err(Fault::Issuer);
    }
    let subject = text(claims, "sub")?;
    if !expected.subject.is_empty() && subject != expected.subject {
        return Err(Fault::Subject);
    }
    let audiences = audiences(claims)?;
    let expects = |one: &&str| expected.audiences.iter().any(|known| known == one);
    if !expected.audiences.is_empty() && !audiences.iter().any(expects) {
        return Err(Fault::Audience);
    }
    if !expected.algorithms.is_empty() && !expected.algorithms.iter().any(|known| known == algorithm) {
        return Err(Fault::Algorithm);
    }
    check_times(claims, expected, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: i64 = 1_000_000;

    fn checked<'a>(claims: Value, change: impl FnOnce(&mut Expected<'a>)) -> Result<(), Fault> {
        let Value::Object(claims) = claims else { panic!("an object") };
        let mut expected = Expected::default();
        change(&mut expected);
        check(&claims, "RS256", &expected, NOW)
    }

    #[test]
    fn times_have_leeways_that_a_role_widens_or_takes_away() {
        assert_eq!(checked(json!({}), |_| ()), Err(Fault::NoTime));
        assert_eq!(checked(json!({ "exp": NOW - 59 }), |_| ()), Ok(()));
        assert_eq!(checked(json!({ "exp": NOW - 61 }), |_| ()), Err(Fault::Expired));
        assert_eq!(checked(json!({ "exp": NOW - 61 }), |e| e.clock_skew = 100), Ok(()));
        assert_eq!(checked(json!({ "exp": NOW - 1 }), |e| e.clock_skew = -1), Err(Fault::Expired));
        assert_eq!(checked(json!({ "exp": NOW + 9, "nbf": NOW + 61 }), |_| ()), Err(Fault::Early));
        assert_eq!(checked(json!({ "exp": NOW + 9, "nbf": NOW, "iat": NOW + 61 }), |_| ()), Err(Fault::Future));
        // Without an end a token ends by itself, 150 and 60 seconds after it was made.
        assert_eq!(checked(json!({ "iat": NOW - 209 }), |_| ()), Ok(()));
        assert_eq!(checked(json!({ "iat": NOW - 211 }), |_| ()), Err(Fault::Expired));
        assert_eq!(checked(json!({ "exp": "soon" }), |_| ()), Err(Fault::Type("exp")));
    }

    #[test]
    fn issuer_subject_and_audience_have_to_fit_where_they_are_expected() {
        let token = || json!({ "exp": NOW, "iss": "i", "sub": "s", "aud": ["a", "b"] });
        let (good, bad) = (["b".to_owned()], ["c".to_owned()]);
        assert_eq!(checked(token(), |e| (e.issuer, e.subject, e.audiences) = ("i", "s", &good)), Ok(()));
        assert_eq!(checked(token(), |e| e.issuer = "x"), Err(Fault::Issuer));
        assert_eq!(checked(token(), |e| e.subject = "x"), Err(Fault::Subject));
        assert_eq!(checked(token(), |e| e.algorithms = &bad), Err(Fault::Algorithm));
        assert_eq!(checked(token(), |e| e.audiences = &bad), Err(Fault::Audience));
        assert_eq!(checked(json!({ "exp": NOW }), |e| e.audiences = &good), Err(Fault::Audience));
    }
}
