//! Figures of what a node does, counted where it happens and read at `sys/metrics`. Names are Vault's; no figure holds
//! more of a request than its mount and its operation.
use crate::response::Response;
use crate::settings::Settings;
use crate::token::Token;
use lessor_engine::{Fields, Operation, Raw, Result};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use serde_json::Value;
use std::fmt::Debug;
use std::future::Future;
use std::sync::OnceLock;
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

/// A name under which times are kept. Where they are kept is found at its first use, so a process installs its
/// recorder before its first node.
pub struct Timer {
    name: &'static str,
    kept: OnceLock<Histogram>,
}

impl Timer {
    /// Under a name with dots.
    pub const fn new(name: &'static str) -> Self {
        Self { name, kept: OnceLock::new() }
    }
    /// Takes the time until the value is dropped.
    pub fn start(&self) -> Timed<'_> {
        Timed::new(self.kept.get_or_init(|| histogram!(self.name)))
    }
}

/// Takes the time from here to the end of the block, under this name.
macro_rules! timed {
    ($name:literal) => {{
        static TIMER: $crate::metrics::Timer = $crate::metrics::Timer::new($name);
        TIMER.start()
    }};
}
pub(crate) use timed;

/// Takes the time until it is dropped, in milliseconds.
pub struct Timed<'a> {
    kept: &'a Histogram,
    began: Instant,
}

impl<'a> Timed<'a> {
    fn new(kept: &'a Histogram) -> Self {
        Self { kept, began: Instant::now() }
    }
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.kept.record(self.began.elapsed().as_secs_f64() * 1000.0);
    }
}

/// The times of what one mount is asked for, by operation.
#[derive(Default)]
pub struct Routes([OnceLock<Histogram>; 7]);

impl Routes {
    /// Takes the time of one operation on the mount at `path` until the value is dropped.
    pub fn start(&self, operation: Operation, path: &str) -> Timed<'_> {
        let at = match operation {
            Operation::Read => 0,
            Operation::Create => 1,
            Operation::Update => 2,
            Operation::Patch => 3,
            Operation::Delete => 4,
            Operation::List => 5,
            Operation::Scan => 6,
        };
        let name = || format!("route.{}.{}", operation.word(), path.replace('/', "-"));
        Timed::new(self.0[at].get_or_init(|| histogram!(name())))
    }
}

/// Counts an answer by its status.
pub fn count_status(status: u16) {
    static KEPT: [OnceLock<Counter>; 600] = [const { OnceLock::new() }; 600];
    let Some(kept) = KEPT.get(usize::from(status)) else { return };
    let find = || {
        let class = format!("{}xx", status / 100);
        counter!("core.response_status_code", "code" => status.to_string(), "type" => class)
    };
    kept.get_or_init(find).increment(1);
}

/// The bucket of a TTL in seconds, as labels name it: the next of a row of round times, and `+Inf` beyond them.
pub fn ttl_bucket(seconds: u64) -> &'static str {
    match seconds {
        1..=60 => "1m",
        61..=600 => "10m",
        601..=1200 => "20m",
        1201..=3600 => "1h",
        3601..=7200 => "2h",
        7201..=86_400 => "1d",
        86_401..=172_800 => "2d",
        172_801..=604_800 => "7d",
        604_801..=2_592_000 => "30d",
        0 | 2_592_001.. => "+Inf",
    }
}

/// Counts a token that was made by the auth method of that kind, mounted there.
pub fn count_token(kind: &str, mount: &str, token: &Token) {
    let labels = [
        ("auth_method", kind.to_owned()),
        ("mount_point", mount.to_owned()),
        ("creation_ttl", ttl_bucket(token.creation_ttl).to_owned()),
        ("token_type", token.kind.word().to_owned()),
    ];
    counter!("token.creation", &labels).increment(1);
}

/// Counts a lease whose revocation was attempted by itself, so many milliseconds after it was due.
pub fn count_expiration(lateness: i64, failed: bool) {
    static EXPIRED: OnceLock<Counter> = OnceLock::new();
    static QUEUED: OnceLock<Histogram> = OnceLock::new();
    EXPIRED.get_or_init(|| counter!("expire.lease_expiration")).increment(1);
    let lateness = u32::try_from(lateness.max(0)).unwrap_or(u32::MAX);
    QUEUED.get_or_init(|| histogram!("expire.lease_expiration.time_in_queue")).record(f64::from(lateness));
    if failed {
        counter!("expire.lease_expiration.error").increment(1);
    }
}

/// Counts a request that a quota refused.
pub fn count_violation(name: &'static str, quota: &str) {
    counter!(name, "name" => quota.to_owned()).increment(1);
}

/// What core asks a database engine to do with an account.
#[derive(Clone, Copy)]
pub enum Account {
    /// Make it.
    New,
    /// Let it live longer.
    Update,
    /// Delete it.
    Delete,
}

/// Takes the time of a call and counts its failure, where it is a database's; of other engines nothing is kept.
///
/// # Errors
/// What the call says.
pub async fn account<T>(kind: &str, what: Account, call: impl Future<Output = Result<T>>) -> Result<T> {
    static NEW: Timer = Timer::new("database.NewUser");
    static UPDATE: Timer = Timer::new("database.UpdateUser");
    static DELETE: Timer = Timer::new("database.DeleteUser");
    if kind != "database" {
        return call.await;
    }
    let (timer, failures) = match what {
        Account::New => (&NEW, "database.NewUser.error"),
        Account::Update => (&UPDATE, "database.UpdateUser.error"),
        Account::Delete => (&DELETE, "database.DeleteUser.error"),
    };
    let _time = timer.start();
    call.await.inspect_err(|_| counter!(failures).increment(1))
}

fn in_flight() -> &'static Gauge {
    static KEPT: OnceLock<Gauge> = OnceLock::new();
    KEPT.get_or_init(|| gauge!("core.in_flight_requests"))
}

/// A request that is under way, until it is dropped.
pub struct InFlight(());

impl InFlight {
    /// One more.
    pub fn new() -> Self {
        in_flight().increment(1.0);
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
        in_flight().decrement(1.0);
    }
}
