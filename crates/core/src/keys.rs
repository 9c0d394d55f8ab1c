//! Where everything lies in storage. Hot records have time-ordered keys: neighbours in time are neighbours on
//! disk, which is what decides the speed of every storage engine.
use jiff::Timestamp;

/// Shards of the due index; every node of a cluster claims some.
pub const SHARDS: u8 = 16;

/// The lease record itself, under its public id (whose random part begins with the time it was made).
pub fn lease(id: &str) -> String {
    format!("lease/id/{id}")
}

/// Marks a lease whose revocation was refused as often as the contract allows; retries go on.
pub fn irrevocable(lease_id: &str) -> String {
    format!("lease/irrevocable/{lease_id}")
}

/// The leases of a token.
pub fn token_lease(token: &str, lease_id: &str) -> String {
    format!("lease/token/{token}/{lease_id}")
}

/// The tokens made at a path (namespace and request path), as leases of `auth/` are listed.
pub fn token_path(path: &str, token: &str) -> String {
    format!("token/path/{path}/{token}")
}

/// The entities of a namespace, by id; its own slashes are written as `%2F`, so that none lies inside another.
pub fn entities(namespace: &str) -> String {
    let name = namespace.trim_end_matches('/').replace('%', "%25").replace('/', "%2F");
    format!("identity/{name}/entity/id/")
}

/// What belongs to one namespace and to none of its mounts: empty for the root.
pub fn namespace(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("namespace/{}/", hex::encode(path)) }
}

/// A credential that may exist on a platform without a lease.
pub fn intent(id: &str) -> String {
    format!("intent/{id}")
}

/// A rotation that is not finished.
pub fn rotation(mount: &str, subject: &str) -> String {
    format!("rotation/pending/{mount}/{subject}")
}

/// When a subject's scheduled rotation is due.
pub fn schedule(mount: &str, subject: &str) -> String {
    format!("rotation/schedule/{mount}/{subject}")
}

/// What falls due, and when.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Due {
    /// Milliseconds since 1970.
    pub at: i64,
    /// What it is about.
    pub kind: DueKind,
    /// Lease id, intent id, `mount/subject` or token id.
    pub subject: String,
}

/// The kinds of work that wait for a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DueKind {
    /// A lease ends.
    Lease,
    /// An intent that nobody finished.
    Intent,
    /// A scheduled or unfinished rotation.
    Rotation,
    /// A token ends.
    Token,
}

impl DueKind {
    fn letter(self) -> char {
        match self {
            Self::Lease => 'l',
            Self::Intent => 'i',
            Self::Rotation => 'r',
            Self::Token => 't',
        }
    }
}

impl Due {
    /// Work that is due at `at`.
    pub fn new(at: Timestamp, kind: DueKind, subject: impl Into<String>) -> Self {
        Self { at: at.as_millisecond(), kind, subject: subject.into() }
    }
    fn tail(&self) -> String {
        format!("{:014}/{}/{}", self.at.max(0), self.kind.letter(), self.subject)
    }
    /// Its key in the due index.
    pub fn key(&self) -> String {
        format!("{}{}", due_shard(shard_of(&self.subject)), self.tail())
    }
    /// Its key in the list of those that wait for `target`.
    pub fn waiting_key(&self, target: &Target) -> String {
        format!("{}{}", target.waiting(), self.tail())
    }
    /// Reads a key of the due index or of a waiting list; `None` if it is neither.
    pub fn parse(key: &str) -> Option<Self> {
        let tail = match key.strip_prefix("due/") {
            Some(rest) => rest.split_once('/')?.1,
            None => key.strip_prefix("wait/")?.splitn(3, '/').nth(2)?,
        };
        let mut parts = tail.splitn(3, '/');
        let at = parts.next()?.parse().ok()?;
        let kind = match parts.next()? {
            "l" => DueKind::Lease,
            "i" => DueKind::Intent,
            "r" => DueKind::Rotation,
            "t" => DueKind::Token,
            _ => return None,
        };
        Some(Self { at, kind, subject: parts.next()?.to_owned() })
    }
}

/// The shard of a name.
pub fn shard_of(name: &str) -> u8 {
    name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)) % SHARDS
}

/// The due index of one shard.
pub fn due_shard(shard: u8) -> String {
    format!("due/{shard:02x}/")
}

/// Where a credential stands: one platform as one mount knows it. Its revocations share a queue, a concurrency
/// limit and a circuit breaker.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub struct Target {
    /// The mount's uuid.
    pub mount: String,
    /// The engine's name for the platform.
    pub name: String,
}

impl Target {
    /// The list of what waits for this target's return, or for room in its queue.
    pub fn waiting(&self) -> String {
        format!("wait/{}/{}/", self.mount, hex::encode(&self.name))
    }
    /// Reads the target out of a key of its waiting list.
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.strip_prefix("wait/")?.splitn(3, '/');
        let mount = parts.next()?.to_owned();
        let name = String::from_utf8(hex::decode(parts.next()?).ok()?).ok()?;
        Some(Self { mount, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_keys_sort_by_time_and_read_back() {
        let early = Due { at: 999, kind: DueKind::Lease, subject: "db/creds/a/1".into() };
        let late = Due { at: 1_000, ..early.clone() };
        assert!(early.key() < late.key());
        assert_eq!(Due::parse(&early.key()), Some(early.clone()));
        let target = Target { mount: "u-1".into(), name: "pg/main".into() };
        assert_eq!(Due::parse(&early.waiting_key(&target)), Some(early.clone()));
        assert_eq!(Target::parse(&early.waiting_key(&target)), Some(target));
    }
}
