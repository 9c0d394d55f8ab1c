//! `sys/internal/specs/openapi`.
use super::System;
use crate::openapi::{Document, Mounts};
use lessor_engine::path::Access;
use lessor_engine::{Context, Params, Paths, Reply, Result};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("internal/specs/openapi", "Describes the paths that the caller can reach, as OpenAPI.", |path| {
        path.read(show).write(show).open()
    })
}

#[derive(Params)]
struct Asked {
    /// Names mounts by a parameter instead of by where they are.
    generic_mount_paths: bool,
}

async fn show(system: Arc<System>, cx: Context, asked: Asked) -> Result<Reply> {
    let active = system.active()?;
    // Whoever is nobody still sees where to log in.
    let acl = if cx.caller.token.is_empty() { None } else { system.acl(&cx).await.ok() };
    let names = if asked.generic_mount_paths { Mounts::Generic } else { Mounts::Real };
    let mut document = Document::new(names);
    for mounted in active.mounts.of(&cx.namespace) {
        let path = format!("{}{}", cx.namespace, mounted.entry.path);
        let reached = acl.as_ref().is_some_and(|acl| acl.reaches_below(&path));
        document.add(&mounted, |spec| reached || spec.access == Access::Open);
    }
    Ok(Reply::bare(200, document.finish(&active.settings.version)))
}
