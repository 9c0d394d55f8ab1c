//! Who somebody is in the directory.
use crate::config::{Config, USER_FILTER};
use crate::directory::{Directory, with};
use crate::dn::common_name;
use crate::token_groups;
use lessor_directory::{Account, Bound, SearchEntry, dn_escape, ldap_escape};
use lessor_engine::template::Template;
use lessor_engine::{Context, Error, Result, Secret};
use serde_json::json;

/// A person, and what the directory says of them.
pub(crate) struct Person {
    /// Names the identity alias.
    pub(crate) alias: String,
    pub(crate) groups: Vec<String>,
}

/// Wrong name or wrong password: the text does not tell which.
fn wrong() -> Error {
    Error::BadCredentials("ldap operation failed: failed to bind as user".to_owned())
}

/// What finds one person. Names are escaped: they come from whoever logs in. With a domain people are found by their
/// principal name, and the filter still says which of them may log in.
fn user_filter(config: &Config, name: &str) -> Result<String> {
    let template = if config.userfilter.is_empty() { USER_FILTER } else { &config.userfilter };
    let template = Template::parse(template)?;
    let name = ldap_escape(name);
    let by = |attribute: &str, name: &str| template.render(&json!({ "UserAttr": attribute, "Username": name }));
    if config.upndomain.is_empty() {
        return by(&config.userattr, &name);
    }
    let principal = by(PRINCIPAL, &format!("{name}@{}", ldap_escape(config.upndomain.as_str())))?;
    match config.enable_samaccountname_login {
        true => Ok(format!("(|{principal}{})", by(ACCOUNT, &name)?)),
        false => Ok(principal),
    }
}

/// Whether a directory may take the name for another spelling of somebody's (RFC 4518, 2.6.1): each spelling would have
/// failed logins of its own to lose.
fn is_padded(name: &str) -> bool {
    name.trim() != name || name.contains("  ") || name.chars().any(char::is_control)
}

const PRINCIPAL: &str = "userPrincipalName";
const ACCOUNT: &str = "sAMAccountName";

fn values<'a>(entry: &'a SearchEntry, attribute: &str) -> &'a [String] {
    let same = |(known, _): &(&String, &Vec<String>)| known.eq_ignore_ascii_case(attribute);
    entry.attrs.iter().find(same).map_or(&[], |(_, values)| values)
}

/// Whether the entry has the very name, but for the case of letters: directories fold more than that, and each other
/// spelling would have failed logins of its own to lose. Other filters find people by what is not read.
fn is_named(config: &Config, name: &str, entry: &SearchEntry) -> bool {
    if !config.userfilter.is_empty() && config.userfilter != USER_FILTER {
        return true;
    }
    let has = |attribute: &str, name: &str| {
        let name = name.to_lowercase();
        values(entry, attribute).iter().any(|value| value.to_lowercase() == name)
    };
    match config.upndomain.as_str() {
        "" => has(&config.userattr, name),
        domain => {
            has(PRINCIPAL, &format!("{name}@{domain}")) || (config.enable_samaccountname_login && has(ACCOUNT, name))
        }
    }
}

/// The entry of exactly one person.
async fn find(directory: &mut Directory<'_>, config: &Config, name: &str) -> Result<Option<SearchEntry>> {
    let wanted = [config.userattr.as_str(), PRINCIPAL, ACCOUNT];
    let wanted = if config.upndomain.is_empty() { &wanted[..1] } else { &wanted };
    let mut found = directory.search(&config.userdn, &user_filter(config, name)?, wanted).await?;
    if found.len() > 1 {
        return Err(Error::refused("ldap operation failed: the user is not unique in the directory"));
    }
    Ok(found.pop().filter(|entry| is_named(config, name, entry)))
}

/// The name somebody binds with where people are not searched for.
fn bind_name(config: &Config, name: &str) -> String {
    match config.upndomain.as_str() {
        "" => format!("{}={},{}", config.userattr, dn_escape(name), config.userdn),
        domain => format!("{name}@{domain}"),
    }
}

/// Names of the groups an entry stands for: the attribute's values, by their common name where they are names themselves.
fn group_names(entry: &SearchEntry, attribute: &str) -> Vec<String> {
    match values(entry, attribute) {
        [] => common_name(&entry.dn).into_iter().collect(),
        values => values.iter().map(|value| common_name(value).unwrap_or_else(|| value.clone())).collect(),
    }
}

async fn groups(directory: &mut Directory<'_>, config: &Config, name: &str, dn: &str) -> Result<Vec<String>> {
    if config.use_token_groups {
        return token_groups::of(directory, dn).await;
    }
    if config.groupfilter.is_empty() || config.groupdn.is_empty() {
        return Ok(Vec::new());
    }
    let data = json!({ "Username": ldap_escape(name), "UserDN": ldap_escape(dn) });
    let filter = Template::parse(&config.groupfilter)?.render(&data)?;
    let found = directory.search(&config.groupdn, &filter, &[&config.groupattr]).await?;
    Ok(found.iter().flat_map(|entry| group_names(entry, &config.groupattr)).collect())
}

async fn bind_as(directory: &mut Directory<'_>, dn: &str, password: &Secret) -> Result<()> {
    match directory.bind(Account::Named { dn, password: password.expose() }).await? {
        Bound::Yes => Ok(()),
        Bound::Refused(_) => Err(wrong()),
    }
}

/// The entry of whoever proved a password, and that proof. `None` proves nothing: the account that searches vouches.
async fn prove(
    directory: &mut Directory<'_>,
    config: &Config,
    name: &str,
    password: Option<&Secret>,
) -> Result<Option<SearchEntry>> {
    if config.searches() {
        directory.bind_searcher().await?;
        let entry = find(directory, config, name).await?.ok_or_else(wrong)?;
        if let Some(password) = password {
            bind_as(directory, &entry.dn, password).await?;
        }
        return Ok(Some(entry));
    }
    let dn = bind_name(config, name);
    bind_as(directory, &dn, password.ok_or_else(wrong)?).await?;
    if !config.upndomain.is_empty() {
        return Ok(None);
    }
    // Not everybody may read themselves.
    let own = match directory.read(&dn, &[&config.userattr]).await {
        Err(error) if error.target_is_down() => return Err(error),
        read => read.ok().flatten(),
    };
    let own = own.filter(|own| !values(own, &config.userattr).is_empty());
    if own.is_some_and(|own| !is_named(config, name, &own)) {
        return Err(wrong());
    }
    Ok(Some(SearchEntry { dn, attrs: [].into(), bin_attrs: [].into() }))
}

/// Looks somebody up, with the password they sent; or again later without, where an account searches for them.
///
/// # Errors
/// [`Error::BadCredentials`] for wrong names and passwords, [`Error::Unavailable`] when no directory answers.
pub(crate) async fn look_up(cx: &Context, config: &Config, name: &str, password: Option<&Secret>) -> Result<Person> {
    if is_padded(name) {
        return Err(wrong());
    }
    with(cx, config, async |directory| {
        let entry = prove(directory, config, name, password).await?;
        if config.anonymous_group_search {
            directory.bind(Account::Nobody).await?;
        } else if config.has_account() && password.is_some() {
            directory.bind_searcher().await?;
        }
        let entry = match entry {
            Some(entry) => entry,
            None => find(directory, config, name).await?.ok_or_else(wrong)?,
        };
        let named = values(&entry, &config.userattr).first();
        let alias = named.filter(|_| !config.username_as_alias).cloned().unwrap_or_else(|| name.to_owned());
        Ok(Person { alias, groups: groups(directory, config, name, &entry.dn).await? })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_a_filter_or_a_dn() {
        let config = Config { userdn: "ou=people".to_owned(), ..Config::default() };
        assert_eq!(user_filter(&config, "a)(cn=*").unwrap(), "(cn=a\\29\\28cn=\\2a)");
        assert_eq!(bind_name(&config, "bob"), "cn=bob,ou=people");
        assert!(!bind_name(&config, "x,ou=admins").contains("x,ou"));
        let config = Config { upndomain: "example.com".to_owned(), ..config };
        assert_eq!(user_filter(&config, "b*").unwrap(), "(userPrincipalName=b\\2a@example.com)");
        assert_eq!(bind_name(&config, "bob"), "bob@example.com");
        let userfilter = "(&(objectClass=user)({{.UserAttr}}={{.Username}}))".to_owned();
        let config = Config { enable_samaccountname_login: true, userfilter, ..config };
        let one = |pair| format!("(&(objectClass=user)({pair}))");
        let both = format!("(|{}{})", one("userPrincipalName=b\\2a@example.com"), one("sAMAccountName=b\\2a"));
        assert_eq!(user_filter(&config, "b*").unwrap(), both);
    }

    #[test]
    fn a_group_has_the_name_of_its_attribute_or_of_its_entry() {
        let entry = |attrs: &[(&str, &str)]| SearchEntry {
            dn: "CN=devs,ou=groups".to_owned(),
            attrs: attrs.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect(),
            bin_attrs: [].into(),
        };
        assert_eq!(group_names(&entry(&[("cn", "developers")]), "CN"), ["developers"]);
        assert_eq!(group_names(&entry(&[("memberOf", "cn=ops,ou=x")]), "memberof"), ["ops"]);
        assert_eq!(group_names(&entry(&[]), "cn"), ["devs"]);
    }
}
