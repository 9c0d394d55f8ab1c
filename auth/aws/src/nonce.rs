//! Whether an instance that has logged in before may do so again: whoever steals its document lacks its nonce.
use crate::access_list::Entry;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use lessor_engine::{Error, Result, Secret, Timestamp};

/// Characters that an instance may choose.
const LONGEST: usize = 128;

/// What an instance sends.
pub(crate) enum Nonce {
    /// Nothing: Lessor is to choose one.
    Wanted,
    /// An empty one: it will never log in again.
    Last,
    Own(Secret),
}

impl Nonce {
    pub(crate) fn parse(sent: Option<Secret>) -> Result<Self> {
        match sent {
            None => Ok(Self::Wanted),
            Some(nonce) if nonce.is_empty() => Ok(Self::Last),
            Some(nonce) if nonce.expose().chars().count() > LONGEST => {
                Err(Error::invalid("client nonce exceeding the limit of 128 characters"))
            }
            Some(nonce) => Ok(Self::Own(nonce)),
        }
    }
    fn is(&self, kept: &Secret) -> bool {
        matches!(self, Self::Own(nonce)
            if verify_slices_are_equal(nonce.expose().as_bytes(), kept.expose().as_bytes()).is_ok())
    }
    /// Whether it may log in again; `pending` is when the instance was last started.
    pub(crate) fn admits(&self, before: &Entry, pending: Timestamp, allow_migration: bool) -> Result<()> {
        let wrong = |text: &str| Err(Error::invalid(text));
        if before.disallow_reauthentication || matches!(self, Self::Last) {
            return wrong("reauthentication is disabled");
        }
        if !self.is(&before.nonce) {
            if !allow_migration {
                return wrong("client nonce mismatch");
            }
            if pending <= before.pending {
                return wrong("client nonce mismatch and instance meta-data incorrect");
            }
        }
        if pending < before.pending {
            return wrong("instance meta-data is older than the one used for previous login");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_nonce_or_a_later_start_opens_again() {
        let (early, late) = (at("2026-11-01T00:00:00Z"), at("2026-11-02T00:00:00Z"));
        let entry = |disallow| Entry {
            role: "r".to_owned(),
            nonce: Secret::new("n"),
            created: early,
            updated: early,
            expires: late,
            pending: early,
            disallow_reauthentication: disallow,
        };
        let own = |text: &str| Nonce::parse(Some(Secret::new(text))).unwrap();
        assert!(own("n").admits(&entry(false), early, false).is_ok());
        assert!(own("n").admits(&entry(false), late, false).is_ok());
        assert!(own("x").admits(&entry(false), late, true).is_ok());
        assert!(Nonce::Wanted.admits(&entry(false), late, true).is_ok());
        for (nonce, disallow, pending, migration, text) in [
            (own("x"), false, late, false, "client nonce mismatch"),
            (Nonce::Wanted, false, late, false, "client nonce mismatch"),
            (own("x"), false, early, true, "instance meta-data incorrect"),
            (own("n"), true, late, true, "reauthentication is disabled"),
            (own(""), false, late, true, "reauthentication is disabled"),
            (own("n"), false, at("2026-10-31T00:00:00Z"), false, "is older than the one used"),
        ] {
            let error = nonce.admits(&entry(disallow), pending, migration).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
        assert!(Nonce::parse(Some(Secret::new("x".repeat(129)))).is_err());
    }
}
