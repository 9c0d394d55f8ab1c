//! Groups out of Active Directory's `tokenGroups` (MS-ADTS 3.1.1.4.5.19): the security identifiers of all groups that
//! somebody is in, over other groups too, computed by the directory.
use crate::directory::Directory;
use crate::dn::common_name;
use lessor_directory::SearchEntry;
use lessor_engine::{Error, Result};

const ATTRIBUTE: &str = "tokenGroups";
/// Groups of one person: Windows takes no more than about a thousand.
const MOST: usize = 2000;

/// A security identifier as people write it (MS-DTYP 2.4.2.2); `None` for bytes that are none.
fn sid(bytes: &[u8]) -> Option<String> {
    let [revision, count, authority @ ..] = bytes else { return None };
    let (authority, rest) = authority.split_at_checked(6)?;
    let (subs, []) = rest.as_chunks::<4>() else { return None };
    if subs.len() != usize::from(*count) {
        return None;
    }
    let authority = authority.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let subs: String = subs.iter().map(|sub| format!("-{}", u32::from_le_bytes(*sub))).collect();
    Some(format!("S-{revision}-{authority}{subs}"))
}

/// The attribute's values. Those that happen to be text are found among the texts.
fn values(entry: &SearchEntry) -> Vec<Vec<u8>> {
    let texts = entry.attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(ATTRIBUTE));
    let texts = texts.flat_map(|(_, values)| values.iter().map(|value| value.clone().into_bytes()));
    let bytes = entry.bin_attrs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(ATTRIBUTE));
    texts.chain(bytes.flat_map(|(_, values)| values.iter().cloned())).collect()
}

/// Names of the groups of whoever has this distinguished name. Groups that the directory does not show are left out.
///
/// # Errors
/// When the directory refuses a read, or does not answer.
pub(crate) async fn of(directory: &mut Directory<'_>, dn: &str) -> Result<Vec<String>> {
    let Some(entry) = directory.read(dn, &[ATTRIBUTE]).await? else { return Ok(Vec::new()) };
    let sids: Vec<Vec<u8>> = values(&entry);
    if sids.len() > MOST {
        return Err(Error::refused(format!("ldap operation failed: the user is in more than {MOST} groups")));
    }
    let mut names = Vec::new();
    for bytes in sids {
        let wrong = || Error::refused(format!("ldap operation failed: a value of {ATTRIBUTE} is no identifier"));
        let sid = sid(&bytes).ok_or_else(wrong)?;
        // A name that the directory resolves itself (MS-ADTS 3.1.1.3.1.2.4).
        let group = directory.read(&format!("<SID={sid}>"), &["1.1"]).await?;
        names.extend(group.and_then(|group| common_name(&group.dn)));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_identifiers_and_others_do_not() {
        let users = [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x21, 2, 0, 0];
        assert_eq!(sid(&users).as_deref(), Some("S-1-5-32-545"));
        assert_eq!(sid(&[1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]).as_deref(), Some("S-1-1-0"));
        for wrong in [&users[..15], &users[..12], &users[..7], &[][..], &[1, 0][..]] {
            assert!(sid(wrong).is_none());
        }
    }
}
