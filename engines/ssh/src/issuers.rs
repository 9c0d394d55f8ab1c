//! The CAs of a mount. All of them lie in one record, so that names stay unique and the default exists: every change is a
//! guarded commit of the whole. Key pairs are parsed once a version of the record, not once a signature.
use crate::pair::Pair;
use crate::{ATTEMPTS, Ssh};
use lessor_engine::{Changes, Context, Error, Result, Secret};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError};

const ISSUERS: &str = "issuers";

/// One CA.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    /// A line with a line end.
    pub(crate) public_key: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) private_key: Secret,
}

/// Every CA by its id, and the id of the one that signs where a role names none.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Issuers {
    pub(crate) default: Option<String>,
    pub(crate) all: BTreeMap<String, Issuer>,
}

/// The record as it was last read.
pub(crate) struct Known {
    pub(crate) issuers: Issuers,
    pairs: BTreeMap<String, OnceLock<Arc<Pair>>>,
}

pub(crate) fn none_configured() -> Error {
    Error::invalid("no default issuer currently configured")
}

fn not_found(reference: &str) -> Error {
    Error::Invalid(format!("unable to find issuer for reference: {reference}"))
}

impl Issuers {
    /// The id behind `default`, an id or a name.
    ///
    /// # Errors
    /// When there is no such CA.
    pub(crate) fn resolve(&self, reference: &str) -> Result<&str> {
        if reference == "default" {
            return self.default.as_deref().ok_or_else(none_configured);
        }
        let named = |(id, issuer): &(&String, &Issuer)| *id == reference || issuer.name == reference;
        let found = self.all.iter().find(named).filter(|_| !reference.is_empty());
        found.map(|(id, _)| id.as_str()).ok_or_else(|| not_found(reference))
    }

    /// The CA behind a reference, with its id.
    ///
    /// # Errors
    /// When there is no such CA.
    pub(crate) fn find(&self, reference: &str) -> Result<(&str, &Issuer)> {
        let id = self.resolve(reference)?;
        self.all.get_key_value(id).map(|(id, issuer)| (id.as_str(), issuer)).ok_or_else(|| not_found(reference))
    }

    /// Whether a CA other than `id` may take the name.
    ///
    /// # Errors
    /// When it is reserved, malformed or taken.
    pub(crate) fn check_name(&self, name: &str, id: &str) -> Result<()> {
        if name == "default" {
            return Err(Error::invalid("reserved keyword 'default' can not be used as issuer name"));
        }
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !name.chars().all(word) || name.starts_with(['-', '.']) || name.ends_with(['-', '.']) {
            return Err(Error::invalid("issuer name contained invalid characters"));
        }
        if !name.is_empty()
            && self.all.iter().any(|(other, issuer)| other != id && (issuer.name == name || other == name))
        {
            return Err(Error::invalid("issuer name already in use"));
        }
        Ok(())
    }
}

impl Known {
    /// The CA behind a reference: its id and its key pair.
    ///
    /// # Errors
    /// When there is no such CA.
    pub(crate) fn signer(&self, reference: &str) -> Result<(&str, Arc<Pair>)> {
        let (id, issuer) = self.issuers.find(reference)?;
        let cell = self.pairs.get(id).ok_or_else(|| not_found(reference))?;
        if let Some(pair) = cell.get() {
            return Ok((id, Arc::clone(pair)));
        }
        let damaged = |_| Error::Internal("the stored key of the CA is damaged".to_owned());
        let pair = Arc::new(Pair::parse(issuer.private_key.expose()).map_err(damaged)?);
        Ok((id, Arc::clone(cell.get_or_init(|| pair))))
    }
}

impl Ssh {
    /// The CAs as they are now.
    pub(crate) async fn issuers(&self, cx: &Context) -> Result<Arc<Known>> {
        let version = cx.view.version(ISSUERS).await?;
        if let Some((known, held)) = &*self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
            && *known == version
        {
            return Ok(Arc::clone(held));
        }
        let (issuers, version): (Issuers, Option<Version>) = match cx.view.get_versioned(ISSUERS).await? {
            Some((issuers, version)) => (issuers, Some(version)),
            None => (Issuers::default(), None),
        };
        let pairs = issuers.all.keys().map(|id| (id.clone(), OnceLock::new())).collect();
        let known = Arc::new(Known { issuers, pairs });
        *self.issuers.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, Arc::clone(&known)));
        Ok(known)
    }

    /// Changes the CAs; `edit` runs again on what another writer left.
    pub(crate) async fn change_issuers<T>(
        &self,
        cx: &Context,
        mut edit: impl FnMut(&mut Issuers) -> Result<T> + Send,
    ) -> Result<T> {
        for _ in 0..ATTEMPTS {
            let found = cx.view.get_versioned::<Issuers>(ISSUERS).await?;
            let (mut issuers, guard) = found.map_or((Issuers::default(), None), |(known, at)| (known, Some(at)));
            let done = edit(&mut issuers)?;
            match cx.view.commit(Changes::new().expect(ISSUERS, guard).put(ISSUERS, &issuers)?).await {
                Ok(()) => return Ok(done),
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Internal("too many requests change the issuers: try again".to_owned()))
    }
}
