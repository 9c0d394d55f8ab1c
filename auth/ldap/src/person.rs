//! Who somebody is in the directory.
use crate::config::Config;
use crate::directory::{Directory, with};
use lessor_directory::{Account, Bound, SearchEntry, dn_escape, ldap_escape};
use lessor_engine::template::Template;
use lessor_engine::{Error, Result, Secret};
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

/// What finds one person. Names are escaped: they come from whoever logs in.
fn user_filter(config: &Config, name: &str) -> Result<String> {
    if !config.upndomain.is_empty() {
        let name = ldap_escape(name);
        let principal = format!("(userPrincipalName={name}@{})", ldap_escape(config.upndomain.as_str()));
        return Ok(match config.enable_samaccountname_login {
            true => format!("(|{principal}(sAMAccountName={name}))"),
            false => principal,
        });
    }
    let data = json!({ "UserAttr": config.userattr, "Username": ldap_escape(name) });
    Template::parse(&config.userfilter)?.render(&data)
}

/// The entry of exactly one person.
async fn find(directory: &mut Directory<'_>, config: &Config, name: &str) -> Result<Option<SearchEntry>> {
    let mut found = directory.search(&config.userdn, &user_filter(config, name)?, &[&config.userattr]).await?;
    if found.len() > 1 {
        return Err(Error::refused("ldap operation failed: the user is not unique in the directory"));
    }
    Ok(found.pop())
}

/// The name somebody binds with where people are not searched for.
fn bind_name(config: &Config, name: &str) -> String {
    match config.upndomain.as_str() {
        "" => format!("{}={},{}", config.userattr, dn_escape(name), config.userdn),
        domain => format!("{name}@{domain}"),
    }
}

/// The value of the first `cn=` of a distinguished name.
fn common_name(dn: &str) -> Option<&str> {
    let is = |part: &&str| part.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("cn="));
    dn.split(',').map(str::trim).find(is).map(|part| &part[3..])
}

/// Names of the groups an entry stands for: the attribute's values, by their common name where they are names themselves.
fn group_names(entry: &SearchEntry, attribute: &str) -> Vec<String> {
    let same = |(name, _): &(&String, &Vec<String>)| name.eq_ignore_ascii_case(attribute);
    let Some((_, values)) = entry.attrs.iter().find(same) else {
        return common_name(&entry.dn).map(str::to_owned).into_iter().collect();
    };
    values.iter().map(|value| common_name(value).unwrap_or(value).to_owned()).collect()
}

async fn groups(directory: &mut Directory<'_>, config: &Config, name: &str, dn: &str) -> Result<Vec<String>> {
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
    if config.upndomain.is_empty() {
        Ok(Some(SearchEntry { dn, attrs: [].into(), bin_attrs: [].into() }))
    } else {
        Ok(None)
    }
}

/// Looks somebody up, with the password they sent; or again later without, where an account searches for them.
///
/// # Errors
/// [`Error::BadCredentials`] for wrong names and passwords, [`Error::Unavailable`] when no directory answers.
pub(crate) async fn look_up(config: &Config, name: &str, password: Option<&Secret>) -> Result<Person> {
    with(config, async |directory| {
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
        let same = |(known, _): &(&String, &Vec<String>)| known.eq_ignore_ascii_case(&config.userattr);
        let named = entry.attrs.iter().find(same).and_then(|(_, values)| values.first());
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
