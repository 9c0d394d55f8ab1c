//! Keeps the figures that core counts, under the names and filters of the `telemetry` stanza.
mod process;
mod sample;

use jiff::Timestamp;
use lessor_core::metrics::Figures;
use lessor_core::settings::TelemetryConfig;
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use sample::{Sample, Samples};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often samples are put together; until then they take memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The figures of this process.
pub struct Kept {
    handle: PrometheusHandle,
    /// Names as Prometheus shows them, with those they were given.
    names: Arc<Mutex<BTreeMap<String, String>>>,
    samples: Arc<Samples>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(..)")
    }
}

struct Named {
    inner: PrometheusRecorder,
    names: Arc<Mutex<BTreeMap<String, String>>>,
    samples: Arc<Samples>,
    config: TelemetryConfig,
}

impl Named {
    /// The key under its full name; `None` when it is not kept.
    fn key(&self, key: &Key) -> Option<Key> {
        let name = match self.config.prefix.as_str() {
            "" => key.name().to_owned(),
            prefix => format!("{prefix}.{}", key.name()),
        };
        if !self.config.keeps(&name) {
            return None;
        }
        let shown: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
        self.names.lock().unwrap_or_else(PoisonError::into_inner).insert(shown.clone(), name);
        Some(Key::from_parts(shown, key.labels().cloned().collect::<Vec<_>>()))
    }
}

impl Recorder for Named {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.key(key).map_or_else(Counter::noop, |key| self.inner.register_counter(&key, metadata))
    }
    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.key(key).map_or_else(Gauge::noop, |key| self.inner.register_gauge(&key, metadata))
    }
    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let Some(key) = self.key(key) else { return Histogram::noop() };
        let quantiles = self.inner.register_histogram(&key, metadata);
        Histogram::from_arc(Arc::new(Both { quantiles, sample: self.samples.of(&key) }))
    }
}

/// Quantiles for Prometheus, sums for JSON.
struct Both {
    quantiles: Histogram,
    sample: Arc<Sample>,
}

impl HistogramFn for Both {
    fn record(&self, value: f64) {
        self.quantiles.record(value);
        self.sample.take(value);
    }
}

/// Begins to keep figures. A process has one set of them: a second server (in tests) shares the first one's.
pub fn start(config: &TelemetryConfig) -> Option<Arc<Kept>> {
    static KEPT: OnceLock<Option<Arc<Kept>>> = OnceLock::new();
    KEPT.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_quantiles(&[0.5, 0.9, 0.99]).ok()?;
        let inner = builder.build_recorder();
        let (handle, names, samples) = (inner.handle(), Arc::default(), Arc::<Samples>::default());
        let (shown, kept) = (Arc::clone(&names), Arc::clone(&samples));
        let recorder = Named { inner, names: shown, samples: kept, config: config.clone() };
        metrics::set_global_recorder(recorder).ok()?;
        Some(Arc::new(Kept { handle, names, samples }))
    })
    .clone()
}

impl Kept {
    /// Puts samples together until `stop`.
    pub async fn upkeep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(UPKEEP) => self.handle.run_upkeep(),
                () = stop.cancelled() => return,
            }
        }
    }
    fn name(&self, shown: &str) -> String {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(shown).cloned().unwrap_or_else(|| shown.to_owned())
    }
}

impl Figures for Kept {
    fn prometheus(&self) -> String {
        process::measure();
        self.handle.render()
    }
    fn json(&self) -> Value {
        process::measure();
        let text = self.handle.render();
        let (mut gauges, mut counters) = (Vec::new(), Vec::new());
        let mut kind = "";
        for line in text.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                kind = declared.rsplit(' ').next().unwrap_or_default();
                continue;
            }
            let Some((name, labels, value)) = figure(line) else { continue };
            match kind {
                "gauge" => gauges.push(json!({ "Name": self.name(name), "Value": value, "Labels": labels })),
                "counter" => {
                    counters.push(json!({ "Name": self.name(name), "Count": value, "Sum": value, "Labels": labels }));
                }
                _ => {}
            }
        }
        let samples = self.samples.json(|shown| self.name(shown));
        let now = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string();
        json!({ "Timestamp": now, "Gauges": gauges, "Points": [], "Counters": counters, "Samples": samples })
    }
}

/// `name{label="value"} 1.5`.
fn figure(line: &str) -> Option<(&str, Map<String, Value>, f64)> {
    let (front, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = front.split_once('{') else { return Some((front, Map::new(), value)) };
    let mut map = Map::new();
    // Label values are names of ours and mount paths: they hold no quotation marks.
    for label in labels.strip_suffix('}')?.split(',') {
        let (label, text) = label.split_once('=')?;
        map.insert(label.to_owned(), text.trim_matches('"').into());
    }
    Some((name, map, value))
}
