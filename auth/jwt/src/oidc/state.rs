//! Logins that wait for a browser: few, short-lived, and in storage, since the browser may come back to another node.
use super::failed;
use crate::login::Proof;
use crate::role::CallbackMode;
use lessor_engine::{Changes, Context, Error, Result, Secret, secret};
use lessor_storage::Version;
use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

/// Seconds a person has at the provider.
const LIFETIME: i64 = 600;
/// Of one mount.
const MOST_WAITING: usize = 1000;
const FOLDER: &str = "state/";

/// What a browser posted for whoever began the login.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Posted {
    #[serde(with = "secret::at_rest")]
    pub(super) code: Secret,
    #[serde(with = "secret::at_rest")]
    pub(super) id_token: Secret,
}

/// How a login ended that somebody else asks for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// The browser is back, and its code is being exchanged.
    Busy,
    /// Who it was.
    In(Box<Proof>),
    /// Why not.
    Refused(String),
}

/// A login between `auth_url` and `callback` or `poll`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) role: String,
    pub(super) redirect_uri: String,
    pub(super) nonce: String,
    #[serde(with = "secret::at_rest")]
    pub(super) client_nonce: Secret,
    /// PKCE's (RFC 7636).
    #[serde(with = "secret::at_rest")]
    pub(super) verifier: Secret,
    pub(super) posted: Option<Posted>,
    #[serde(default)]
    pub(super) mode: CallbackMode,
    /// Of the device flow: what the provider knows it by.
    #[serde(with = "secret::at_rest", default)]
    pub(super) device_code: Secret,
    /// From where it was begun.
    #[serde(default)]
    pub(super) requester: String,
    /// When the provider was last asked for the outcome, in milliseconds since 1970.
    #[serde(default)]
    pub(super) asked: i64,
    #[serde(default)]
    pub(super) outcome: Option<Outcome>,
}

/// A login as it lies there.
pub(super) struct Found {
    pub(super) pending: Pending,
    key: String,
    version: Version,
}

fn random(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

pub(super) fn gone() -> Error {
    failed("Expired or missing OAuth state.")
}

/// The moment a state ends stands at its beginning, so that storage lists the oldest first.
fn ends(state: &str) -> Option<i64> {
    state.get(..10)?.parse().ok()
}

/// The key of a state as it came back, without the namespace that was put behind it.
fn key(cx: &Context, state: &str) -> Result<String> {
    let state = state.split(",ns=").next().unwrap_or_default();
    let plain = state.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let lives = ends(state).is_some_and(|ends| ends > cx.now().as_second());
    if plain && lives { Ok(format!("{FOLDER}{state}")) } else { Err(gone()) }
}

impl Pending {
    pub(super) fn new(role: String, redirect_uri: String, client_nonce: Secret) -> Self {
        let (nonce, verifier) = (random(32), Secret::new(random(64)));
        Self {
            role,
            redirect_uri,
            nonce,
            client_nonce,
            verifier,
            posted: None,
            mode: CallbackMode::Client,
            device_code: Secret::default(),
            requester: String::new(),
            asked: 0,
            outcome: None,
        }
    }
    /// Remembers the login; the state to give to the browser.
    ///
    /// # Errors
    /// 429 when too many wait already.
    pub(super) async fn begin(&self, cx: &Context) -> Result<String> {
        let over = room(cx).await?;
        let state = format!("{:010}{}", cx.now().as_second() + LIFETIME, random(32));
        let changes = over.into_iter().fold(Changes::new(), |changes, key| changes.delete(&key));
        cx.view.commit(changes.put(&format!("{FOLDER}{state}"), self)?).await?;
        Ok(state)
    }
}

/// Whether one more may wait; the keys of those whose time is over.
///
/// # Errors
/// 429 when too many wait already.
pub(super) async fn room(cx: &Context) -> Result<Vec<String>> {
    let now = cx.now().as_second();
    let waiting = cx.view.keys(FOLDER).await?;
    let (over, waiting): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|key| ends(&key[FOLDER.len()..]).is_none_or(|ends| ends <= now));
    if waiting.len() >= MOST_WAITING {
        let message = "too many logins wait for a browser: try again in a few minutes".to_owned();
        return Err(Error::Refused { status: 429, message });
    }
    Ok(over)
}

/// A login that waits.
pub(super) async fn find(cx: &Context, state: &str) -> Result<Found> {
    let key = key(cx, state)?;
    let (pending, version) = cx.view.get_versioned(&key).await?.ok_or_else(gone)?;
    Ok(Found { pending, key, version })
}

impl Found {
    /// Writes it back changed; whoever did so meanwhile was first.
    pub(super) async fn keep(&self, cx: &Context) -> Result<()> {
        let changes = Changes::new().put(&self.key, &self.pending)?.expect(&self.key, Some(self.version));
        once(cx, changes).await
    }
    /// The same, as it lies there now; `None` where somebody else was first.
    pub(super) async fn kept(self, cx: &Context) -> Result<Option<Self>> {
        let changes = Changes::new().put(&self.key, &self.pending)?.expect(&self.key, Some(self.version));
        match cx.view.commit(changes).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => return Ok(None),
            done => done?,
        }
        let found = cx.view.get_versioned(&self.key).await?;
        Ok(found.map(|(pending, version)| Self { pending, key: self.key, version }))
    }
    /// Ends the waiting, whatever others have written meanwhile.
    pub(super) async fn end(self, cx: &Context) -> Result<()> {
        cx.view.delete(&self.key).await
    }
    /// Ends the waiting: of several who ask at the same time one gets it.
    pub(super) async fn take(self, cx: &Context) -> Result<Pending> {
        once(cx, Changes::new().delete(&self.key).expect(&self.key, Some(self.version))).await?;
        Ok(self.pending)
    }
}

async fn once(cx: &Context, changes: Changes) -> Result<()> {
    match cx.view.commit(changes).await {
        Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => Err(gone()),
        done => done,
    }
}

/// Keeps what a browser posted; once, so that nobody can replace it.
pub(super) async fn keep_posted(cx: &Context, state: &str, posted: Posted) -> Result<Pending> {
    let mut found = find(cx, state).await?;
    if found.pending.posted.replace(posted).is_some() {
        return Err(gone());
    }
    found.keep(cx).await?;
    Ok(found.pending)
}
