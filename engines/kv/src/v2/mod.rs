//! Version 2: a history of versions per path, which can be deleted, brought back and destroyed.
mod config;
mod data;
mod fallback;
mod merge;
mod metadata;
mod params;
mod record;
mod store;
mod subkeys;
mod versions;

use lessor_engine::{PathTable, Paths};
use std::sync::Arc;
use store::Store;

/// Fixed paths that have something below them only.
const ROOTS: [&str; 5] = ["data", "metadata", "delete", "undelete", "destroy"];
const OTHERS: [&str; 2] = ["subkeys", "detailed-metadata"];
const ROOT_HELP: &str = "Tells that only what is below it can be used.";

pub(crate) fn paths() -> PathTable {
    let mut paths = Paths::new(Arc::new(Store::new()));
    for root in ROOTS {
        paths = paths.path(root, ROOT_HELP, |path| {
            path.read(fallback::root).write(fallback::root).patch(fallback::root).delete(fallback::root)
        });
    }
    for other in OTHERS {
        paths = paths.path(other, ROOT_HELP, |path| path.read(fallback::read).write(fallback::write));
    }
    paths
        .path("config", "Settings for every secret of this mount.", |path| path.read(config::read).write(config::write))
        .path("data/{path*}", "Reads and writes versions of a secret.", |path| {
            path.read(data::read).write(data::write).patch(data::patch).delete(data::delete).exists(metadata::exists)
        })
        .path("metadata/{path*}", "Lists secrets; reads, configures and removes the history of one.", |path| {
            path.read(metadata::read)
                .write(metadata::write)
                .patch(metadata::patch)
                .delete(metadata::delete)
                .list(metadata::list)
                .scan(metadata::scan_below)
                .exists(metadata::exists)
        })
        .path("detailed-metadata/{path*}", "Lists secrets with the metadata of each.", |path| {
            path.list(metadata::list_detailed).scan(metadata::scan_detailed)
        })
        .path("delete/{path*}", "Marks versions as deleted.", |path| path.write(versions::delete))
        .path("undelete/{path*}", "Brings deleted versions back.", |path| path.write(versions::undelete))
        .path("destroy/{path*}", "Removes the data of versions for good.", |path| path.write(versions::destroy))
        .path("subkeys/{path*}", "Shows the structure of a secret without its values.", |path| path.read(subkeys::read))
        .path("{path*}", "Tells clients of version 1 that this mount has versions.", |path| {
            path.read(fallback::read)
                .write(fallback::write)
                .patch(fallback::patch)
                .delete(fallback::delete)
                .list(fallback::list)
        })
        .build()
}
