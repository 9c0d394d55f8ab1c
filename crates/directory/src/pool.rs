//! Connections that stay open between requests, all bound as one account.
use crate::connection::{Account, Bound, Connection, Failure};
use crate::result::code;
use crate::settings::Settings;
use lessor_engine::{Error, Result, Secret};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Connections at a time.
const OPEN: usize = 16;
/// Those that are kept.
const IDLE: usize = 4;
/// Requests that wait for one.
const MAX_WAITING: usize = 512;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// Active Directory closes connections that lay still for a quarter of an hour.
const LIFETIME: Duration = Duration::from_secs(300);

/// A password of the account, until a moment.
struct Candidate {
    password: Secret,
    until: Option<Instant>,
}

struct Idle {
    connection: Connection,
    born: Instant,
}

/// The pool. It opens itself when needed, and again when the directory was away.
pub struct Pool {
    settings: Settings,
    name: String,
    permits: Semaphore,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Idle>>,
    /// Tried in this order.
    candidates: Mutex<Vec<Candidate>>,
}

/// A connection of the pool. Given back with [`Leased::done`]; dropped, it is closed.
pub struct Leased<'a> {
    pool: &'a Pool,
    connection: Connection,
    born: Instant,
    /// Whether it lay in the pool before.
    pub reused: bool,
    _permit: SemaphorePermit<'a>,
}

impl Deref for Leased<'_> {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Leased<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Leased<'_> {
    /// It is as good as before.
    pub fn done(self) {
        let Self { pool, mut connection, born, .. } = self;
        if connection.is_closed() {
            return;
        }
        let mut idle = lock(&pool.idle);
        if idle.len() < IDLE {
            idle.push(Idle { connection, born });
        }
    }
}

impl Pool {
    /// Connections bound as `name` with `password`; nothing is opened yet. `previous` is tried for as long as it says,
    /// where the directory does not take the password: other servers of it may lag behind.
    pub fn new(settings: Settings, name: String, password: Secret, previous: Option<(Secret, Duration)>) -> Self {
        let mut candidates = vec![Candidate { password, until: None }];
        if let Some((password, left)) = previous {
            candidates.push(Candidate { password, until: Some(Instant::now() + left) });
        }
        Self {
            settings,
            name,
            permits: Semaphore::new(OPEN),
            waiting: AtomicUsize::new(0),
            idle: Mutex::new(Vec::new()),
            candidates: Mutex::new(candidates),
        }
    }
    /// Where it leads.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// Tries `password` first from now on, and the present one after it: during a rotation nobody knows for a moment
    /// which of them the directory takes.
    pub fn adopt(&self, password: &Secret) {
        let mut candidates = lock(&self.candidates);
        candidates.retain(|known| &known.password != password);
        candidates.insert(0, Candidate { password: password.clone(), until: None });
        candidates.truncate(3);
    }
    /// Forgets the connections that lie still.
    pub fn clear(&self) {
        lock(&self.idle).clear();
    }

    /// A bound connection, kept or new.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no directory answers; a refusal when it takes no password, or all stay busy.
    pub async fn get(&self, fresh: bool) -> Result<Leased<'_>> {
        let permit = self.permit().await?;
        while !fresh && let Some(mut idle) = self.take() {
            if idle.born.elapsed() < LIFETIME && !idle.connection.is_closed() {
                let Idle { connection, born } = idle;
                return Ok(Leased { pool: self, connection, born, reused: true, _permit: permit });
            }
        }
        let connection = self.open().await?;
        Ok(Leased { pool: self, connection, born: Instant::now(), reused: false, _permit: permit })
    }
    fn take(&self) -> Option<Idle> {
        lock(&self.idle).pop()
    }
    async fn permit(&self) -> Result<SemaphorePermit<'_>> {
        let busy = || Error::Refused {
            status: 500,
            message: format!("all {OPEN} connections to the directory are busy; try again later"),
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
    async fn open(&self) -> Result<Connection> {
        const DOING: &str = "failed to bind";
        let now = Instant::now();
        let known: Vec<Secret> = lock(&self.candidates)
            .iter()
            .filter(|candidate| candidate.until.is_none_or(|until| until > now) && !candidate.password.is_empty())
            .map(|candidate| candidate.password.clone())
            .collect();
        let mut connection = Connection::open(&self.settings).await?;
        let mut refused = None;
        for password in &known {
            let account = Account::Named { dn: &self.name, password: password.expose() };
            match connection.bind(account).await.map_err(|failure| failure.explain(DOING, 500))? {
                Bound::Yes => return Ok(connection),
                Bound::Refused(text) => {
                    refused.get_or_insert(Failure::Answered { code: code::INVALID_CREDENTIALS, text });
                }
            }
        }
        Err(match refused {
            Some(refused) => refused.explain(DOING, 500),
            None => Error::invalid("failed to bind: there is no password to bind with: set bindpass"),
        })
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
