//! Which node works on which shard: a record per shard names its owner.
use super::{Cluster, key};
use crate::keys::SHARDS;
use lessor_engine::Result;
use lessor_storage::{Batch, Error, Expect, Version};
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "cluster/shard/";

fn claim_key(shard: u8) -> String {
    format!("{PREFIX}{shard:02x}")
}

/// How many shards the node at `place` of `nodes` has.
fn share(place: usize, nodes: usize) -> usize {
    let all = usize::from(SHARDS);
    all / nodes + usize::from(place < all % nodes)
}

impl Cluster {
    /// Claims what is free and gives up what is too much; whether anything changed. A node that comes gets its share at
    /// the others' next beats, shard by shard.
    pub(super) async fn claim(&self) -> Result<bool> {
        let claims = self.claims().await?;
        let (me, live): (String, BTreeSet<String>) = {
            let state = self.state();
            (state.me.id.clone(), state.peers.keys().chain([&state.me.id]).cloned().collect())
        };
        let fair = share(live.iter().position(|id| *id == me).unwrap_or_default(), live.len());
        let mut mine: BTreeSet<u8> =
            claims.iter().filter(|(_, (owner, _))| *owner == me).map(|(shard, _)| *shard).collect();
        let free = (0..SHARDS).filter(|shard| claims.get(shard).is_none_or(|(owner, _)| !live.contains(owner)));
        for shard in free {
            if mine.len() >= fair {
                break;
            }
            let expect = claims.get(&shard).map_or(Expect::Absent, |(_, version)| Expect::Version(*version));
            let batch = Batch::new().expect(claim_key(shard), expect).expect(key(&me), Expect::Present);
            match self.storage.commit(batch.put(claim_key(shard), me.clone())).await {
                Ok(()) => drop(mine.insert(shard)),
                // Another node was faster, or took this one for dead.
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        while mine.len() > fair {
            let Some(shard) = mine.pop_last() else { break };
            // It stops here before anybody else begins.
            self.state().owned.remove(&shard);
            let Some((_, version)) = claims.get(&shard) else { continue };
            let batch = Batch::new().expect(claim_key(shard), Expect::Version(*version)).delete(claim_key(shard));
            match self.storage.commit(batch).await {
                Ok(()) | Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut state = self.state();
        let changed = state.owned != mine;
        state.owned = mine;
        Ok(changed)
    }

    async fn claims(&self) -> Result<BTreeMap<u8, (String, Version)>> {
        let found = self.storage.scan(PREFIX, None, usize::from(SHARDS)).await?;
        let read = found.into_iter().filter_map(|entry| {
            let shard = u8::from_str_radix(entry.key.strip_prefix(PREFIX)?, 16).ok()?;
            Some((shard, (String::from_utf8(entry.value).ok()?, entry.version)))
        });
        Ok(read.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_cover_everything() {
        for nodes in 1..40 {
            let shares: Vec<usize> = (0..nodes).map(|place| share(place, nodes)).collect();
            assert_eq!(shares.iter().sum::<usize>(), usize::from(SHARDS));
            assert!(shares[0] - shares[nodes - 1] <= 1);
        }
    }
}
