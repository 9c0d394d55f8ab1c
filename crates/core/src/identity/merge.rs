//! Two entities turn out to be one.
use super::Identity;
use super::record::{Entity, Record};
use super::tx::Tx;
use lessor_engine::{Error, Result};

/// What a merge is to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Merge {
    pub from: Vec<String>,
    pub to: String,
    /// Of two aliases at the same mount, which one stays.
    pub keep: Vec<String>,
}

/// Two aliases at one mount, one of which has to go.
#[derive(Clone, Debug)]
pub(super) struct Clash {
    pub to: (String, String),
    pub to_alias: Record,
    pub from: (String, String),
    pub from_alias: Record,
}

impl Identity {
    /// Merges; answers with the clashes where nothing was done because of them.
    pub(super) async fn merge(&self, namespace: &str, merge: &Merge) -> Result<Vec<Clash>> {
        if merge.to.is_empty() {
            return Err(Error::invalid("missing entity id to merge to"));
        }
        if merge.from.is_empty() {
            return Err(Error::invalid("missing entity ids to merge from"));
        }
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            let clashes = run(&mut tx, merge).await?;
            if !clashes.is_empty() || tx.commit(&mut tries).await? {
                return Ok(clashes);
            }
        }
    }
}

async fn run(tx: &mut Tx, merge: &Merge) -> Result<Vec<Clash>> {
    let unknown = |which: &str| Error::invalid(format!("entity id to merge {which} is invalid"));
    let mut to = tx.entity(&merge.to).await?.ok_or_else(|| unknown("to"))?;
    let mut clashes = Vec::new();
    for id in &merge.from {
        if *id == to.id {
            return Err(Error::invalid("to_entity_id should not be present in from_entity_ids"));
        }
        let from = tx.entity(id).await?.ok_or_else(|| unknown("from"))?;
        take_over(tx, merge, &mut to, &from, &mut clashes)?;
        for group in &from.groups {
            if !to.groups.contains(group) {
                tx.put(super::tx::member_key(group, &to.id), &())?;
                to.groups.push(group.clone());
            }
        }
        to.merged.push(from.id.clone());
    }
    to.groups.sort_unstable();
    tx.put_entity(&to)?;
    Ok(clashes)
}

/// Moves the aliases of `from` to `to` and ends `from`.
fn take_over(tx: &mut Tx, merge: &Merge, to: &mut Entity, from: &Entity, clashes: &mut Vec<Clash>) -> Result<()> {
    tx.delete_entity(from);
    for alias in &from.aliases {
        let mut moved = alias.clone();
        if let Some(at) = to.aliases.iter().position(|own| own.mount_accessor == alias.mount_accessor) {
            let own = to.aliases[at].clone();
            let keeps = |id: &str| merge.keep.iter().any(|kept| kept == id);
            match (keeps(&own.id), keeps(&alias.id)) {
                (true, false) => continue,
                (false, true) => {
                    tx.unindex_alias(&own);
                    to.aliases.remove(at);
                }
                _ => {
                    clashes.push(Clash {
                        to: (to.id.clone(), to.name.clone()),
                        to_alias: own,
                        from: (from.id.clone(), from.name.clone()),
                        from_alias: alias.clone(),
                    });
                    continue;
                }
            }
        }
        moved.merged_from.push(from.id.clone());
        tx.index_alias(&to.id, &moved)?;
        to.aliases.push(moved);
    }
    Ok(())
}
