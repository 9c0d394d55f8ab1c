//! Figures of what a node does, counted where it happens and read at `sys/metrics`. Names are Vault's; no figure holds
//! more of a request than its mount and its operation.
use crate::response::Response;
use crate::settings::Settings;
use lessor_engine::{Fields, Operation, Raw};
use metrics::{gauge, histogram};
use serde_json::Value;
use std::fmt::Debug;
use std::time::Instant;

/// Where figures are kept; the server installs one.
pub trait Figures: Debug + Send + Sync {
    /// The text that Prometheus reads.
    fn prometheus(&self) -> String;
    /// `Timestamp`, `Gauges`, `Points`, `Counters`, `Samples`.
    fn json(&self) -> Value;
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The answer of `sys/metrics`.
pub fn answer(settings: &Settings, fields: &Fields) -> Response {
    let plain =
        |status, text: String| Response::raw(status, Raw { content_type: TEXT.to_owned(), bytes: text.into_bytes() });
    let Some(figures) = &settings.figures else { return Response::error(400, "metrics are not kept here") };
    match fields.get("format").and_then(Value::as_str).unwrap_or_default() {
        "prometheus" if settings.telemetry.prometheus_retention.is_zero() => {
            Response::error(400, "prometheus is not enabled")
        }
        "prometheus" => plain(200, figures.prometheus()),
        "" => Response::bare(200, figures.json()),
        other => plain(400, format!("metric response format {other:?} unknown")),
    }
}

/// Takes the time until it is dropped, in milliseconds.
pub struct Timed {
    name: String,
    began: Instant,
}

impl Timed {
    /// Under a name with dots.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), began: Instant::now() }
    }
    /// What a mount is asked for.
    pub fn route(operation: Operation, mount: &str) -> Self {
        Self::new(format!("route.{}.{}", operation.word(), mount.replace('/', "-")))
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        histogram!(std::mem::take(&mut self.name)).record(self.began.elapsed().as_secs_f64() * 1000.0);
    }
}

/// A request that is under way, until it is dropped.
pub struct InFlight(());

impl InFlight {
    /// One more.
    pub fn new() -> Self {
        gauge!("core.in_flight_requests").increment(1.0);
        Self(())
    }
}

impl Default for InFlight {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!("core.in_flight_requests").decrement(1.0);
    }
}
