//! A batch as one transaction of etcd.
//!
//! etcd counts the operations of a transaction (`--max-txn-ops`, 128 as delivered), but level by level: a transaction
//! inside another may have as many as the outer one left over. A batch that is too long for one level becomes a tree, and
//! is still one step with one revision.
use crate::proto::{
    CREATE, Compare, DeleteRangeRequest, EQUAL, GREATER, LESS, MOD, Op, PutRequest, RangeRequest, RequestOp, Target,
    TxnRequest,
};
use crate::session::Mark;
use lessor_storage::{Batch, Expect, Version, Write};
use std::collections::BTreeMap;

/// Operations of a transaction as etcd is delivered.
const MAX_TXN_OPS: usize = 128;
/// Guards that are compared within the transaction; what is left of the operations has to hold the writes. Compares
/// cannot be spread over a tree as writes can: one that fails would stop its own branch only.
const MOST_GUARDS: usize = 100;

/// A batch, ready to be sent.
pub(crate) struct Order {
    guards: Vec<(String, Expect)>,
    writes: Vec<Op>,
    prefix: String,
}

impl Order {
    /// `prefix` begins the keys of all records. Writes of one key are folded into the last of them.
    pub(crate) fn of(batch: Batch, prefix: &str) -> Self {
        let mut writes: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        for write in batch.writes {
            match write {
                Write::Put(key, value) => writes.insert(key, Some(value)),
                Write::Delete(key) => writes.insert(key, None),
            };
        }
        let full = |key: &str| format!("{prefix}{key}").into_bytes();
        let writes = writes.into_iter().map(|(key, value)| match value {
            Some(value) => Op::Put(PutRequest { key: full(&key), value, lease: 0 }),
            None => Op::Delete(DeleteRangeRequest { key: full(&key), range_end: Vec::new() }),
        });
        Self { guards: batch.expects, writes: writes.collect(), prefix: prefix.to_owned() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.guards.is_empty() && self.writes.is_empty()
    }
    /// Whether nothing is written, only looked at.
    pub(crate) fn only_looks(&self) -> bool {
        self.writes.is_empty()
    }

    /// Whether there are more guards than a transaction takes.
    pub(crate) fn is_wide(&self) -> bool {
        self.guards.len() > MOST_GUARDS
    }

    /// The transaction: on the condition that `mark` is there and the gate is not, and that the guards hold. If it fails,
    /// the answer has the versions of mark, gate and guards, in this order.
    pub(crate) fn transaction(&self, mark: &Mark, gate: &[u8]) -> TxnRequest {
        let guards = self.guards.iter().map(|(key, expect)| (self.full(key), *expect));
        let conditions =
            [(mark.key.clone(), Expect::Present), (gate.to_vec(), Expect::Absent)].into_iter().chain(guards);
        self.on(conditions.collect(), vec![mark.counted()])
    }

    /// The transaction of whoever holds the gate since `held` and has seen that the guards hold; it opens the gate.
    pub(crate) fn transaction_alone(&self, mark: &Mark, gate: &[u8], held: Version) -> TxnRequest {
        let conditions = vec![(mark.key.clone(), Expect::Present), (gate.to_vec(), Expect::Version(held))];
        let open = Op::Delete(DeleteRangeRequest { key: gate.to_vec(), range_end: Vec::new() });
        self.on(conditions, vec![mark.counted(), open])
    }

    fn on(&self, conditions: Vec<(Vec<u8>, Expect)>, more: Vec<Op>) -> TxnRequest {
        let failure = conditions.iter().map(|(key, _)| look(key.clone(), 0)).collect();
        let compare: Vec<Compare> = conditions.into_iter().map(|(key, expect)| guard(key, expect)).collect();
        let writes: Vec<RequestOp> = self.writes.iter().cloned().chain(more).map(Into::into).collect();
        let left = MAX_TXN_OPS.saturating_sub(compare.len());
        // Where everything fits into one level, compares and writes share it.
        let success = if writes.len() <= MAX_TXN_OPS { writes } else { tree(writes, left) };
        TxnRequest { compare, success, failure }
    }

    /// Reads the versions of the guarded keys, part by part, as they were at `revision` (0: now).
    pub(crate) fn look(&self, part: usize, revision: i64) -> Option<TxnRequest> {
        let some = self.guards.chunks(MOST_GUARDS).nth(part)?;
        let success = some.iter().map(|(key, _)| look(self.full(key), revision)).collect();
        Some(TxnRequest { success, ..TxnRequest::default() })
    }

    fn full(&self, key: &str) -> Vec<u8> {
        format!("{}{key}", self.prefix).into_bytes()
    }

    /// The first guard that does not hold, given the version of each key (0 for none).
    pub(crate) fn broken(&self, found: &[i64]) -> Option<&str> {
        let holds = |expect: Expect, found: i64| match expect {
            Expect::Absent => found == 0,
            Expect::Present => found != 0,
            Expect::Version(version) => found != 0 && i64::try_from(version.0) == Ok(found),
        };
        let mut pairs = self.guards.iter().zip(found);
        pairs.find(|((_, expect), found)| !holds(*expect, **found)).map(|((key, _), _)| key.as_str())
    }
}

fn look(key: Vec<u8>, revision: i64) -> RequestOp {
    Op::Range(RangeRequest { key, revision, keys_only: true, ..RangeRequest::default() }).into()
}

fn guard(key: Vec<u8>, expect: Expect) -> Compare {
    let (result, target, with) = match expect {
        Expect::Absent => (EQUAL, CREATE, Target::Create(0)),
        Expect::Present => (GREATER, CREATE, Target::Create(0)),
        Expect::Version(version) => match i64::try_from(version.0) {
            Ok(version) if version > 0 => (EQUAL, MOD, Target::Mod(version)),
            // The revision of a key that is not there is 0, and none is larger than etcd counts: this never holds.
            _ => (LESS, CREATE, Target::Create(0)),
        },
    };
    Compare { result, target, key, with: Some(with) }
}

/// Puts operations into nested transactions, so that no level has more than its share of `left`.
fn tree(mut ops: Vec<RequestOp>, left: usize) -> Vec<RequestOp> {
    let depth = (2..=8).find(|depth| width(ops.len(), *depth) * depth <= left).unwrap_or(8);
    let width = width(ops.len(), depth);
    while ops.len() > width {
        let mut rest = ops.into_iter();
        ops = Vec::new();
        loop {
            let success: Vec<RequestOp> = rest.by_ref().take(width).collect();
            if success.is_empty() {
                break;
            }
            ops.push(Op::Txn(TxnRequest { success, ..TxnRequest::default() }).into());
        }
    }
    ops
}

/// The least number whose power reaches `count`.
fn width(count: usize, depth: usize) -> usize {
    let reaches =
        |width: &usize| (0..depth).try_fold(1_usize, |all, _| all.checked_mul(*width)).is_none_or(|all| all >= count);
    (1..=count).find(reaches).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As etcd's `checkTxnRequest` counts.
    fn fits(txn: &TxnRequest, most: usize) -> bool {
        let own = txn.compare.len().max(txn.success.len()).max(txn.failure.len());
        own <= most
            && txn.success.iter().all(|op| match &op.request {
                Some(Op::Txn(inner)) => fits(inner, most - own),
                _ => true,
            })
    }
    fn count(txn: &TxnRequest) -> usize {
        let ops = txn.success.iter().map(|op| match &op.request {
            Some(Op::Txn(inner)) => count(inner),
            _ => 1,
        });
        ops.sum()
    }

    #[test]
    fn batches_of_any_length_fit_into_what_etcd_takes() {
        for (writes, guards) in
            [(1, 1), (127, 0), (127, 120), (128, 0), (129, 3), (1000, 5), (4000, 40), (20_000, 90), (5000, 100)]
        {
            let mut batch = Batch::new();
            for number in 0..writes {
                batch = batch.put(format!("{number}"), "v");
            }
            for number in 0..guards {
                batch = batch.expect(format!("{number}"), Expect::Absent);
            }
            let order = Order::of(batch, "/p/");
            let mark = Mark::named("mark");
            for (txn, conditions) in [
                (order.transaction(&mark, b"gate"), guards + 2),
                (order.transaction_alone(&mark, b"gate", Version(7)), 2),
            ] {
                assert!(fits(&txn, MAX_TXN_OPS), "{writes} writes with {guards} guards");
                assert_eq!(txn.compare.len(), conditions);
                assert!((writes + 1..=writes + 2).contains(&count(&txn)));
            }
        }
    }

    #[test]
    fn the_last_write_of_a_key_counts() {
        let batch = Batch::new().put("a", "1").delete("a").delete("b").put("b", "2");
        let order = Order::of(batch, "");
        assert!(matches!(&order.writes[..], [Op::Delete(_), Op::Put(put)] if put.value == b"2"));
    }
}
