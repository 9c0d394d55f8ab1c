//! What a listener opens to everybody, and what it keeps to itself.
use super::value::{flag, text};
use super::{Fault, Places};
use lessor_hcl::Body;

/// `telemetry` of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Serves the figures without a token.
    pub open: bool,
    /// Does not serve them (403).
    pub refused: bool,
    /// Serves nothing else (404).
    pub only: bool,
    /// Serves them at this path too; with `only`, at this one alone.
    pub path: Option<String>,
}

/// Doors of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gates {
    /// The figures.
    pub metrics: Metrics,
    /// Lists the requests under way without a token.
    pub open_in_flight: bool,
    /// Does not serve `sys/replication/status` (404).
    pub without_replication_status: bool,
    /// The namespace all requests are for, or one below it: empty, or with a trailing slash.
    pub chroot: String,
}

pub(super) fn gates(body: &Body, places: &mut Places<'_>) -> Result<Gates, Fault> {
    let chroot = text(body, "chroot_namespace")?.unwrap_or_default();
    let chroot = chroot.trim_matches('/');
    Ok(Gates {
        metrics: metrics(body, places)?,
        open_in_flight: open_in_flight(body)?,
        without_replication_status: flag(body, "disable_replication_status_endpoints")?,
        chroot: if chroot.is_empty() { String::new() } else { format!("{chroot}/") },
    })
}

fn metrics(body: &Body, places: &mut Places<'_>) -> Result<Metrics, Fault> {
    let blocks = body.blocks("telemetry", 0)?;
    let Some(block) = blocks.first() else { return Ok(Metrics::default()) };
    places.unknown(block.body, &["unauthenticated_metrics_access", "disallow_metrics", "metrics_only", "metrics_path"]);
    let metrics = Metrics {
        open: flag(block.body, "unauthenticated_metrics_access")?,
        refused: flag(block.body, "disallow_metrics")?,
        only: flag(block.body, "metrics_only")?,
        path: text(block.body, "metrics_path")?.filter(|path| !path.is_empty()),
    };
    if metrics.refused && metrics.only {
        return Err(Fault::Value("listener: with metrics_only and disallow_metrics nothing is served".to_owned()));
    }
    match &metrics.path {
        Some(path) if !path.starts_with('/') => {
            Err(Fault::Value(format!("listener: metrics_path '{path}' must begin with a slash: /metrics")))
        }
        _ => Ok(metrics),
    }
}

/// Vault's stanza and OpenBao's.
fn open_in_flight(body: &Body) -> Result<bool, Fault> {
    let mut open = false;
    for (stanza, key) in [
        ("profiling", "unauthenticated_in_flight_request_access"),
        ("inflight_requests_logging", "unauthenticated_in_flight_requests_access"),
    ] {
        for block in body.blocks(stanza, 0)? {
            open |= flag(block.body, key)?;
        }
    }
    Ok(open)
}
