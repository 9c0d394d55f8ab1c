//! Clients that issue, renew, revoke, read and write all the time, and try another node when one does not answer.
use super::history::{Log, Operation};
use super::nodes::NODES;
use crate::targets::postgres::Postgres;
use lessor_client::{Client, Error, Request};
use rand::Rng;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const CLIENTS: usize = 6;
const REGISTERS: usize = 3;
/// Operations on one register: what a checker looks through in no time.
const LONGEST: usize = 300;
pub const TTL: Duration = Duration::from_secs(25);
/// How long a request is tried on one node after the other.
const PATIENCE: Duration = Duration::from_secs(60);

/// A credential that a client was given.
#[derive(Clone)]
pub struct Held {
    pub user: String,
    pub password: String,
    lease: String,
    /// It has to work until then.
    pub until: Instant,
    pub revoked: bool,
}

#[derive(Default)]
pub struct Counts {
    pub requests: AtomicUsize,
    /// Attempts that a node did not answer, or answered with 5xx.
    pub failed: AtomicUsize,
    /// Requests that no node answered in time.
    pub lost: AtomicUsize,
    /// The longest time without any success, in milliseconds.
    pub longest: AtomicU64,
}

pub struct Load {
    clients: Vec<Client>,
    postgres: Arc<Mutex<Postgres>>,
    pub counts: Counts,
    pub held: Mutex<Vec<Held>>,
    pub registers: Mutex<Vec<Arc<Register>>>,
    pub complaints: Mutex<Vec<String>>,
    last: Mutex<Instant>,
    stop: AtomicBool,
    next: AtomicU64,
}

pub struct Register {
    path: String,
    pub log: Log,
    closed: AtomicBool,
}

fn is_failure(error: &Error) -> bool {
    match error {
        Error::Api(api) => api.status >= 500,
        _ => true,
    }
}

fn some_node() -> usize {
    rand::rng().random_range(0..NODES)
}

impl Load {
    pub fn new(clients: Vec<Client>, postgres: Arc<Mutex<Postgres>>) -> Arc<Self> {
        Arc::new(Self {
            clients,
            postgres,
            counts: Counts::default(),
            held: Mutex::default(),
            registers: Mutex::default(),
            complaints: Mutex::default(),
            last: Mutex::new(Instant::now()),
            stop: AtomicBool::new(false),
            next: AtomicU64::new(1),
        })
    }
    pub fn start(self: &Arc<Self>) -> Vec<tokio::task::JoinHandle<()>> {
        for _ in 0..REGISTERS {
            self.add_register();
        }
        (0..CLIENTS).map(|_| tokio::spawn(Arc::clone(self).work())).collect()
    }
    pub fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
    pub fn complain(&self, text: String) {
        self.complaints.lock().unwrap().push(text);
    }
    fn add_register(&self) {
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        let register =
            Register { path: format!("kv/register-{number}"), log: Log::default(), closed: AtomicBool::new(false) };
        self.registers.lock().unwrap().push(Arc::new(register));
    }
    fn succeeded(&self) {
        let mut last = self.last.lock().unwrap();
        let gap = u64::try_from(last.elapsed().as_millis()).unwrap();
        self.counts.longest.fetch_max(gap, Ordering::SeqCst);
        *last = Instant::now();
    }
    /// Once, on some node.
    async fn attempt(&self, request: Request) -> Result<Value, Error> {
        self.attempt_on(some_node(), request).await
    }
    async fn attempt_on(&self, node: usize, request: Request) -> Result<Value, Error> {
        self.counts.requests.fetch_add(1, Ordering::SeqCst);
        let answer = self.clients[node].send(request).await;
        match &answer {
            Err(error) if is_failure(error) => drop(self.counts.failed.fetch_add(1, Ordering::SeqCst)),
            _ => self.succeeded(),
        }
        answer.map(|answer| answer.json.unwrap_or_default())
    }
    /// On one node after the other, as a client with several addresses does, for requests that may be sent twice.
    async fn insist(&self, request: &(dyn Fn() -> Request + Sync)) -> Option<Result<Value, Error>> {
        let end = Instant::now() + PATIENCE;
        let mut node = some_node();
        loop {
            match self.attempt_on(node, request()).await {
                Err(error) if is_failure(&error) => {
                    if Instant::now() > end {
                        self.counts.lost.fetch_add(1, Ordering::SeqCst);
                        self.complain(format!("{:?} was not answered within {PATIENCE:?}: {error}", request()));
                        return None;
                    }
                    node = (node + 1) % NODES;
                }
                answer => return Some(answer),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    async fn work(self: Arc<Self>) {
        while !self.stop.load(Ordering::SeqCst) {
            let dice = rand::rng().random_range(0..10);
            match dice {
                0..=1 => self.issue().await,
                2 => self.renew().await,
                3 => self.revoke().await,
                4..=6 => self.read().await,
                _ => self.write().await,
            }
            let pause = rand::rng().random_range(5..40);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
    fn register(&self) -> Arc<Register> {
        let mut registers = self.registers.lock().unwrap();
        let open: Vec<_> = registers.iter().filter(|one| !one.closed.load(Ordering::SeqCst)).cloned().collect();
        let chosen = Arc::clone(&open[rand::rng().random_range(0..open.len())]);
        if chosen.log.len() > LONGEST && !chosen.closed.swap(true, Ordering::SeqCst) {
            drop(registers);
            self.add_register();
            registers = self.registers.lock().unwrap();
        }
        drop(registers);
        chosen
    }
    async fn read(&self) {
        let register = self.register();
        let called = Instant::now();
        let value = match self.insist(&|| Request::get(&register.path)).await {
            Some(Ok(answer)) => answer["data"]["value"].as_u64().unwrap_or_default(),
            Some(Err(Error::Api(api))) if api.status == 404 => 0,
            _ => return,
        };
        register.log.note(called, Some(Instant::now()), Operation::Read(Some(value)));
    }
    /// Sent once: what became of it is not known where the answer is lost, and another one may stand on it.
    async fn write(&self) {
        let register = self.register();
        let value = self.next.fetch_add(1, Ordering::SeqCst);
        let called = Instant::now();
        let done = self.attempt(Request::put(&register.path, json!({ "value": value }))).await;
        let returned = done.is_ok().then(Instant::now);
        register.log.note(called, returned, Operation::Write(value));
    }
    async fn issue(&self) {
        let begun = Instant::now();
        // An answer that was lost is a credential nobody has, which the lease ends.
        let answer = match self.insist(&|| Request::get("team/db/creds/app")).await {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => return self.complain(format!("no credential was made: {error}")),
            None => return,
        };
        let text = |at: &str| answer["data"][at].as_str().unwrap_or_default().to_owned();
        self.held.lock().unwrap().push(Held {
            user: text("username"),
            password: text("password"),
            lease: answer["lease_id"].as_str().unwrap_or_default().to_owned(),
            until: begun + TTL,
            revoked: false,
        });
    }
    /// Some credential that has at least `left` to live.
    fn some(&self, left: Duration) -> Option<Held> {
        let held = self.held.lock().unwrap();
        let live: Vec<&Held> = held.iter().filter(|one| !one.revoked && one.until > Instant::now() + left).collect();
        (!live.is_empty()).then(|| live[rand::rng().random_range(0..live.len())].clone())
    }
    fn change(&self, lease: &str, change: impl Fn(&mut Held)) {
        self.held.lock().unwrap().iter_mut().filter(|held| held.lease == lease).for_each(change);
    }
    async fn renew(&self) {
        let Some(held) = self.some(Duration::from_secs(8)) else { return };
        let begun = Instant::now();
        let request = || Request::put("sys/leases/renew", json!({ "lease_id": held.lease, "increment": "25s" }));
        match self.insist(&request).await {
            Some(Ok(_)) => self.change(&held.lease, |one| one.until = one.until.max(begun + TTL)),
            Some(Err(error)) => {
                let gone = self.held.lock().unwrap().iter().any(|one| one.lease == held.lease && one.revoked);
                // It may have ended while no node answered.
                if !gone && Instant::now() < held.until {
                    self.complain(format!("a live lease was not renewed: {} {error}", held.lease));
                }
            }
            None => {}
        }
    }
    async fn revoke(&self) {
        let Some(held) = self.some(Duration::from_secs(3)) else { return };
        self.change(&held.lease, |one| one.revoked = true);
        let request = || Request::put("sys/leases/revoke", json!({ "lease_id": held.lease, "sync": true }));
        if let Some(Err(error)) = self.insist(&request).await {
            self.complain(format!("a lease was not revoked: {} {error}", held.lease));
        }
    }
    /// Looks whether credentials work shortly before their end: none may be revoked early.
    pub async fn look(self: Arc<Self>) {
        let mut looked = std::collections::HashSet::new();
        while !self.stop.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let soon = {
                let held = self.held.lock().unwrap();
                let now = Instant::now();
                let due = |one: &&Held| !one.revoked && one.until > now && one.until < now + Duration::from_secs(4);
                let fresh: Vec<Held> =
                    held.iter().filter(due).filter(|one| !looked.contains(&one.lease)).cloned().collect();
                fresh
            };
            for held in soon.into_iter().take(4) {
                looked.insert(held.lease.clone());
                let this = Arc::clone(&self);
                let (works, there) = tokio::task::spawn_blocking({
                    let held = held.clone();
                    move || {
                        let postgres = this.postgres.lock().unwrap();
                        // A busy machine may keep a login waiting for too long.
                        let works = (0..3).any(|_| postgres.accepts(&held.user, &held.password));
                        (works, works || postgres.query("SELECT 1").status.success())
                    }
                })
                .await
                .unwrap();
                let revoked = self.held.lock().unwrap().iter().any(|one| one.lease == held.lease && one.revoked);
                if !works && there && !revoked && Instant::now() < held.until {
                    self.complain(format!("{} did not work before its end", held.user));
                }
            }
        }
    }
}
