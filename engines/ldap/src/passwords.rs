//! Passwords by policy, by length, or by the old engine's format.
use crate::Flavour;
use crate::config::Config;
pub(crate) use lessor_directory::letters;
use lessor_engine::{Context, Error, Result, Secret};

/// Unless the configuration says otherwise.
const LENGTH: usize = 64;
/// Longer ones are taken by no directory.
pub(crate) const LONGEST: usize = 1024;
/// The old engine's shortest.
const AD_SHORTEST: usize = 14;
/// What its passwords begin with: a character of every class that Active Directory asks for.
const AD_PREFIX: &str = "?@09AZ";
const PLACE: &str = "{{PASSWORD}}";

/// Refuses what the old engine could make no password of.
pub(crate) fn check_format(length: usize, formatter: &str) -> Result<()> {
    let length = if length == 0 { LENGTH } else { length };
    if length < AD_SHORTEST {
        return Err(Error::invalid(format!(
            "it's not possible to generate a _secure_ password of length {length}, please boost length to {AD_SHORTEST}, though Vault recommends higher"
        )));
    }
    if formatter.is_empty() {
        return Ok(());
    }
    if formatter.matches(PLACE).count() != 1 {
        return Err(Error::invalid(format!("formatter must contain {PLACE} exactly once")));
    }
    let around = formatter.chars().count() - PLACE.len();
    if length.saturating_sub(around) < AD_SHORTEST {
        return Err(Error::invalid(format!(
            "since the desired length is {length}, it is not possible to generate a password of that length by this formatter"
        )));
    }
    Ok(())
}

/// A password by the role's own policy, or by what the configuration says.
pub(crate) async fn generate(cx: &Context, flavour: Flavour, config: &Config, own: &str) -> Result<Secret> {
    let policy = if own.is_empty() { &config.password_policy } else { own };
    if !policy.is_empty() {
        let made = cx.policies.generate(policy).await;
        return made.map_err(|error| Error::refused(format!("failed to generate password: {error}")));
    }
    let length = if config.length == 0 { LENGTH } else { config.length };
    if flavour == Flavour::Ldap {
        return Ok(Secret::new(letters(length)));
    }
    if config.formatter.is_empty() {
        return Ok(Secret::new(format!("{AD_PREFIX}{}", letters(length.saturating_sub(AD_PREFIX.len())))));
    }
    let around = config.formatter.chars().count().saturating_sub(PLACE.len());
    Ok(Secret::new(config.formatter.replace(PLACE, &letters(length.saturating_sub(around)))))
}

/// Refuses a policy that there is not.
pub(crate) async fn check_policy(cx: &Context, policy: &str) -> Result<()> {
    if policy.is_empty() {
        return Ok(());
    }
    let known = cx.policies.bits(policy).await;
    known.map(drop).map_err(|error| Error::invalid(format!("password_policy {policy:?}: {error}")))
}
