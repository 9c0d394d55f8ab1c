//! `sys/metrics`.
use super::System;
use crate::metrics;
use crate::response::Body;
use lessor_engine::{Context, Outcome, Params, Paths, Reply, Result};
use serde_json::json;
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths.path("metrics", "Shows the figures of this node.", |path| path.read(read))
}

#[derive(Params)]
struct Read {
    /// `prometheus`, or nothing for JSON.
    format: String,
}

async fn read(system: Arc<System>, _: Context, given: Read) -> Result<Reply> {
    let fields = serde_json::Map::from_iter([("format".to_owned(), json!(given.format))]);
    let answer = metrics::answer(system.core()?.settings(), &fields);
    Ok(match answer.body {
        Body::Raw(raw) => Reply::from(Outcome::Raw(raw)).status(answer.status),
        other => Reply::bare(answer.status, other.into_value()),
    })
}
