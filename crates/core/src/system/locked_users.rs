//! `sys/locked-users`.
use super::System;
use crate::active::Active;
use lessor_engine::{Context, Params, Paths, Reply, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("locked-users", "Lists who is locked out.", |path| path.read(list)).path(
        "locked-users/{mount_accessor}/unlock/{alias_identifier+}",
        "Lets somebody try again.",
        |path| path.write(unlock),
    )
}

#[derive(Params)]
struct Filter {
    /// Only those of one auth mount.
    mount_accessor: String,
}

async fn list(system: Arc<System>, cx: Context, filter: Filter) -> Result<Reply> {
    let active = system.active()?;
    let below = active.namespaces.below(&cx.namespace).into_iter().map(|namespace| namespace.path);
    let (mut shown, mut total) = (Vec::new(), 0);
    for namespace in std::iter::once(cx.namespace).chain(below) {
        let (counts, mounts) = of_namespace(&active, &namespace, &filter).await?;
        total += counts;
        shown.push(json!({
            "namespace_id": active.namespaces.id_of(&namespace),
            "namespace_path": namespace,
            "counts": counts,
            "mount_accessors": mounts,
        }));
    }
    Ok(Reply::data(json!({ "by_namespace": shown, "total": total })))
}

/// How many are locked out in one namespace, and where.
async fn of_namespace(active: &Active, namespace: &str, filter: &Filter) -> Result<(usize, Vec<Value>)> {
    let mut by_mount: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for locked in active.locked_aliases(namespace).await? {
        if filter.mount_accessor.is_empty() || filter.mount_accessor == locked.accessor {
            by_mount.entry(locked.accessor).or_default().push(locked.alias);
        }
    }
    let total: usize = by_mount.values().map(Vec::len).sum();
    let mounts = by_mount
        .iter()
        .map(|(accessor, aliases)| {
            json!({
                "mount_accessor": accessor, "counts": aliases.len(), "alias_identifiers": aliases,
            })
        })
        .collect();
    Ok((total, mounts))
}

#[derive(Params)]
struct Unlock {
    /// The auth mount.
    mount_accessor: String,
    /// What the auth method calls them.
    alias_identifier: String,
}

async fn unlock(system: Arc<System>, _: Context, unlock: Unlock) -> Result<Reply> {
    system.active()?.unlock_alias(&unlock.mount_accessor, &unlock.alias_identifier).await?;
    Ok(Reply::empty())
}
