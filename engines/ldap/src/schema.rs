//! The requests that give an account a password.
use crate::directory::{Action, Change, Record};
use lessor_directory::unicode;
pub use lessor_directory::{CredentialType, Schema};
use lessor_engine::Secret;
use zeroize::Zeroizing;

/// Gives an account a password, as an administrator does; with `unlock` also ends a lock.
pub(crate) fn reset(schema: Schema, kind: CredentialType, dn: &str, new: &Secret, unlock: bool) -> Vec<Record> {
    let replace = |name: &str, value| Change::Replace(name.to_owned(), vec![value]);
    let record = |changes| Record { dn: dn.to_owned(), action: Action::Modify(changes) };
    let changes = schema.password(kind, new).into_iter().map(|(name, value)| replace(name, value));
    let mut records = vec![record(changes.collect())];
    if unlock && schema == Schema::Ad {
        records.push(record(vec![replace("lockoutTime", Zeroizing::new(b"0".to_vec()))]));
    }
    records
}

/// Changes an account's password as the account itself.
pub(crate) fn change(schema: Schema, dn: &str, old: &Secret, new: &Secret) -> Record {
    let action = match schema {
        // A deletion of the old and an addition of the new value is a change, which obeys age and history.
        Schema::Ad => Action::Modify(vec![
            Change::Delete("unicodePwd".to_owned(), vec![unicode(old)]),
            Change::Add("unicodePwd".to_owned(), vec![unicode(new)]),
        ]),
        Schema::OpenLdap | Schema::Racf => Action::ChangePassword { old: old.clone(), new: new.clone() },
    };
    Record { dn: dn.to_owned(), action }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_active_directory_is_asked_to_end_a_lock() {
        let (password, new) = (CredentialType::Password, Secret::new("a"));
        let changed = |record: &Record| {
            let Action::Modify(changes) = &record.action else { panic!("no modification") };
            let replaced = changes.iter().map(|change| match change {
                Change::Replace(name, _) => name.clone(),
                Change::Add(name, _) | Change::Delete(name, _) => panic!("{name} is not replaced"),
            });
            replaced.collect::<Vec<_>>()
        };
        let records = reset(Schema::Ad, password, "cn=a", &new, true);
        assert_eq!(records.iter().flat_map(changed).collect::<Vec<_>>(), ["unicodePwd", "lockoutTime"]);
        assert_eq!(reset(Schema::OpenLdap, password, "cn=a", &new, true).len(), 1);
    }
}
