//! What a node says of itself.
use jiff::Timestamp;
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use tokio::time::Instant;

/// Readings of a clock that are remembered.
const READINGS: usize = 8;

/// The record of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Unique per start.
    pub id: String,
    /// The machine's name.
    pub name: String,
    /// Where clients reach it.
    pub api_addr: String,
    /// Lessor's version.
    pub version: String,
    /// When it joined.
    pub joined: Timestamp,
    /// What its clock showed when this was written.
    pub wall: Timestamp,
    /// For every quota of leases: those it made less those it ended.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leases: BTreeMap<String, i64>,
}

/// Where the records of nodes lie.
pub const NODES: &str = "cluster/node/";

/// Where the record lies.
pub(super) fn key(id: &str) -> String {
    format!("{NODES}{id}")
}

/// Another node, as it is seen from here.
pub(super) struct Peer {
    pub member: Member,
    pub version: Version,
    /// When the record was last seen to have moved.
    pub moved: Instant,
    /// Milliseconds its clock is ahead of this one's, each reading too small by the age of the record.
    ahead: VecDeque<i64>,
}

impl Peer {
    /// How old the record is that was there before is not known: only later ones are readings of its clock.
    pub fn new(member: Member, version: Version) -> Self {
        Self { member, version, moved: Instant::now(), ahead: VecDeque::new() }
    }
    /// Its record has moved.
    pub fn moved(&mut self, member: Member, version: Version, now: Timestamp) {
        if self.ahead.len() == READINGS {
            self.ahead.pop_front();
        }
        self.ahead.push_back(member.wall.as_millisecond() - now.as_millisecond());
        (self.member, self.version, self.moved) = (member, version, Instant::now());
    }
    /// Milliseconds its clock is ahead of this one's, by the youngest record seen; `None` while there was none.
    pub fn ahead(&self) -> Option<i64> {
        self.ahead.iter().max().copied()
    }
}
