//! Accounts that exist: found, and given new passwords.
use crate::config::Config;
use crate::directory::{Care, Depth, Directory, Entry, Filter, Query};
use crate::schema;
use lessor_engine::{Error, Result, Secret};

/// How an account is found.
pub(crate) struct Whom<'a> {
    pub(crate) username: &'a str,
    /// Found by this where it is not empty.
    pub(crate) dn: &'a str,
}

/// Names that stand for the distinguished name itself, which is no attribute to search by.
const NAMES: [&str; 2] = ["dn", "distinguishedname"];

/// The entry of exactly one account.
pub(crate) async fn find(
    directory: &dyn Directory,
    config: &Config,
    whom: &Whom<'_>,
    attributes: &[&str],
) -> Result<Entry> {
    let by_name = NAMES.contains(&config.userattr.to_lowercase().as_str());
    let dn = if whom.dn.is_empty() && by_name { whom.username } else { whom.dn };
    let principal = config.userattr.eq_ignore_ascii_case("userPrincipalName");
    let value = match config.upndomain.as_str() {
        domain if principal && !domain.is_empty() && !whom.username.contains('@') => {
            format!("{}@{domain}", whom.username)
        }
        _ => whom.username.to_owned(),
    };
    let query = if dn.is_empty() {
        let filter = Filter::Is(&config.userattr, &value);
        Query { base: &config.userdn, depth: Depth::Subtree, filter, attributes }
    } else {
        Query { base: dn, depth: Depth::Base, filter: Filter::Any, attributes }
    };
    exactly_one(directory.search(&query).await?)
}

/// Lessor's own account.
pub(crate) async fn find_own(directory: &dyn Directory, config: &Config) -> Result<Entry> {
    let name = config.bind_name();
    let attributes = &["1.1"];
    let query = if name.contains('=') {
        Query { base: &name, depth: Depth::Base, filter: Filter::Any, attributes }
    } else {
        let filter = Filter::Is("userPrincipalName", &name);
        Query { base: &config.userdn, depth: Depth::Subtree, filter, attributes }
    };
    exactly_one(directory.search(&query).await?)
}

fn exactly_one(mut found: Vec<Entry>) -> Result<Entry> {
    match (found.pop(), found.len()) {
        (Some(entry), 0) => Ok(entry),
        (None, _) => Err(Error::refused("expected one matching entry, but received 0")),
        (Some(_), more) => Err(Error::refused(format!("expected one matching entry, but received {}", more + 1))),
    }
}

/// Gives an account a password, as an administrator does.
pub(crate) async fn reset(
    directory: &dyn Directory,
    config: &Config,
    dn: &str,
    new: &Secret,
    unlock: bool,
) -> Result<()> {
    let records = schema::reset(config.schema, config.credential_type, dn, new, unlock);
    directory.apply(&records, Care::Repeat).await
}
