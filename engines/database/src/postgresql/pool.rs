//! Connections that are kept open, at most so many at once, and the one way to use them.
//!
//! Everything goes by the simple query protocol: one round trip for a whole transaction, nothing prepared, so poolers
//! in transaction mode are no obstacle.
use super::{
    connect::{OpenError, Target, flag, text},
    error,
};
use crate::plugin::Details;
use futures::StreamExt;
use lessor_engine::{Error, Result, Secret, duration};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, SimpleQueryMessage, error::SqlState};

const DEFAULT_OPEN: usize = 4;
/// "Unlimited" is still no reason to take every slot a server can have.
const UNLIMITED: usize = 1000;
/// More than this many waiting callers are turned away at once.
const MAX_WAITING: usize = 5000;
/// How long a caller waits for a connection while all are busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a batch of statements may take.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// The rows of a batch, as texts.
pub type Rows = Vec<Vec<Option<String>>>;

/// Why a batch failed, and how many of its statements were done by then.
pub struct Failure {
    /// What the server or driver said; `None` when it did not answer in time.
    pub cause: Option<tokio_postgres::Error>,
    /// Statements that completed before.
    pub completed: usize,
}

struct Idle {
    client: Client,
    born: Instant,
}

/// The pool of one configuration.
pub struct Pool {
    target: Target,
    permits: Semaphore,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Idle>>,
    max_idle: usize,
    lifetime: Option<Duration>,
    /// The current password, and behind it the one before.
    passwords: Mutex<Vec<Secret>>,
}

/// A connection in use. Dropped, it is closed; only [`Leased::give_back`] returns it, so a caller that was cancelled
/// halfway leaves no half-open transaction behind.
pub struct Leased<'a> {
    pool: &'a Pool,
    idle: Idle,
    /// Whether it had been used before: then it may have died meanwhile.
    pub reused: bool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    /// Reads `max_open_connections`, `max_idle_connections` and `max_connection_lifetime`; opens nothing.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn new(target: Target, details: &Details) -> Result<Self> {
        let number = |key: &str| -> Result<i64> {
            let text = text(details, key);
            if text.is_empty() {
                Ok(0)
            } else {
                text.parse().map_err(|_| Error::invalid(format!("{key} must be a whole number")))
            }
        };
        let open = match number("max_open_connections")? {
            0 => DEFAULT_OPEN,
            n => usize::try_from(n).map_or(UNLIMITED, |n| n.min(UNLIMITED)),
        };
        let max_idle = match number("max_idle_connections")? {
            0 => open,
            n => usize::try_from(n).map_or(0, |n| n.min(open)),
        };
        let lifetime = text(details, "max_connection_lifetime");
        let lifetime = if lifetime.starts_with('-') {
            Duration::ZERO
        } else {
            duration::parse(&lifetime)
                .map_err(|error| Error::invalid(format!("invalid max_connection_lifetime: {error}")))?
        };
        let password = Secret::new(text(details, "password"));
        let fixed = flag(details, "self_managed") || password.is_empty();
        Ok(Self {
            target,
            permits: Semaphore::new(open),
            waiting: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
            max_idle,
            lifetime: Some(lifetime).filter(|lifetime| !lifetime.is_zero()),
            passwords: Mutex::new(if fixed { Vec::new() } else { vec![password] }),
        })
    }
    /// The server.
    pub fn target(&self) -> &Target {
        &self.target
    }
    /// Tries `password` first from now on, and the present one after it.
    pub fn adopt(&self, password: &Secret) {
        let mut passwords = lock(&self.passwords);
        passwords.retain(|known| known != password);
        passwords.insert(0, password.clone());
        passwords.truncate(2);
    }

    /// A connection, kept or new.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the server is not there; a refusal when all connections stay busy.
    pub async fn get(&self, fresh: bool) -> Result<Leased<'_>> {
        let permit = self.permit().await?;
        while !fresh && let Some(idle) = lock(&self.idle).pop() {
            let old = self.lifetime.is_some_and(|lifetime| idle.born.elapsed() >= lifetime);
            if !old && !idle.client.is_closed() {
                return Ok(Leased { pool: self, idle, reused: true, _permit: permit });
            }
        }
        let client = self.open(&self.target).await?;
        Ok(Leased { pool: self, idle: Idle { client, born: Instant::now() }, reused: false, _permit: permit })
    }
    async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        let busy = || Error::Refused {
            status: 500,
            message: "all connections to the database are busy; raise max_open_connections".to_owned(),
        };
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.waiting).ok_or_else(busy)?;
        match tokio::time::timeout(PATIENCE, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy()),
        }
    }
    /// A batch on a connection of its own to another database of the same server, within the pool's limit.
    ///
    /// # Errors
    /// When the connection cannot be made.
    pub async fn run_in(&self, database: &str, sql: &str) -> Result<std::result::Result<Rows, Failure>> {
        let _permit = self.permit().await?;
        // A kept connection makes room for this one.
        drop(lock(&self.idle).pop());
        let client = self.open(&self.target.in_database(database)).await?;
        Ok(batch(&client, sql).await)
    }
    async fn open(&self, target: &Target) -> Result<Client> {
        let known: Vec<Secret> = lock(&self.passwords).clone();
        if known.is_empty() || !target.password_is_filled_in {
            return target.open().await.map_err(|error| target.explain(&error));
        }
        let mut refused = None;
        for password in &known {
            let target = target.with_password(password);
            match target.open().await {
                Ok(client) => return Ok(client),
                Err(OpenError::Driver(error)) if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
                    refused.get_or_insert(target.explain(&error.into()));
                }
                Err(error) => return Err(target.explain(&error)),
            }
        }
        // At least one password was tried, so there is a refusal to report.
        Err(refused.unwrap_or_else(|| Error::Internal("no root password to log in with".to_owned())))
    }

    /// Sends a batch. A connection that turns out to have died while it lay idle is replaced once, so `sql` must be
    /// safe to repeat.
    pub async fn run(&self, sql: &str) -> Result<std::result::Result<Rows, Failure>> {
        let connection = self.get(false).await?;
        let reused = connection.reused;
        match connection.batch(sql).await {
            Err(Failure { cause: Some(cause), .. }) if reused && error::is_broken(&cause) => {
                // The others lay there as long as this one.
                lock(&self.idle).clear();
                Ok(self.get(true).await?.batch(sql).await)
            }
            other => Ok(other),
        }
    }
    /// The same, with failures in the engine's words.
    ///
    /// # Errors
    /// What the server says.
    pub async fn query(&self, doing: &str, sql: &str) -> Result<Rows> {
        self.run(sql).await?.map_err(|failure| failure.explain(doing, &[]))
    }
}

impl Failure {
    /// The engine's word for it.
    pub fn explain(&self, doing: &str, secrets: &[&str]) -> Error {
        match &self.cause {
            Some(cause) => error::map(doing, cause, secrets),
            None => Error::Unavailable(format!("{doing}: no answer within {} s", STATEMENT_TIMEOUT.as_secs())),
        }
    }
    /// Whether the server's answer has the quality.
    pub fn is(&self, quality: fn(&tokio_postgres::Error) -> bool) -> bool {
        self.cause.as_ref().is_some_and(quality)
    }
}

impl Leased<'_> {
    /// Sends a batch and gives the connection back if it is as good as before.
    pub async fn batch(self, sql: &str) -> std::result::Result<Rows, Failure> {
        match batch(&self.idle.client, sql).await {
            Ok(rows) => {
                self.give_back();
                Ok(rows)
            }
            Err(failure) => {
                let answered = failure.cause.as_ref().is_some_and(|cause| cause.as_db_error().is_some());
                // An explicit transaction stays open, and aborted, after an error.
                let usable = answered && !self.idle.client.is_closed();
                if usable && batch(&self.idle.client, "ROLLBACK; RESET SESSION AUTHORIZATION; RESET ALL").await.is_ok()
                {
                    self.give_back();
                }
                Err(failure)
            }
        }
    }
    fn give_back(self) {
        let Self { pool, idle, .. } = self;
        let mut kept = lock(&pool.idle);
        if kept.len() < pool.max_idle && !idle.client.is_closed() {
            kept.push(idle);
        }
    }
}

/// Sends a batch on a client of one's own.
pub async fn batch(client: &Client, sql: &str) -> std::result::Result<Rows, Failure> {
    let mut completed = 0;
    let work = async {
        let mut rows = Rows::new();
        let mut stream = std::pin::pin!(client.simple_query_raw(sql).await?);
        while let Some(message) = stream.next().await {
            match message? {
                SimpleQueryMessage::CommandComplete(_) => completed += 1,
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        Ok(rows)
    };
    match tokio::time::timeout(STATEMENT_TIMEOUT, work).await {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(cause)) => Err(Failure { cause: Some(cause), completed }),
        Err(_) => Err(Failure { cause: None, completed }),
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Option<Self> {
        let entered = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Nothing that holds these locks can panic halfway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
