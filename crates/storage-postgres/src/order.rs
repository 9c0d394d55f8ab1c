//! A batch in the form in which the database takes it.
use lessor_storage::{Batch, Error, Expect, Result, Write};
use std::collections::BTreeMap;

/// Locks of one commit, beyond which it takes a single one for everything instead: the server's table of locks is
/// sized for 64 of each connection (`max_locks_per_transaction`).
const MOST_LOCKS: usize = 48;
/// The most one batch may carry.
const MAX_BYTES: usize = 64 << 20;
const ABSENT: i64 = -1;
const PRESENT: i64 = -2;

/// Parameters of the commit function.
pub(crate) struct Order {
    pub(crate) locks: Vec<i64>,
    pub(crate) exclusive: Vec<bool>,
    pub(crate) guards: Vec<Vec<u8>>,
    pub(crate) wanted: Vec<i64>,
    pub(crate) put_keys: Vec<Vec<u8>>,
    pub(crate) put_values: Vec<Vec<u8>>,
    pub(crate) deletes: Vec<Vec<u8>>,
}

impl Order {
    /// Writes of one key are folded into the last of them.
    pub(crate) fn of(batch: Batch, table: &str) -> Result<Self> {
        let bytes = bytes(&batch);
        if bytes > MAX_BYTES {
            return Err(Error::Unavailable(format!(
                "a batch of {bytes} bytes was refused: the limit is {MAX_BYTES} bytes"
            )));
        }
        let mut writes: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        for write in batch.writes {
            match write {
                Write::Put(key, value) => writes.insert(key, Some(value)),
                Write::Delete(key) => writes.insert(key, None),
            };
        }
        let mut order = Self {
            locks: Vec::new(),
            exclusive: Vec::new(),
            guards: Vec::with_capacity(batch.expects.len()),
            wanted: Vec::with_capacity(batch.expects.len()),
            put_keys: Vec::new(),
            put_values: Vec::new(),
            deletes: Vec::new(),
        };
        order.lock(table, batch.expects.iter().map(|(key, _)| key), writes.keys());
        for (key, expect) in batch.expects {
            order.guards.push(key.into_bytes());
            order.wanted.push(match expect {
                Expect::Absent => ABSENT,
                Expect::Present => PRESENT,
                // No version is that large, so it matches none.
                Expect::Version(version) => i64::try_from(version.0).unwrap_or(i64::MAX),
            });
        }
        for (key, value) in writes {
            match value {
                Some(value) => {
                    order.put_keys.push(key.into_bytes());
                    order.put_values.push(value);
                }
                None => order.deletes.push(key.into_bytes()),
            }
        }
        Ok(order)
    }

    /// A lock for each key: shared where the key is only looked at. Before them one for everything, shared by all but
    /// those commits that name too many keys and take it alone.
    fn lock<'a>(
        &mut self,
        table: &str,
        guards: impl Iterator<Item = &'a String>,
        writes: impl Iterator<Item = &'a String>,
    ) {
        let mut keys: BTreeMap<i64, bool> = guards.map(|key| (number(table, key), false)).collect();
        keys.extend(writes.map(|key| (number(table, key), true)));
        let everything = number(table, "everything\0");
        let all = keys.len() > MOST_LOCKS;
        (self.locks, self.exclusive) = (vec![everything], vec![all]);
        if !all {
            keys.remove(&everything);
            self.locks.extend(keys.keys());
            self.exclusive.extend(keys.values());
        }
    }

    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.put_keys.is_empty() && self.deletes.is_empty()
    }
}

fn bytes(batch: &Batch) -> usize {
    let expects = batch.expects.iter().map(|(key, _)| key.len());
    let writes = batch.writes.iter().map(|write| match write {
        Write::Put(key, value) => key.len() + value.len(),
        Write::Delete(key) => key.len(),
    });
    expects.chain(writes).sum()
}

/// The number of a lock (FNV-1a). Two keys of one number wait for each other now and then, nothing worse. It must be the
/// same in every version of this program, as long as they may work on one database.
pub(crate) fn number(table: &str, key: &str) -> i64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in table.bytes().chain([0]).chain(key.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_write_counts_and_locks_are_in_order_and_few() {
        let batch = Batch::new().put("a", "1").delete("a").delete("b").put("b", "2").expect("c", Expect::Present);
        let order = Order::of(batch, "t").unwrap();
        assert_eq!((order.put_keys, order.deletes), (vec![b"b".to_vec()], vec![b"a".to_vec()]));
        assert_eq!((order.locks.len(), order.exclusive[0]), (4, false));
        assert!(order.locks[1..].is_sorted());
        assert_eq!(order.exclusive[1..].iter().filter(|exclusive| **exclusive).count(), 2);
        let many = (0..200).fold(Batch::new(), |batch, at| batch.put(format!("{at}"), ""));
        let order = Order::of(many, "t").unwrap();
        assert_eq!((order.locks.len(), order.exclusive), (1, vec![true]));
    }

    #[test]
    fn numbers_of_locks_never_change() {
        assert_eq!(number("lessor_kv_store", "lease/id/x"), number("lessor_kv_store", "lease/id/x"));
        assert_ne!(number("a", "b"), number("b", "b"));
        assert_eq!(number("", ""), 0xaf63_bd4c_8601_b7df_u64.cast_signed());
    }
}
