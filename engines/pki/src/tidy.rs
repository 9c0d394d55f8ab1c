//! Throwing away what is not needed any more: by hand, and on a schedule.
use crate::Engine;
use crate::ca::Record;
use crate::encode::rfc3339;
use crate::revoke::{CERTS, REVOKED, Revoked, Stored, cert_at, revoked_at};
use crate::schedule::TIDY;
use crate::x509::Cert;
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Seconds, duration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const CONFIG: &str = "config/auto-tidy";
/// When scheduled tidying last ended, in seconds since 1970.
const LAST: &str = "auto-tidy-last";

/// What is tidied, and how old it has to be.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    pub(crate) tidy_cert_store: bool,
    pub(crate) tidy_revoked_certs: bool,
    pub(crate) tidy_revoked_cert_issuer_associations: bool,
    pub(crate) tidy_expired_issuers: bool,
    pub(crate) tidy_move_legacy_ca_bundle: bool,
    pub(crate) tidy_acme: bool,
    pub(crate) tidy_invalid_certs: bool,
    pub(crate) safety_buffer: i64,
    pub(crate) revoked_safety_buffer: Option<i64>,
    pub(crate) issuer_safety_buffer: i64,
    pub(crate) acme_account_safety_buffer: i64,
    pub(crate) pause_duration: String,
    pub(crate) page_size: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tidy_cert_store: false,
            tidy_revoked_certs: false,
            tidy_revoked_cert_issuer_associations: false,
            tidy_expired_issuers: false,
            tidy_move_legacy_ca_bundle: false,
            tidy_acme: false,
            tidy_invalid_certs: false,
            safety_buffer: 259_200,
            revoked_safety_buffer: None,
            issuer_safety_buffer: 31_536_000,
            acme_account_safety_buffer: 2_592_000,
            pause_duration: "0s".to_owned(),
            page_size: 1000,
        }
    }
}

/// `config/auto-tidy`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Auto {
    enabled: bool,
    interval_duration: i64,
    min_startup_backoff_duration: i64,
    max_startup_backoff_duration: i64,
    maintain_stored_certificate_counts: bool,
    publish_stored_certificate_count_metrics: bool,
    options: Options,
}

impl Default for Auto {
    fn default() -> Self {
        Self {
            enabled: false,
            interval_duration: 43_200,
            min_startup_backoff_duration: 300,
            max_startup_backoff_duration: 900,
            maintain_stored_certificate_counts: false,
            publish_stored_certificate_count_metrics: false,
            options: Options::default(),
        }
    }
}

#[derive(Params)]
pub(crate) struct Asked {
    /// Whether expired certificates are thrown away.
    tidy_cert_store: Option<bool>,
    /// The old name of tidy_revoked_certs.
    tidy_revocation_list: Option<bool>,
    /// Whether revocations of expired certificates are thrown away.
    tidy_revoked_certs: Option<bool>,
    /// Whether the issuer of each revocation is found anew.
    tidy_revoked_cert_issuer_associations: Option<bool>,
    /// Whether issuers long expired are thrown away.
    tidy_expired_issuers: Option<bool>,
    /// Whether a CA bundle of an old version is put aside; there is none here.
    tidy_move_legacy_ca_bundle: Option<bool>,
    /// Whether ACME orders, accounts and key bindings are tidied.
    tidy_acme: Option<bool>,
    /// Whether stored certificates that cannot be read are thrown away.
    tidy_invalid_certs: Option<bool>,
    /// How long after their end certificates are kept.
    safety_buffer: Option<Seconds>,
    /// How long after the end of the certificate revocations are kept; safety_buffer if absent.
    revoked_safety_buffer: Option<Seconds>,
    /// How long after their end issuers are kept.
    issuer_safety_buffer: Option<Seconds>,
    /// How long unused ACME accounts are kept.
    acme_account_safety_buffer: Option<Seconds>,
    /// How long to pause between entries.
    pause_duration: Option<String>,
    /// How many entries are read at once.
    page_size: Option<i64>,
}

#[derive(Params)]
pub(crate) struct AskedAuto {
    /// Whether tidying goes on by itself.
    enabled: Option<bool>,
    /// How long after the end of one run the next begins.
    interval_duration: Option<Seconds>,
    /// The least wait after unsealing.
    min_startup_backoff_duration: Option<Seconds>,
    /// The longest wait after unsealing.
    max_startup_backoff_duration: Option<Seconds>,
    /// Whether certificates are counted.
    maintain_stored_certificate_counts: Option<bool>,
    /// Whether the count is published with the metrics.
    publish_stored_certificate_count_metrics: Option<bool>,
    /// What is tidied.
    #[param(flatten)]
    options: Asked,
}

fn buffer(name: &str, given: Option<Seconds>, into: &mut i64) -> Result<()> {
    if let Some(seconds) = given {
        if seconds.0 < 1 {
            return Err(Error::invalid(format!("{name} must be greater than zero")));
        }
        *into = i64::try_from(seconds.0).unwrap_or(i64::MAX / 4);
    }
    Ok(())
}

impl Options {
    fn update(&mut self, asked: &Asked) -> Result<()> {
        let flags = [
            (asked.tidy_cert_store, &mut self.tidy_cert_store),
            (asked.tidy_revocation_list.or(asked.tidy_revoked_certs), &mut self.tidy_revoked_certs),
            (asked.tidy_revoked_cert_issuer_associations, &mut self.tidy_revoked_cert_issuer_associations),
            (asked.tidy_expired_issuers, &mut self.tidy_expired_issuers),
            (asked.tidy_move_legacy_ca_bundle, &mut self.tidy_move_legacy_ca_bundle),
            (asked.tidy_acme, &mut self.tidy_acme),
            (asked.tidy_invalid_certs, &mut self.tidy_invalid_certs),
        ];
        for (given, flag) in flags {
            *flag = given.unwrap_or(*flag);
        }
        buffer("safety_buffer", asked.safety_buffer, &mut self.safety_buffer)?;
        if asked.revoked_safety_buffer.is_some() {
            let mut value = 0;
            buffer("revoked_safety_buffer", asked.revoked_safety_buffer, &mut value)?;
            self.revoked_safety_buffer = Some(value);
        }
        buffer("issuer_safety_buffer", asked.issuer_safety_buffer, &mut self.issuer_safety_buffer)?;
        buffer("acme_account_safety_buffer", asked.acme_account_safety_buffer, &mut self.acme_account_safety_buffer)?;
        if let Some(text) = &asked.pause_duration {
            let parsed =
                duration::parse(text).map_err(|why| Error::invalid(format!("error parsing pause_duration: {why}")))?;
            self.pause_duration = duration::go_string(parsed);
        }
        if let Some(size) = asked.page_size {
            if size < 5 {
                return Err(Error::invalid("page_size must be 5 or more"));
            }
            self.page_size = size;
        }
        Ok(())
    }
    fn any(&self) -> bool {
        self.tidy_cert_store
            || self.tidy_revoked_certs
            || self.tidy_revoked_cert_issuer_associations
            || self.tidy_expired_issuers
            || self.tidy_move_legacy_ca_bundle
            || self.tidy_acme
            || self.tidy_invalid_certs
    }
    fn show(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut map)) = serde_json::to_value(self) else { return Map::new() };
        map.insert("revoked_safety_buffer".to_owned(), json!(self.revoked_safety_buffer.unwrap_or(self.safety_buffer)));
        map
    }
    fn pause(&self) -> Duration {
        duration::parse(&self.pause_duration).unwrap_or_default()
    }
    fn page(&self) -> usize {
        usize::try_from(self.page_size).unwrap_or(1000).min(10_000)
    }
}

/// How far a run is. In memory only.
#[derive(Clone, Default)]
struct Status {
    state: &'static str,
    error: Option<String>,
    message: Option<String>,
    started: Option<i64>,
    finished: Option<i64>,
    options: Option<Options>,
    certs_deleted: u64,
    revoked_deleted: u64,
    missing_issuer: u64,
    accounts_deleted: u64,
    accounts_revoked: u64,
    orders_deleted: u64,
    accounts: u64,
}

/// The run of a mount, and how it went.
#[derive(Default)]
pub(crate) struct Tidy {
    running: AtomicBool,
    cancelled: AtomicBool,
    status: Mutex<Status>,
}

impl Tidy {
    fn status(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::SeqCst) {
            return Err(Error::Internal("tidy operation cancelled".to_owned()));
        }
        Ok(())
    }
    fn begin(&self, options: &Options, now: i64) -> bool {
        if self.running.swap(true, Ordering::SeqCst) {
            return false;
        }
        self.cancelled.store(false, Ordering::SeqCst);
        *self.status() =
            Status { state: "Running", started: Some(now), options: Some(options.clone()), ..Status::default() };
        true
    }
    fn end(&self, done: &Result<()>, now: i64) {
        {
            let mut status = self.status();
            status.finished = Some(now);
            match done {
                Ok(()) => status.state = "Finished",
                Err(_) if self.cancelled.load(Ordering::SeqCst) => status.state = "Cancelled",
                Err(error) => {
                    status.state = "Error";
                    status.error = Some(error.to_string());
                }
            }
            status.message = None;
        }
        self.running.store(false, Ordering::SeqCst);
    }
    fn say(&self, message: &str) {
        self.status().message = Some(message.to_owned());
    }
    pub(crate) fn count_acme(&self, accounts: u64, deleted: u64, revoked: u64, orders: u64) {
        let mut status = self.status();
        status.accounts += accounts;
        status.accounts_deleted += deleted;
        status.accounts_revoked += revoked;
        status.orders_deleted += orders;
    }
}

impl Engine {
    /// One run, to its end.
    async fn tidy_all(&self, cx: &Context, options: &Options) -> Result<()> {
        if options.tidy_cert_store || options.tidy_invalid_certs {
            self.tidy_certs(cx, options).await?;
        }
        if options.tidy_revoked_certs || options.tidy_revoked_cert_issuer_associations {
            self.tidy_revoked(cx, options).await?;
        }
        if options.tidy_expired_issuers {
            self.tidy_issuers(cx, options).await?;
        }
        if options.tidy_acme {
            self.tidy.say("Tidying ACME");
            self.tidy_acme(cx, options).await?;
        }
        Ok(())
    }

    async fn tidy_certs(&self, cx: &Context, options: &Options) -> Result<()> {
        self.tidy.say("Tidying certificate store");
        let mut after: Option<String> = None;
        loop {
            let page = cx.view.raw_page(CERTS, after.as_deref(), options.page()).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (serial, bytes) in page {
                self.tidy.check()?;
                let stored: Option<Stored> = serde_json::from_slice(&bytes).ok();
                let readable = stored.as_ref().is_some_and(|stored| {
                    stored.der().is_ok_and(|der| !options.tidy_invalid_certs || Cert::parse(&der).is_ok())
                });
                let over = stored.is_some_and(|stored| {
                    stored.not_after.saturating_add(options.safety_buffer) < cx.now().as_second()
                });
                if (options.tidy_cert_store && readable && over) || (options.tidy_invalid_certs && !readable) {
                    cx.view.delete(&cert_at(&serial)).await?;
                    self.tidy.status().certs_deleted += 1;
                }
                if !options.pause().is_zero() {
                    tokio::time::sleep(options.pause()).await;
                }
            }
        }
    }

    async fn tidy_revoked(&self, cx: &Context, options: &Options) -> Result<()> {
        self.tidy.say("Tidying revoked certificates");
        let buffer = options.revoked_safety_buffer.unwrap_or(options.safety_buffer);
        let mut changed = false;
        let mut after: Option<String> = None;
        loop {
            let page = cx.view.page::<Revoked>(REVOKED, after.as_deref(), options.page()).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let ca = self.ca(cx).await?;
            for (serial, mut revoked) in page {
                self.tidy.check()?;
                let known = ca.issuers.iter().any(|issuer| issuer.record.id == revoked.issuer_id);
                if !known {
                    self.tidy.status().missing_issuer += 1;
                }
                let over = revoked.not_after.saturating_add(buffer) < cx.now().as_second();
                if options.tidy_revoked_certs && over {
                    cx.view.commit(Changes::new().delete(&revoked_at(&serial)).delete(&cert_at(&serial))).await?;
                    self.tidy.status().revoked_deleted += 1;
                    changed = true;
                } else if options.tidy_revoked_cert_issuer_associations
                    && !known
                    && let Some(stored) = self.stored(cx, &serial).await?
                    && let Some(issuer) = ca.issuer_of(&Cert::parse(&stored.der()?)?)
                {
                    revoked.issuer_id.clone_from(&issuer.record.id);
                    cx.view.put(&revoked_at(&serial), &revoked).await?;
                    changed = true;
                }
                if !options.pause().is_zero() {
                    tokio::time::sleep(options.pause()).await;
                }
            }
        }
        if changed {
            self.rebuild(cx, crate::crl::Which::Complete).await?;
        }
        Ok(())
    }

    async fn tidy_issuers(&self, cx: &Context, options: &Options) -> Result<()> {
        self.tidy.say("Tidying expired issuers");
        let now = cx.now().as_second();
        let gone = self
            .change(cx, |ca, record: &mut Record| {
                let over = |issuer: &&Arc<crate::ca::Issuer>| {
                    issuer.record.id != ca.record.default_issuer
                        && issuer.cert.not_after.saturating_add(options.issuer_safety_buffer) < now
                };
                let gone: Vec<_> = ca.issuers.iter().filter(over).cloned().collect();
                record.issuers.retain(|known| !gone.iter().any(|issuer| issuer.record.id == known.id));
                Ok((gone, Changes::new()))
            })
            .await?;
        for issuer in &gone {
            // Whoever needs it again imports it from here.
            tracing::warn!(issuer = issuer.record.id, certificate = issuer.cert.pem(), "an expired issuer was deleted");
        }
        if !gone.is_empty() {
            self.rebuild(cx, crate::crl::Which::Complete).await?;
        }
        Ok(())
    }

    async fn auto(&self, cx: &Context) -> Result<Auto> {
        Ok(cx.view.get(CONFIG).await?.unwrap_or_default())
    }

    /// When the next scheduled run is due.
    pub(crate) async fn tidy_due(&self, cx: &Context) -> Result<Option<i64>> {
        let auto = self.auto(cx).await?;
        if !auto.enabled {
            return Ok(None);
        }
        let last: Option<i64> = cx.view.get(LAST).await?;
        let now = cx.now().as_second();
        Ok(Some(last.map_or(now + auto.interval_duration, |last| (last + auto.interval_duration).max(now + 1))))
    }

    /// A scheduled run, unless one by hand has put it off since it was scheduled.
    pub(crate) async fn scheduled_tidy(&self, cx: &Context) -> Result<()> {
        let auto = self.auto(cx).await?;
        let last: Option<i64> = cx.view.get(LAST).await?;
        if last.is_some_and(|last| last.saturating_add(auto.interval_duration) > cx.now().as_second()) {
            return Ok(());
        }
        if auto.enabled && self.tidy.begin(&auto.options, cx.now().as_second()) {
            let done = self.tidy_all(cx, &auto.options).await;
            self.tidy.end(&done, cx.now().as_second());
            done?;
        }
        cx.view.put(LAST, &cx.now().as_second()).await
    }

    async fn show_status(&self, cx: &Context) -> Result<Map<String, Value>> {
        let status = self.tidy.status().clone();
        let last: Option<i64> = cx.view.get(LAST).await?;
        let ran = status.started.is_some();
        let time = |at: Option<i64>| at.map_or(Value::Null, |at| json!(rfc3339(at)));
        let count = |value: u64| if ran { json!(value) } else { Value::Null };
        let mut data = status.options.clone().unwrap_or_default().show();
        if !ran {
            data.values_mut().for_each(|value| *value = Value::Null);
        }
        let text = |text: &Option<String>| text.as_ref().map_or(Value::Null, |text| json!(text));
        data.extend([
            ("state".to_owned(), json!(if ran { status.state } else { "Inactive" })),
            ("error".to_owned(), text(&status.error)),
            ("message".to_owned(), text(&status.message)),
            ("time_started".to_owned(), time(status.started)),
            ("time_finished".to_owned(), time(status.finished)),
            ("last_auto_tidy_finished".to_owned(), time(last)),
            ("cert_store_deleted_count".to_owned(), count(status.certs_deleted)),
            ("revoked_cert_deleted_count".to_owned(), count(status.revoked_deleted)),
            ("missing_issuer_cert_count".to_owned(), count(status.missing_issuer)),
            ("acme_account_deleted_count".to_owned(), count(status.accounts_deleted)),
            ("acme_account_revoked_count".to_owned(), count(status.accounts_revoked)),
            ("acme_orders_deleted_count".to_owned(), count(status.orders_deleted)),
            ("total_acme_account_count".to_owned(), count(status.accounts)),
            ("internal_backend_uuid".to_owned(), json!(cx.mount.uuid)),
        ]);
        let counted = self.auto(cx).await?.maintain_stored_certificate_counts;
        for (name, folder) in [("current_cert_store_count", CERTS), ("current_revoked_cert_count", REVOKED)] {
            let value = if counted { json!(cx.view.list(folder).await?.len()) } else { Value::Null };
            data.insert(name.to_owned(), value);
        }
        Ok(data)
    }
}

pub(crate) async fn start(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    let mut options = Options::default();
    options.update(&asked)?;
    if !engine.tidy.begin(&options, cx.now().as_second()) {
        return Ok(Reply::empty().warn("Tidy operation already in progress.").status(202));
    }
    if !options.any() {
        let now = cx.now().as_second();
        engine.tidy.end(&Ok(()), now);
        cx.view.put(LAST, &now).await?;
        return Ok(Reply::empty().warn("Manual tidy requested but no tidy operations were set. Enable at least one tidy operation to be run (tidy_cert_store / tidy_revoked_certs / tidy_invalid_certs / tidy_revoked_cert_issuer_associations / tidy_expired_issuers / tidy_move_legacy_ca_bundle / tidy_acme).").status(202));
    }
    tokio::spawn(async move {
        let done = engine.tidy_all(&cx, &options).await;
        let now = cx.now().as_second();
        engine.tidy.end(&done, now);
        match done {
            // A run by hand puts the next scheduled one off.
            Ok(()) => drop(cx.view.put(LAST, &now).await),
            Err(Error::Storage(lessor_storage::Error::Sealed)) => {}
            Err(error) => tracing::warn!(%error, mount = %cx.mount.path, "tidying ended early"),
        }
    });
    let text = "Tidy operation successfully started. Any information from the operation will be printed to Lessor's \
                server logs.";
    Ok(Reply::empty().warn(text).status(202))
}

pub(crate) async fn status(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(Value::Object(engine.show_status(&cx).await?)))
}

pub(crate) async fn cancel(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    if !engine.tidy.running.load(Ordering::SeqCst) {
        return Ok(Reply::empty().warn("Tidy operation cannot be cancelled as none is currently running."));
    }
    engine.tidy.cancelled.store(true, Ordering::SeqCst);
    engine.tidy.status().state = "Cancelling";
    Ok(Reply::data(Value::Object(engine.show_status(&cx).await?)))
}

fn show(auto: &Auto) -> Value {
    let mut data = auto.options.show();
    data.extend([
        ("enabled".to_owned(), json!(auto.enabled)),
        ("interval_duration".to_owned(), json!(auto.interval_duration)),
        ("min_startup_backoff_duration".to_owned(), json!(auto.min_startup_backoff_duration)),
        ("max_startup_backoff_duration".to_owned(), json!(auto.max_startup_backoff_duration)),
        ("maintain_stored_certificate_counts".to_owned(), json!(auto.maintain_stored_certificate_counts)),
        ("publish_stored_certificate_count_metrics".to_owned(), json!(auto.publish_stored_certificate_count_metrics)),
    ]);
    Value::Object(data)
}

pub(crate) async fn read_auto(engine: Arc<Engine>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::data(show(&engine.auto(&cx).await?)))
}

pub(crate) async fn write_auto(engine: Arc<Engine>, cx: Context, asked: AskedAuto) -> Result<Reply> {
    let mut auto = engine.auto(&cx).await?;
    auto.options.update(&asked.options)?;
    auto.enabled = asked.enabled.unwrap_or(auto.enabled);
    buffer("interval_duration", asked.interval_duration, &mut auto.interval_duration)?;
    buffer("min_startup_backoff_duration", asked.min_startup_backoff_duration, &mut auto.min_startup_backoff_duration)?;
    buffer("max_startup_backoff_duration", asked.max_startup_backoff_duration, &mut auto.max_startup_backoff_duration)?;
    if auto.min_startup_backoff_duration > auto.max_startup_backoff_duration {
        return Err(Error::invalid(
            "min_startup_backoff_duration must not be longer than max_startup_backoff_duration",
        ));
    }
    auto.maintain_stored_certificate_counts =
        asked.maintain_stored_certificate_counts.unwrap_or(auto.maintain_stored_certificate_counts);
    auto.publish_stored_certificate_count_metrics =
        asked.publish_stored_certificate_count_metrics.unwrap_or(auto.publish_stored_certificate_count_metrics);
    if auto.publish_stored_certificate_count_metrics && !auto.maintain_stored_certificate_counts {
        return Err(Error::invalid(
            "Can not publish a running storage metrics count without first maintaining that count. Enable `maintain_stored_certificate_counts` to enable `publish_stored_certificate_count_metrics`.",
        ));
    }
    if auto.enabled && !auto.options.any() {
        return Err(Error::invalid(
            "Auto-tidy enabled but no tidy operations were requested. Enable at least one tidy operation to be run (tidy_cert_store / tidy_revoked_certs / tidy_invalid_certs / tidy_revoked_cert_issuer_associations / tidy_expired_issuers / tidy_move_legacy_ca_bundle / tidy_acme).",
        ));
    }
    cx.view.put(CONFIG, &auto).await?;
    Ok(Reply::data(show(&auto)).reschedule(TIDY))
}
