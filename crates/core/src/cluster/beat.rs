//! Joining, staying alive, seeing who died, and leaving.
use super::clock::is_too_far;
use super::member::{NODES, Peer};
use super::{BEAT, Cluster, EXPIRY, Findings, Member, Read, key};
use crate::mount::entry::uuid;
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect};
use tokio::time::Instant;

/// How often the others' records are read while joining.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);
/// More nodes than this are not looked at.
const MOST: usize = 1000;

impl Cluster {
    /// Becomes one of the nodes.
    ///
    /// # Errors
    /// When storage fails, or this machine's clock is too far from another node's.
    pub(crate) async fn join(&self) -> Result<()> {
        if !self.shared {
            return Ok(());
        }
        self.compare_clocks().await?;
        self.beat().await?;
        Ok(())
    }

    /// Watches the others until each has shown its clock, or a while has passed.
    async fn compare_clocks(&self) -> Result<()> {
        let until = Instant::now() + BEAT * 5 / 2;
        loop {
            self.see(self.read().await?);
            let unsure = self.state().peers.values().any(|peer| peer.ahead().is_none());
            if let Some(text) = self.far_off() {
                return Err(Error::Unavailable(text));
            }
            if !unsure || Instant::now() > until {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Writes this node's record, reads those of the others, and shares the shards anew.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn beat(&self) -> Result<Findings> {
        let begun = Instant::now();
        let (me, known) = {
            let mut state = self.state();
            state.me.wall = self.clock.own();
            (state.me.clone(), state.beaten.is_some())
        };
        if self.refused().is_none() {
            // A record that somebody deleted is not written again: whoever deleted it took over.
            let expect = if known { Expect::Present } else { Expect::Absent };
            let batch = Batch::new().expect(key(&me.id), expect).put(key(&me.id), serde_json::to_vec(&me)?);
            match self.storage.commit(batch).await {
                Ok(()) => self.state().beaten = Some(begun),
                Err(lessor_storage::Error::Conflict { .. }) => {
                    self.begin_anew();
                    return Ok(Findings { moved: true, gone: false });
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.see(self.read().await?);
        self.look_at_clocks().await?;
        let gone = self.expel().await?;
        let moved = if self.refused().is_none() { self.claim().await? } else { false };
        Ok(Findings { gone, moved })
    }

    /// The others took this node for dead: it is another one from now on.
    fn begin_anew(&self) {
        let mut state = self.state();
        tracing::warn!(node = state.me.id, "the other nodes took this one for dead; it joins them again");
        (state.me.id, state.me.joined) = (uuid(), self.clock.own());
        state.beaten = None;
        state.owned.clear();
    }

    async fn read(&self) -> Result<Vec<Read>> {
        let found = self.storage.scan(NODES, None, MOST).await?;
        let read = found.into_iter().map(|entry| {
            let member: Member = serde_json::from_slice(&entry.value)?;
            Ok(Read { member, version: entry.version })
        });
        read.collect()
    }

    fn see(&self, records: Vec<Read>) {
        let now = self.clock.own();
        let mut state = self.state();
        let mut before = std::mem::take(&mut state.peers);
        let me = state.me.id.clone();
        for Read { member, version } in records.into_iter().filter(|read| read.member.id != me) {
            let peer = match before.remove(&member.id) {
                Some(mut peer) => {
                    if peer.version != version {
                        peer.moved(member, version, now);
                    }
                    peer
                }
                None => Peer::new(member, version),
            };
            state.peers.insert(peer.member.id.clone(), peer);
        }
        self.clock.keep_to(state.peers.values().filter_map(Peer::ahead));
    }

    /// What is wrong with this machine's clock, beside those of the others.
    fn far_off(&self) -> Option<String> {
        let state = self.state();
        let far = |peer: &&Peer| peer.ahead().is_some_and(is_too_far);
        let off: Vec<&Peer> = state.peers.values().filter(far).collect();
        // Of two that differ the one that came later stops; where there are more the one that most differ from.
        let elder = off.iter().any(|peer| peer.member.joined < state.me.joined) || state.beaten.is_none();
        let known = state.peers.values().filter(|peer| peer.ahead().is_some()).count();
        let most = off.len() * 2 > known;
        let peer = off.first().filter(|_| most && (elder || known > 1))?;
        let ahead = peer.ahead().unwrap_or_default();
        let way = if ahead > 0 { "behind" } else { "ahead of" };
        let seconds = (ahead.unsigned_abs() + 500) / 1000;
        Some(format!(
            "the clock of this machine is {seconds} s {way} that of node {} ({}): nodes may differ by 5 s, set it right",
            peer.member.name, peer.member.api_addr
        ))
    }

    async fn look_at_clocks(&self) -> Result<()> {
        let (far, before) = (self.far_off(), self.refused());
        match (&far, before) {
            (Some(text), None) => {
                tracing::error!("{text}; nothing is served until then");
                self.leave().await?;
            }
            (None, Some(_)) => {
                tracing::info!("the clock of this machine is right again");
                self.begin_anew();
            }
            _ => {}
        }
        self.state().refused = far;
        Ok(())
    }

    /// Deletes the records of nodes that stand still; whether there were any.
    async fn expel(&self) -> Result<bool> {
        let dead: Vec<(String, lessor_storage::Version)> = {
            let state = self.state();
            let still = state.peers.iter().filter(|(_, peer)| peer.moved.elapsed() >= EXPIRY);
            still.map(|(id, peer)| (id.clone(), peer.version)).collect()
        };
        let mut gone = false;
        for (id, version) in dead {
            let batch = Batch::new().expect(key(&id), Expect::Version(version)).delete(key(&id));
            match self.storage.commit(batch).await {
                Ok(()) => {
                    let peer = self.state().peers.remove(&id);
                    let name = peer.map(|peer| peer.member.name).unwrap_or_default();
                    tracing::warn!(node = id, name, "a node has not been heard of; its work is taken over");
                    gone = true;
                }
                // It moved after all, or another node was faster.
                Err(lessor_storage::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(gone)
    }

    /// Leaves its work to the others at once.
    ///
    /// # Errors
    /// When storage fails; then the others notice by themselves.
    pub(crate) async fn leave(&self) -> Result<()> {
        if !self.shared {
            return Ok(());
        }
        let me = {
            let mut state = self.state();
            state.owned.clear();
            state.beaten = None;
            state.me.id.clone()
        };
        Ok(self.storage.commit(Batch::new().delete(key(&me))).await?)
    }
}
