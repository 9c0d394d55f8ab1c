//! The mount `identity/`, declared like any engine's.
mod alias;
mod entity;
mod group;
mod group_alias;
mod lookup;
mod show;

pub(super) use show::namespace_id;

use super::Identity;
use super::aliases::Place;
use crate::active::Active;
use crate::mount::Mounted;
use crate::node::Core;
use crate::settings::Settings;
use crate::token::Token;
use lessor_engine::{Error, Paths, Result};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Weak};

/// What the handlers hold.
pub(crate) struct Endpoints {
    core: Weak<Core>,
}

/// The identities of an unsealed node.
pub(in crate::identity) struct Open(Arc<Active>);

impl Deref for Open {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.0.identity
    }
}

impl Endpoints {
    pub(in crate::identity) fn open(&self) -> Result<Open> {
        let core = self.core.upgrade().ok_or_else(|| Error::Internal("the node has ended".into()))?;
        core.active().map(Open)
    }
}

impl Open {
    /// The mount of that accessor.
    ///
    /// # Errors
    /// `invalid mount accessor "…"`.
    pub(super) fn place(&self, accessor: &str) -> Result<Place> {
        let unknown = || Error::invalid(format!("invalid mount accessor {accessor:?}"));
        self.places().remove(accessor).ok_or_else(unknown)
    }
    /// What the operator decided.
    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }
    /// The mounts of a namespace.
    pub(super) fn mounts_of(&self, namespace: &str) -> Vec<Arc<Mounted>> {
        self.0.mounts.of(namespace)
    }
    /// The live token of that accessor.
    pub(super) async fn token_by_accessor(&self, accessor: &str) -> Result<Option<Token>> {
        let found = self.0.tokens.by_accessor(accessor, self.0.now()).await?;
        Ok(found.map(|(token, _)| token))
    }
    /// Every mount by its accessor.
    pub(super) fn places(&self) -> HashMap<String, Place> {
        let all = self.0.mounts.all();
        let place = |mounted: &Arc<Mounted>| {
            let entry = &mounted.entry;
            let place = Place { accessor: entry.accessor.clone(), path: entry.path.clone(), kind: entry.kind.clone() };
            (entry.accessor.clone(), place)
        };
        all.iter().map(place).collect()
    }
}

/// The mount that is always there.
pub(crate) fn mount(core: &Arc<Core>) -> Arc<Mounted> {
    let mut paths = Paths::new(Arc::new(Endpoints { core: Arc::downgrade(core) }));
    for declare in [
        entity::declare,
        alias::declare,
        group::declare,
        group_alias::declare,
        lookup::declare,
        super::mfa::declare,
        super::oidc::declare,
    ] {
        paths = declare(paths);
    }
    Mounted::builtin("identity/", "identity", "identity store", paths.build())
}

/// A text that was left out or is empty.
pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
