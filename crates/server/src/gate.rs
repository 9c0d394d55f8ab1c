//! The doors of a listener: which requests it takes, and which everybody may make.
use crate::config::Gates;
use crate::envelope::metrics_query;
use crate::path::{Cleaned, clean};
use hyper::Method;
use hyper::http::request::Parts;
use lessor_core::metrics;
use lessor_core::node::Core;
use lessor_core::response::Response;
use lessor_engine::Raw;

const METRICS: &str = "sys/metrics";

/// The path of a request, if the listener serves it.
///
/// # Errors
/// The refusal.
pub fn enter(gates: &Gates, raw: &str) -> Result<Cleaned, Response> {
    let figures = &gates.metrics;
    if figures.path.as_deref() == Some(raw) && !figures.refused {
        return Ok(Cleaned::Path(METRICS.to_owned()));
    }
    let path = clean(raw);
    let is = |wanted: &str| matches!(&path, Ok(Cleaned::Path(path)) if path == wanted);
    if figures.only && (figures.path.is_some() || !is(METRICS)) {
        return Err(plain(404, "this listener only serves the metrics endpoint"));
    }
    if figures.refused && is(METRICS) {
        return Err(plain(403, "metrics endpoint is disabled for this listener"));
    }
    if gates.without_replication_status && is("sys/replication/status") {
        return Err(Response::missing());
    }
    path
}

/// The answer to what everybody may ask at this listener, before core is asked who it is.
pub fn open(gates: &Gates, core: &Core, parts: &Parts, path: &str) -> Option<Response> {
    if parts.method != Method::GET {
        return None;
    }
    match path {
        METRICS if gates.metrics.open => Some(metrics::answer(core.settings(), &metrics_query(parts))),
        "sys/in-flight-req" if gates.open_in_flight => Some(Response::bare(200, core.under_way())),
        _ => None,
    }
}

/// The namespace of a request that named this one.
pub fn namespace(gates: &Gates, path: &str, named: String) -> String {
    // What every node tells everybody is not of any namespace.
    let is_status = matches!(path, "sys/health" | "sys/seal-status" | "sys/leader");
    if gates.chroot.is_empty() || (is_status && named.is_empty()) { named } else { format!("{}{named}", gates.chroot) }
}

fn plain(status: u16, text: &str) -> Response {
    let (content_type, bytes) = ("text/plain; charset=utf-8".into(), text.into());
    Response::raw(status, Raw { content_type, bytes })
}
