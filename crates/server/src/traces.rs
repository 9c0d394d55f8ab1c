//! `otlp_endpoint`: one span per request, sent to a collector as OTLP over HTTP in its JSON encoding
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>). A span holds operation, mount, namespace and status; no path
//! behind the mount, no parameter, no header.
use crate::edge::Edge;
use jiff::Timestamp;
use lessor_core::request::Request;
use rand::Rng;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Spans that wait; more are lost.
const QUEUE: usize = 4096;
/// Spans of one message.
const BATCH: usize = 512;
/// How long a message waits for more spans.
const GATHER: Duration = Duration::from_secs(1);
/// How long a collector may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A request on its way: what its span will tell.
pub struct Begun {
    at: Timestamp,
    clock: Instant,
    operation: &'static str,
    mount: String,
    namespace: String,
}

/// Where spans are handed in. Nobody waits for it: what does not fit is lost.
pub struct Traces(mpsc::Sender<Value>);

/// The other end, which sends them.
pub struct Exporter {
    queue: mpsc::Receiver<Value>,
    client: reqwest::Client,
    url: String,
}

impl Begun {
    /// Notes what is known of a request before it is served.
    pub fn new(edge: &Edge, request: &Request) -> Self {
        let active = edge.core.active().ok();
        let resolved = active.as_ref().and_then(|a| a.namespaces.resolve(&request.namespace, &request.path));
        let mounted = active.as_ref().zip(resolved.as_ref()).and_then(|(a, at)| a.mounts.find(&at.namespace, &at.path));
        Self {
            at: Timestamp::now(),
            clock: Instant::now(),
            operation: request.operation.word(),
            mount: mounted.map(|mounted| mounted.entry.path.clone()).unwrap_or_default(),
            namespace: resolved.map(|resolved| resolved.namespace).unwrap_or_default(),
        }
    }
    fn span(self, status: u16) -> Value {
        let begin = self.at.as_nanosecond();
        let end = begin + i128::try_from(self.clock.elapsed().as_nanos()).unwrap_or_default();
        let (trace, span): ([u8; 16], [u8; 8]) = rand::rng().random();
        let text = |key: &str, text: &str| json!({ "key": key, "value": { "stringValue": text } });
        json!({
            "traceId": hex::encode(trace),
            "spanId": hex::encode(span),
            "name": format!("{} {}", self.operation, self.mount).trim_end(),
            "kind": 2,
            "startTimeUnixNano": begin.to_string(),
            "endTimeUnixNano": end.to_string(),
            "attributes": [
                text("lessor.operation", self.operation),
                text("lessor.mount", &self.mount),
                text("lessor.namespace", &self.namespace),
                { "key": "http.response.status_code", "value": { "intValue": status.to_string() } },
            ],
            "status": { "code": if status >= 500 { 2 } else { 0 } },
        })
    }
}

impl Traces {
    /// A way to the collector at `endpoint`, and what sends along it.
    ///
    /// # Errors
    /// When the endpoint is none of `http://`.
    pub fn to(endpoint: &str) -> Result<(Self, Exporter), String> {
        if !endpoint.starts_with("http://") {
            return Err(format!("otlp_endpoint {endpoint}: only http:// is spoken, to a collector nearby"));
        }
        let base = endpoint.trim_end_matches('/');
        let url = if base.ends_with("/v1/traces") { base.to_owned() } else { format!("{base}/v1/traces") };
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build();
        let client = client.map_err(|error| format!("otlp_endpoint {endpoint}: {error}"))?;
        let (hand_in, queue) = mpsc::channel(QUEUE);
        Ok((Self(hand_in), Exporter { queue, client, url }))
    }
    /// Hands in the span of a request that was answered.
    pub fn ended(&self, begun: Begun, status: u16) {
        // A full queue costs spans, never requests.
        let _ = self.0.try_send(begun.span(status));
    }
}

impl Exporter {
    /// Sends until `stop`, and then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut down = false;
        let mut spans = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                count = self.queue.recv_many(&mut spans, BATCH) => if count == 0 { return },
                () = stop.cancelled() => {
                    self.queue.close();
                    if self.queue.recv_many(&mut spans, BATCH).await == 0 {
                        return;
                    }
                }
            }
            if !stop.is_cancelled() {
                // What cannot be gathered within the time goes with the next message.
                let gathering = self.gather(&mut spans);
                let _ = tokio::time::timeout(GATHER, gathering).await;
            }
            match self.send(std::mem::take(&mut spans)).await {
                Ok(()) => down = false,
                Err(error) if !down => {
                    down = true;
                    tracing::warn!(%error, "the collector of traces does not take them: they are lost until it does");
                }
                Err(_) => {}
            }
        }
    }
    async fn gather(&mut self, spans: &mut Vec<Value>) {
        while spans.len() < BATCH && self.queue.recv_many(spans, BATCH - spans.len()).await > 0 {}
    }
    async fn send(&self, spans: Vec<Value>) -> Result<(), reqwest::Error> {
        let service = json!([{ "key": "service.name", "value": { "stringValue": "lessor" } }]);
        let scope = json!({ "scope": { "name": "lessor" }, "spans": spans });
        let message = json!({ "resourceSpans": [{ "resource": { "attributes": service }, "scopeSpans": [scope] }] });
        let request = self.client.post(&self.url).header("content-type", "application/json");
        request.body(message.to_string()).send().await?.error_for_status().map(|_| ())
    }
}
