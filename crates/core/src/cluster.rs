//! The nodes that share one storage. Every one of them serves every request; the work behind the requests (what falls
//! due, what a node left unfinished) is shared out by shards, which nodes claim in storage.
//!
//! A node is alive while its record moves: the others watch the record's version with their own clocks, so nobody has
//! to trust anybody's time. Whoever sees a record stand still for [`EXPIRY`] deletes it, which is the fence: what the
//! dead node would still write under [`Cluster::fenced`] fails from then on, and it has to join again under another id.
//! Before that it has stopped by itself, because it counts its own time from the last beat that was durable.
mod beat;
mod claims;
mod clock;
mod fenced;
mod member;
mod stay;

pub use clock::ClusterClock;
pub(crate) use member::Member;
pub use member::NODES;
pub(crate) use stay::{keep_count, stay};

use crate::keys::SHARDS;
use fenced::Fenced;
use lessor_engine::{Error, Result};
use lessor_storage::{Storage, Version};
use member::{Peer, key};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often a node writes its record and reads those of the others.
pub const BEAT: Duration = Duration::from_secs(1);
/// A node whose record stands still for so long is taken for dead.
pub const EXPIRY: Duration = Duration::from_secs(10);
/// A node that could not write its record for so long stops claiming to be alive: well before the others say so.
const HOLD: Duration = Duration::from_secs(6);

/// This node among the others.
pub struct Cluster {
    storage: Arc<dyn Storage>,
    shared: bool,
    clock: Arc<ClusterClock>,
    state: Mutex<State>,
}

struct State {
    me: Member,
    /// When the last beat that became durable began.
    beaten: Option<Instant>,
    /// The others, as of the last beat.
    peers: BTreeMap<String, Peer>,
    owned: BTreeSet<u8>,
    /// Why this node does not serve.
    refused: Option<String>,
}

impl Cluster {
    /// Not joined yet. A storage of one's own is a cluster of one that needs no beat.
    pub fn new(storage: Arc<dyn Storage>, clock: Arc<ClusterClock>, me: Member) -> Self {
        let shared = storage.is_shared();
        let owned = if shared { BTreeSet::new() } else { (0..SHARDS).collect() };
        let state = State { me, beaten: None, peers: BTreeMap::new(), owned, refused: None };
        Self { storage, shared, clock, state: Mutex::new(state) }
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether other nodes may be there.
    pub fn is_shared(&self) -> bool {
        self.shared
    }
    /// This node's id; another one after every start, and after it was taken for dead.
    pub fn id(&self) -> String {
        self.state().me.id.clone()
    }
    /// Whether the others still take this node for alive.
    pub fn is_alive(&self) -> bool {
        !self.shared || self.state().beaten.is_some_and(|beaten| beaten.elapsed() < HOLD)
    }
    /// To be asked right before a platform hears of something that another node may have taken over.
    ///
    /// # Errors
    /// When this node was away for too long.
    pub fn check(&self) -> Result<()> {
        if self.is_alive() {
            return Ok(());
        }
        let text = "this node has not reached its storage for too long, another one may have taken over: try again";
        Err(Error::Unavailable(text.to_owned()))
    }
    /// Why this node must not serve, if so.
    pub fn refused(&self) -> Option<String> {
        if self.shared { self.state().refused.clone() } else { None }
    }
    /// The shards whose work is this node's.
    pub fn owned(&self) -> Vec<u8> {
        if self.is_alive() { self.state().owned.iter().copied().collect() } else { Vec::new() }
    }
    /// Whether work of that name is this node's.
    pub fn owns(&self, name: &str) -> bool {
        !self.shared || self.owned().contains(&crate::keys::shard_of(name))
    }
    /// Whether `id` is a node that is alive, this one included.
    pub fn is_member(&self, id: &str) -> bool {
        let state = self.state();
        state.me.id == id || state.peers.contains_key(id)
    }
    /// Every node, this one first.
    pub fn members(&self) -> Vec<Member> {
        let state = self.state();
        std::iter::once(&state.me).chain(state.peers.values().map(|peer| &peer.member)).cloned().collect()
    }
    /// Every node, this one first, and the milliseconds by which the clocks of the others are ahead.
    pub fn seen(&self) -> Vec<(Member, Option<i64>)> {
        let state = self.state();
        let others = state.peers.values().map(|peer| (peer.member.clone(), peer.ahead()));
        std::iter::once((state.me.clone(), None)).chain(others).collect()
    }
    /// What the next beat tells the others of this node's leases.
    pub(crate) fn tell(&self, leases: BTreeMap<String, i64>) {
        self.state().me.leases = leases;
    }
    /// What the others told of theirs.
    pub(crate) fn told(&self) -> Vec<(String, BTreeMap<String, i64>)> {
        let state = self.state();
        state.peers.values().map(|peer| (peer.member.id.clone(), peer.member.leases.clone())).collect()
    }
    /// Storage whose commits fail as soon as the others have taken this node, as it is now, for dead.
    pub fn fenced(&self) -> Arc<dyn Storage> {
        if !self.shared {
            return Arc::clone(&self.storage);
        }
        Arc::new(Fenced::new(Arc::clone(&self.storage), key(&self.id())))
    }
}

#[cfg(test)]
mod tests;

/// What a beat found out.
#[derive(Default)]
pub(crate) struct Findings {
    /// Nodes that are gone; what they left unfinished is taken up.
    pub gone: bool,
    /// The shards of this node are others than before.
    pub moved: bool,
}

/// A record of a node, as read.
struct Read {
    member: Member,
    version: Version,
}
