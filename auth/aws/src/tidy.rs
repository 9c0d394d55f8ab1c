//! Clearing away entries of the two lists that protect from nothing any more: by hand, and every hour by itself.
use crate::Aws;
use crate::access_list::{self, Entry};
use crate::tags::{self, Denied};
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Seconds, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PAGE: usize = 200;
/// Between two runs.
const PAUSE: Duration = Duration::from_secs(3600);
/// How long an entry stays beyond its end where nobody says otherwise.
const BUFFER: Seconds = Seconds(72 * 3600);

/// The lists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum List {
    /// Of instances that have logged in.
    Access,
    /// Of role tags that are not believed.
    Deny,
}

/// Which of the lists are being tidied on this node.
#[derive(Default)]
pub(crate) struct Running([AtomicBool; 2]);

/// What is stored under `config/tidy/<list>`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    safety_buffer: Seconds,
    disable_periodic_tidy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { safety_buffer: BUFFER, disable_periodic_tidy: false }
    }
}

#[derive(Params)]
pub(crate) struct SettingsParams {
    /// How long an entry stays beyond its end; 72 hours where it was never said.
    safety_buffer: Option<Seconds>,
    /// Leaves tidying to whoever asks for it.
    disable_periodic_tidy: Option<bool>,
}

#[derive(Params)]
pub(crate) struct TidyParams {
    /// How long an entry stays beyond its end; 72 hours where it is left out.
    safety_buffer: Option<Seconds>,
}

impl List {
    const ALL: [Self; 2] = [Self::Access, Self::Deny];

    fn name(self) -> &'static str {
        match self {
            Self::Access => "identity-accesslist",
            Self::Deny => "roletag-denylist",
        }
    }
    /// What core schedules.
    pub(crate) fn subject(self) -> String {
        format!("tidy/{}", self.name())
    }
    pub(crate) fn of_subject(subject: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.subject() == subject)
    }
    fn settings_key(self) -> String {
        format!("config/tidy/{}", self.name())
    }
    /// Where the time of the next run is kept.
    fn next_key(self) -> String {
        format!("tidy-next/{}", self.name())
    }
}

fn from_now(cx: &Context) -> Timestamp {
    cx.now().saturating_add(PAUSE).unwrap_or(Timestamp::MAX)
}

/// Adds to a commit that puts something into a list that there is something to be tidied from now on. The schedule does
/// not move with what is added later.
pub(crate) async fn begun(cx: &Context, list: List, changes: Changes) -> Result<Changes> {
    match cx.view.version(&list.next_key()).await? {
        Some(_) => Ok(changes),
        None => changes.put(&list.next_key(), &from_now(cx)),
    }
}

/// When a list is tidied by itself.
pub(crate) async fn due(cx: &Context, list: List) -> Result<Option<Timestamp>> {
    let settings: Settings = cx.view.get(&list.settings_key()).await?.unwrap_or_default();
    if settings.disable_periodic_tidy {
        return Ok(None);
    }
    cx.view.get(&list.next_key()).await
}

/// A run that was due.
pub(crate) async fn scheduled(cx: &Context, list: List) -> Result<Changes> {
    let settings: Settings = cx.view.get(&list.settings_key()).await?.unwrap_or_default();
    run(cx, list, settings.safety_buffer).await?;
    Changes::new().put(&list.next_key(), &from_now(cx))
}

async fn run(cx: &Context, list: List, buffer: Seconds) -> Result<()> {
    match list {
        List::Access => sweep(cx, access_list::FOLDER, buffer, |entry: &Entry| entry.expires).await,
        List::Deny => sweep(cx, tags::FOLDER, buffer, |denied: &Denied| denied.expires).await,
    }
}

async fn sweep<T: DeserializeOwned>(
    cx: &Context,
    folder: &str,
    Seconds(buffer): Seconds,
    expires: impl Fn(&T) -> Timestamp,
) -> Result<()> {
    let is_over = |entry: &T| {
        let gone = expires(entry).saturating_add(Duration::from_secs(buffer)).unwrap_or(Timestamp::MAX);
        gone < cx.now()
    };
    let mut after: Option<String> = None;
    loop {
        let page: Vec<(String, T)> = cx.view.page(folder, after.as_deref(), PAGE).await?;
        for (name, _) in page.iter().filter(|(_, entry)| is_over(entry)) {
            remove(cx, &format!("{folder}{name}"), &is_over).await?;
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
            _ => return Ok(()),
        }
    }
}

/// Removes an entry, unless somebody renews it at this moment.
async fn remove<T: DeserializeOwned>(cx: &Context, key: &str, is_over: &impl Fn(&T) -> bool) -> Result<()> {
    let Some((_, version)) = cx.view.get_versioned::<T>(key).await?.filter(|(entry, _)| is_over(entry)) else {
        return Ok(());
    };
    match cx.view.commit(Changes::new().delete(key).expect(key, Some(version))).await {
        Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => Ok(()),
        done => done,
    }
}

pub(crate) async fn start(aws: Arc<Aws>, cx: Context, sent: TidyParams, list: List) -> Result<Reply> {
    let running = move |aws: &Aws, now: bool| aws.tidying.0[list as usize].swap(now, Ordering::SeqCst);
    if running(&aws, true) {
        return Ok(Reply::empty().warn("Tidy operation already in progress.").status(202));
    }
    let buffer = sent.safety_buffer.unwrap_or(BUFFER);
    tokio::spawn(async move {
        match run(&cx, list, buffer).await {
            Ok(()) => tracing::info!(mount = %cx.mount.path, list = list.name(), "the list is tidy"),
            Err(Error::Storage(lessor_storage::Error::Sealed)) => {}
            Err(error) => tracing::warn!(%error, mount = %cx.mount.path, list = list.name(), "tidying a list failed"),
        }
        running(&aws, false);
    });
    let text = "Tidy operation successfully started. Any information from the operation will be printed to Lessor's \
                server logs.";
    Ok(Reply::empty().warn(text).status(202))
}

pub(crate) async fn write(cx: Context, sent: SettingsParams, list: List) -> Result<Reply> {
    let old: Settings = cx.view.get(&list.settings_key()).await?.unwrap_or_default();
    let settings = Settings {
        safety_buffer: sent.safety_buffer.unwrap_or(old.safety_buffer),
        disable_periodic_tidy: sent.disable_periodic_tidy.unwrap_or(old.disable_periodic_tidy),
    };
    cx.view.put(&list.settings_key(), &settings).await?;
    Ok(Reply::empty().reschedule(list.subject()))
}

pub(crate) async fn read(cx: Context, list: List) -> Result<Reply> {
    let settings: Option<Settings> = cx.view.get(&list.settings_key()).await?;
    Ok(settings.map_or_else(Reply::missing, |settings| Reply::data(json!(settings))))
}

pub(crate) async fn delete(cx: Context, list: List) -> Result<Reply> {
    cx.view.delete(&list.settings_key()).await?;
    Ok(Reply::empty().reschedule(list.subject()))
}
