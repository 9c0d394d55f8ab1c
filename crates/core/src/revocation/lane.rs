//! The queue of one target. What does not fit, and what a dead target leaves undone, waits in storage.
use crate::active::Active;
use crate::keys::{Due, DueKind, Target};
use crate::lease::revoke::Attempt;
use crate::lease::{Lease, retry};
use crate::metrics::count_expiration;
use futures::stream::{FuturesUnordered, StreamExt};
use lessor_engine::Result;
use metrics::{Gauge, gauge};
use rand::Rng;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Entries a lane holds in memory; the rest waits in storage.
const BOUND: usize = 256;
/// A lane without work ends after this long.
const IDLE: Duration = Duration::from_secs(60);
/// An outage of this length lists what waits as irrevocable: Vault's six attempts end about then.
const OUTAGE: Duration = Duration::from_secs(630);

/// All lanes, one per target that has work.
#[derive(Default)]
pub struct Lanes {
    map: Mutex<HashMap<Target, Arc<Lane>>>,
}

struct Lane {
    entries: mpsc::Sender<Due>,
    /// Taken from storage and not dealt with yet.
    held: Mutex<HashSet<Due>>,
    /// Something may wait in storage.
    waiting: AtomicBool,
    jobs: Jobs,
}

/// The gauges of what is held: of this lane, and of all of them.
struct Jobs {
    own: Gauge,
    total: Gauge,
}

impl Jobs {
    fn of(target: &Target) -> Self {
        let queue = format!("{}/{}", target.mount, target.name);
        Self {
            own: gauge!("expire.job_manager.queue_length", "queue_id" => queue),
            total: gauge!("expire.job_manager.total_jobs"),
        }
    }
    fn more(&self) {
        self.own.increment(1.0);
        self.total.increment(1.0);
    }
    fn less(&self) {
        self.own.decrement(1.0);
        self.total.decrement(1.0);
    }
}

impl Lane {
    fn hold(&self, due: &Due) -> bool {
        let fresh = self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(due.clone());
        if fresh {
            self.jobs.more();
        }
        fresh
    }
    fn release(&self, due: &Due) {
        if self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(due) {
            self.jobs.less();
        }
    }
}

impl Drop for Lane {
    /// A node that is sealed leaves what it held to whoever unseals next.
    fn drop(&mut self) {
        for _ in self.held.get_mut().unwrap_or_else(PoisonError::into_inner).drain() {
            self.jobs.less();
        }
    }
}

impl Active {
    fn lane(self: &Arc<Self>, target: &Target) -> Arc<Lane> {
        let mut map = self.lanes.map.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = map.get(target).filter(|lane| !lane.entries.is_closed()) {
            return Arc::clone(lane);
        }
        let (entries, queue) = mpsc::channel(BOUND);
        let lane =
            Arc::new(Lane { entries, held: Mutex::default(), waiting: AtomicBool::new(true), jobs: Jobs::of(target) });
        map.insert(target.clone(), Arc::clone(&lane));
        let worker = Worker {
            active: Arc::clone(self),
            lane: Arc::clone(&lane),
            target: target.clone(),
            queue,
            backlog: VecDeque::new(),
        };
        self.tasks.spawn(async move {
            let stop = worker.active.stop.clone();
            stop.run_until_cancelled_owned(worker.run()).await;
        });
        lane
    }

    /// Hands an entry over; `false` when the lane is full and the entry has to wait in storage.
    pub(super) fn enqueue(self: &Arc<Self>, target: &Target, due: Due) -> bool {
        let lane = self.lane(target);
        if !lane.hold(&due) {
            return true;
        }
        match lane.entries.try_send(due) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(due) | mpsc::error::TrySendError::Closed(due)) => {
                lane.release(&due);
                false
            }
        }
    }

    /// Makes sure that somebody looks after what waits for `target`.
    pub(super) fn look_after(self: &Arc<Self>, target: &Target) {
        self.lane(target).waiting.store(true, Ordering::Release);
    }

    async fn attempt(&self, due: &Due, target: &Target) -> Result<Attempt> {
        match due.kind {
            DueKind::Lease => self.attempt_lease(due, target).await,
            DueKind::Intent => self.attempt_intent(due, target).await,
            DueKind::Rotation => self.attempt_rotation(due, target).await,
            DueKind::Token => self.attempt_token(due).await,
        }
    }
}

struct Worker {
    active: Arc<Active>,
    lane: Arc<Lane>,
    target: Target,
    queue: mpsc::Receiver<Due>,
    backlog: VecDeque<Due>,
}

impl Worker {
    async fn run(mut self) {
        let (active, target) = (Arc::clone(&self.active), self.target.clone());
        let mut running = FuturesUnordered::new();
        loop {
            if self.backlog.is_empty() {
                self.refill().await;
            }
            while running.len() < active.settings.concurrency
                && let Some(due) = self.backlog.pop_front()
            {
                let (active, target) = (&active, &target);
                running.push(async move {
                    let lateness = active.now().as_millisecond().saturating_sub(due.at);
                    let result = active.attempt(&due, target).await;
                    if matches!(due.kind, DueKind::Lease) {
                        count_expiration(lateness, result.is_err() || matches!(result, Ok(Attempt::TargetDown(_))));
                    }
                    (due, result)
                });
            }
            if running.is_empty() {
                match tokio::time::timeout(IDLE, self.queue.recv()).await {
                    Ok(Some(due)) => self.backlog.push_back(due),
                    Ok(None) => return,
                    Err(_) if self.lane.waiting.load(Ordering::Acquire) => {}
                    Err(_) => return self.end().await,
                }
                continue;
            }
            tokio::select! {
                Some((due, result)) = running.next() => {
                    self.lane.release(&due);
                    if let Some(error) = self.note(&due, result).await {
                        while let Some((due, result)) = running.next().await {
                            self.lane.release(&due);
                            self.note(&due, result).await;
                        }
                        self.outage(&error).await;
                    }
                }
                Some(due) = self.queue.recv(), if self.backlog.len() < BOUND => self.backlog.push_back(due),
            }
        }
    }

    /// What was dealt with; the error of a target that is down.
    async fn note(&self, due: &Due, result: Result<Attempt>) -> Option<String> {
        match result {
            Ok(Attempt::Done | Attempt::Later) => None,
            Ok(Attempt::TargetDown(error)) => {
                self.lane.waiting.store(true, Ordering::Release);
                Some(error)
            }
            Err(error) => {
                tracing::error!(subject = due.subject, %error, "storage failed under a revocation; it is read again");
                self.lane.waiting.store(true, Ordering::Release);
                tokio::time::sleep(Duration::from_secs(1)).await;
                self.active.wake.notify_one();
                None
            }
        }
    }

    async fn refill(&mut self) {
        // Of several nodes one looks after what waits for a target.
        let owned = self.active.cluster.owns(&self.target.waiting());
        if !self.lane.waiting.swap(false, Ordering::AcqRel) || !owned {
            return;
        }
        match self.active.storage.scan(&self.target.waiting(), None, BOUND).await {
            Ok(page) => {
                if page.len() == BOUND {
                    self.lane.waiting.store(true, Ordering::Release);
                }
                let found = page.iter().filter_map(|entry| Due::parse(&entry.key));
                self.backlog.extend(found.filter(|due| self.lane.hold(due)));
            }
            Err(error) => {
                tracing::error!(%error, "what waits for a target cannot be read");
                self.lane.waiting.store(true, Ordering::Release);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Everything waits in storage until the target answers a probe.
    async fn outage(&mut self, error: &str) {
        let target = &self.target;
        tracing::warn!(mount = target.mount, target = target.name, error, "target is down: revocations wait for it");
        let (since, mut listed) = (Instant::now(), false);
        loop {
            self.park().await;
            let pause = Duration::from_millis(rand::rng().random_range(1000..2000));
            tokio::time::sleep(pause).await;
            if self.probe().await {
                break;
            }
            if !listed && since.elapsed() > OUTAGE {
                listed = self.list_irrevocable(error).await.is_ok();
            }
        }
        tracing::info!(mount = self.target.mount, target = self.target.name, "target is back");
        self.lane.waiting.store(true, Ordering::Release);
    }

    async fn probe(&self) -> bool {
        let Ok((mounted, cx)) = self.active.background(&self.target.mount) else { return true };
        let asked = match &mounted.backend.dynamic {
            Some(dynamic) => self.active.bounded(dynamic.probe(&cx, &self.target.name)).await,
            None => Ok(()),
        };
        // An answer, even a refusal, is an answer.
        !matches!(asked, Err(error) if error.target_is_down())
    }

    async fn park(&mut self) {
        let mut parked: Vec<Due> = self.backlog.drain(..).collect();
        while let Ok(due) = self.queue.try_recv() {
            parked.push(due);
        }
        if parked.is_empty() {
            return;
        }
        if let Err(error) = self.active.leases.park(&parked, &self.target).await {
            tracing::error!(%error, "entries stay in the due index");
        }
        for due in &parked {
            self.lane.release(due);
        }
    }

    async fn list_irrevocable(&self, error: &str) -> Result<()> {
        let active = &self.active;
        let mut after: Option<String> = None;
        loop {
            let page = active.storage.scan(&self.target.waiting(), after.as_deref(), BOUND).await?;
            for due in page.iter().filter_map(|entry| Due::parse(&entry.key)) {
                let _lock = active.locks.lock(&due.subject).await;
                let Some((lease, version)) = active.leases.lease(&due.subject).await? else { continue };
                let error = lease.error.clone().or_else(|| Some(error.to_owned()));
                let attempts = lease.attempts.max(retry::ATTEMPTS);
                active.leases.wait(&Lease { attempts, error, ..lease }, version).await?;
            }
            if page.len() < BOUND {
                return Ok(());
            }
            after = page.last().map(|entry| entry.key.clone());
        }
    }

    /// Closes the queue first, so that nothing is handed over that nobody would read.
    async fn end(mut self) {
        self.queue.close();
        while let Some(due) = self.queue.recv().await {
            self.backlog.push_back(due);
        }
        self.park().await;
        let mut map = self.active.lanes.map.lock().unwrap_or_else(PoisonError::into_inner);
        if map.get(&self.target).is_some_and(|lane| Arc::ptr_eq(lane, &self.lane)) {
            map.remove(&self.target);
        }
    }
}
