//! Keeps the figures that core counts, under the names and filters of the `telemetry` stanza.
use jiff::Timestamp;
use lessor_core::metrics::Figures;
use lessor_core::settings::TelemetryConfig;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
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
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(..)")
    }
}

struct Named {
    inner: PrometheusRecorder,
    names: Arc<Mutex<BTreeMap<String, String>>>,
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
        self.key(key).map_or_else(Histogram::noop, |key| self.inner.register_histogram(&key, metadata))
    }
}

/// Begins to keep figures. A process has one set of them: a second server (in tests) shares the first one's.
pub fn start(config: &TelemetryConfig) -> Option<Arc<Kept>> {
    static KEPT: OnceLock<Option<Arc<Kept>>> = OnceLock::new();
    KEPT.get_or_init(|| {
        let builder = PrometheusBuilder::new().set_quantiles(&[0.5, 0.9, 0.99]).ok()?;
        let inner = builder.build_recorder();
        let (handle, names) = (inner.handle(), Arc::default());
        metrics::set_global_recorder(Named { inner, names: Arc::clone(&names), config: config.clone() }).ok()?;
        Some(Arc::new(Kept { handle, names }))
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
        self.handle.render()
    }
    fn json(&self) -> Value {
        let text = self.handle.render();
        let (mut gauges, mut counters, mut samples) = (Vec::new(), Vec::new(), BTreeMap::new());
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
                _ => {
                    for (end, field) in [("_count", "Count"), ("_sum", "Sum")] {
                        if let Some(name) = name.strip_suffix(end) {
                            let place = (self.name(name), Value::Object(labels.clone()).to_string());
                            let sample = samples.entry(place).or_insert_with(|| json!({ "Labels": labels }));
                            sample["Name"] = json!(self.name(name));
                            sample[field] = json!(value);
                        }
                    }
                }
            }
        }
        let samples: Vec<Value> = samples.into_values().collect();
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
