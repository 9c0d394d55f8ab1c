//! The real directory.
use crate::config::Config;
use crate::directory::{Action, Care, Change, Depth, Directory, Entry, Filter, Login, Opener, Query, Record};
use async_trait::async_trait;
use lessor_directory::{
    Account, Bound, Connection, Failure, Leased, Mod, PasswordModify, Pool, Scope, Search, SearchEntry, code,
    ldap_escape,
};
use lessor_engine::{Result, Secret, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How long the bind password before the present one is tried too: other servers of the directory may lag behind.
const OLD_PASSWORD: Duration = Duration::from_secs(600);
/// Active Directory's word, inside its refusal, for the removal of somebody who is no member.
const NO_MEMBER: &str = "00000561";

/// Opens real directories.
pub struct LdapOpener;

impl Opener for LdapOpener {
    fn open(&self, config: &Config, now: Timestamp) -> Result<Arc<dyn Directory>> {
        let end = config.last_bind_password_rotation.map(|last| last + OLD_PASSWORD);
        let left = end.and_then(|end| Duration::try_from(end.duration_since(now)).ok());
        let previous = left.map(|left| (config.previous_bindpass.clone(), left.min(OLD_PASSWORD)));
        let pool = Pool::new(config.settings(), config.bind_name(), config.bindpass.clone(), previous);
        Ok(Arc::new(LdapDirectory { pool }))
    }
}

struct LdapDirectory {
    pool: Pool,
}

fn explain(failure: &Failure) -> lessor_engine::Error {
    failure.explain("ldap operation failed", 500)
}

fn entry(found: SearchEntry) -> Entry {
    let attributes = found.attrs.into_iter().map(|(name, values)| (name.to_lowercase(), values)).collect();
    Entry { dn: found.dn, attributes }
}

fn set(values: &[crate::directory::Value]) -> HashSet<Vec<u8>> {
    values.iter().map(|value| value.to_vec()).collect()
}

fn change(change: &Change) -> Mod<Vec<u8>> {
    match change {
        Change::Add(name, values) => Mod::Add(name.clone().into_bytes(), set(values)),
        Change::Delete(name, values) => Mod::Delete(name.clone().into_bytes(), set(values)),
        Change::Replace(name, values) => Mod::Replace(name.clone().into_bytes(), set(values)),
    }
}

async fn send(connection: &mut Connection, record: &Record) -> Result<(), Failure> {
    match &record.action {
        Action::Add(attributes) => {
            let attributes = attributes.iter().map(|(name, values)| (name.clone().into_bytes(), set(values)));
            connection.add(&record.dn, attributes.collect()).await
        }
        Action::Modify(changes) => connection.modify(&record.dn, changes.iter().map(change).collect()).await,
        Action::Delete => connection.delete(&record.dn).await,
        Action::ChangePassword { old, new } => {
            let (old, new) = (Some(old.expose()), Some(new.expose()));
            let change = PasswordModify { user_id: Some(&record.dn), old_pass: old, new_pass: new };
            connection.change_password(change).await
        }
    }
}

/// Whether a refusal says that the work is done already.
fn is_done(record: &Record, failure: &Failure, care: Care) -> bool {
    let gone = || match record.action {
        Action::Delete => failure.is(code::NO_SUCH_OBJECT),
        Action::Modify(_) => {
            let refused = matches!(failure, Failure::Answered { text, .. } if text.contains(NO_MEMBER));
            failure.is(code::NO_SUCH_OBJECT)
                || failure.is(code::NO_SUCH_ATTRIBUTE)
                || failure.is(code::ATTRIBUTE_OR_VALUE_EXISTS)
                || (refused && failure.is(code::UNWILLING_TO_PERFORM))
        }
        Action::Add(_) => failure.is(code::ENTRY_ALREADY_EXISTS),
        Action::ChangePassword { .. } => false,
    };
    let there = || match record.action {
        Action::Add(_) => failure.is(code::ENTRY_ALREADY_EXISTS),
        Action::Modify(_) => failure.is(code::ATTRIBUTE_OR_VALUE_EXISTS),
        Action::Delete | Action::ChangePassword { .. } => false,
    };
    match care {
        Care::Strict => false,
        Care::Repeat => there(),
        Care::Removal => gone(),
    }
}

async fn send_all(connection: &mut Connection, records: &[Record], care: Care) -> Result<(), Failure> {
    let mut first = None;
    for record in records {
        match send(connection, record).await {
            Ok(()) => {}
            Err(failure) if is_done(record, &failure, care) => {}
            Err(failure) if care == Care::Removal && !failure.is_broken() => {
                first.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    first.map_or(Ok(()), Err)
}

impl LdapDirectory {
    /// Whether what failed on a connection that lay still is tried again on a new one.
    fn again(&self, reused: bool, failure: &Failure) -> bool {
        let again = reused && failure.is_broken();
        if again {
            // The others lay there as long as this one.
            self.pool.clear();
        }
        again
    }
}

#[async_trait]
impl Directory for LdapDirectory {
    async fn search(&self, query: &Query<'_>) -> Result<Vec<Entry>> {
        let filter = match query.filter {
            Filter::Any => "(objectClass=*)".to_owned(),
            Filter::Is(attribute, value) => format!("({attribute}={})", ldap_escape(value)),
        };
        let scope = match query.depth {
            Depth::Base => Scope::Base,
            Depth::Children => Scope::OneLevel,
            Depth::Subtree => Scope::Subtree,
        };
        let search = Search { base: query.base, scope, filter: &filter, attributes: query.attributes };
        let mut fresh = false;
        loop {
            let mut connection: Leased<'_> = self.pool.get(fresh).await?;
            match connection.search(&search).await {
                Ok(found) => {
                    connection.done();
                    return Ok(found.into_iter().map(entry).collect());
                }
                Err(failure) if self.again(connection.reused, &failure) => fresh = true,
                Err(failure) => {
                    connection.done();
                    return Err(explain(&failure));
                }
            }
        }
    }

    async fn apply(&self, records: &[Record], care: Care) -> Result<()> {
        // What must not be done twice is not begun on a connection that may be dead.
        let mut fresh = care == Care::Strict;
        loop {
            let mut connection: Leased<'_> = self.pool.get(fresh).await?;
            match send_all(&mut connection, records, care).await {
                Ok(()) => {
                    connection.done();
                    return Ok(());
                }
                Err(failure) if self.again(connection.reused, &failure) => fresh = true,
                Err(failure) => {
                    connection.done();
                    return Err(explain(&failure));
                }
            }
        }
    }

    async fn apply_as(&self, name: &str, password: &Secret, record: &Record) -> Result<()> {
        let mut connection = Connection::open(self.pool.settings()).await?;
        let account = Account::Named { dn: name, password: password.expose() };
        if let Bound::Refused(text) = connection.bind(account).await.map_err(|failure| explain(&failure))? {
            return Err(explain(&Failure::Answered { code: code::INVALID_CREDENTIALS, text }));
        }
        send(&mut connection, record).await.map_err(|failure| explain(&failure))
    }

    async fn login(&self, name: &str, password: &Secret) -> Result<Login> {
        Login::with(self.pool.settings(), name, password).await
    }

    fn adopt(&self, password: &Secret) {
        self.pool.adopt(password);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_removed_and_nothing_else() {
        let failure = |code, text: &str| Failure::Answered { code, text: text.to_owned() };
        let delete = Record { dn: "cn=a".to_owned(), action: Action::Delete };
        let modify = Record { dn: "cn=a".to_owned(), action: Action::Modify(Vec::new()) };
        assert!(is_done(&delete, &failure(32, ""), Care::Removal));
        assert!(!is_done(&delete, &failure(50, ""), Care::Removal));
        assert!(!is_done(&delete, &failure(32, ""), Care::Repeat));
        assert!(is_done(&modify, &failure(16, ""), Care::Removal));
        assert!(is_done(&modify, &failure(53, "00000561: Unwilling"), Care::Removal));
        assert!(!is_done(&modify, &failure(53, "0000052D: password"), Care::Removal));
    }
}
