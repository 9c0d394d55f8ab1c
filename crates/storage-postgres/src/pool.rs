//! Connections that are kept open, at most so many at once.
use crate::session::{Fault, Session};
use crate::settings::Settings;
use lessor_storage::{Error, Result};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout_at};

/// How long a call goes on trying while the server is away.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// A connection is replaced after this time, so that a server that moved is found.
const LIFETIME: Duration = Duration::from_secs(3600);
/// More callers than this that wait for a connection are turned away at once.
const MAX_WAITING: usize = 5000;

pub(crate) struct Pool {
    pub(crate) settings: Arc<Settings>,
    permits: Semaphore,
    waiting: AtomicUsize,
    idle: Mutex<Vec<Session>>,
}

/// A connection in use. Dropped, it is closed; only [`Leased::give_back`] returns it, so one whose caller was cancelled
/// halfway is not used again.
pub(crate) struct Leased<'a> {
    pool: &'a Pool,
    session: Session,
    _permit: SemaphorePermit<'a>,
}

impl Deref for Leased<'_> {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Leased<'_> {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

/// Waits a moment, longer with each attempt and never as long as anybody else.
pub(crate) async fn pause(attempt: u32) {
    let most = 20 * 2_u64.pow(attempt.min(5));
    sleep(Duration::from_millis(most / 2 + rand::random::<u64>() % most)).await;
}

impl Pool {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let permits = Semaphore::new(settings.parallel);
        Self { settings, permits, waiting: AtomicUsize::new(0), idle: Mutex::new(Vec::new()) }
    }

    /// A connection, kept or new; tries until `end` while the server is away.
    pub(crate) async fn get(&self, end: Instant) -> Result<Leased<'_>> {
        let permit = self.permit(end).await?;
        loop {
            let Some(session) = self.lock().pop() else { break };
            if session.born.elapsed() < LIFETIME && !session.client.is_closed() {
                return Ok(Leased { pool: self, session, _permit: permit });
            }
        }
        let session = self.open(end).await?;
        Ok(Leased { pool: self, session, _permit: permit })
    }

    async fn permit(&self, end: Instant) -> Result<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let busy = || Error::Unavailable("all connections to PostgreSQL are busy; raise max_parallel".to_owned());
        let _waiting = Waiting::enter(&self.waiting).ok_or_else(busy)?;
        match timeout_at(end, self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(busy()),
        }
    }

    /// A new connection outside the pool's bound.
    pub(crate) async fn open(&self, end: Instant) -> Result<Session> {
        let mut attempt = 0;
        loop {
            match Session::open(&self.settings).await {
                Ok(session) => return Ok(session),
                Err(Fault::Passing(_)) if Instant::now() < end => pause(attempt).await,
                Err(fault) => return Err(fault.error()),
            }
            attempt += 1;
        }
    }

    /// Forgets connections that lay idle while one like them turned out to be dead.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Nothing that holds the lock can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leased<'_> {
    pub(crate) fn give_back(self) {
        let Self { pool, session, .. } = self;
        let mut idle = pool.lock();
        if idle.len() < pool.settings.idle && !session.client.is_closed() {
            idle.push(session);
        }
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
