//! The exhaustive crash test: every workflow is run again and again, and dies before and after each of its storage and
//! platform calls; a fresh node starts on what is left, and the promises are checked against the platform.
use crate::node::{Node, World, ok};
use async_trait::async_trait;
use lessor_core::response::Response;
use lessor_engine::Operation;
use lessor_engine::simulation::{Interrupt, Moment, Simulation, Step};
use lessor_storage::Hook;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

const MOUNT: &str = "under/test/";
/// Within this time a fresh node has dealt with everything that a crash left, back-off included.
const RECOVERY: Duration = Duration::from_secs(1500);
/// Beyond every lease of a simulation.
const LATER: Duration = Duration::from_secs(26 * 3600);

/// A process that dies at its n-th call. From then on no call of it returns.
#[derive(Default)]
pub struct Death {
    at: Option<usize>,
    calls: AtomicUsize,
    armed: AtomicBool,
    dead: AtomicBool,
    died: Notify,
    last: Mutex<String>,
}

impl Death {
    pub(crate) fn at(point: usize) -> Arc<Self> {
        Arc::new(Self { at: Some(point), ..Self::default() })
    }
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }
    /// Waits for it.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }
    /// Ends the process now, wherever it is.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }
    /// Where it died.
    pub(crate) fn place(&self) -> String {
        self.last.lock().unwrap().clone()
    }
    pub(crate) async fn point(&self, name: &str) {
        if !self.dead.load(Ordering::SeqCst) {
            if !self.armed.load(Ordering::SeqCst) {
                return;
            }
            if Some(self.calls.fetch_add(1, Ordering::SeqCst)) != self.at {
                return;
            }
            self.dead.store(true, Ordering::SeqCst);
            name.clone_into(&mut self.last.lock().unwrap());
            self.died.notify_one();
        }
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Hook for Death {
    async fn before(&self, op: &str) -> lessor_storage::Result<()> {
        self.point(&format!("before storage {op}")).await;
        Ok(())
    }
    async fn after(&self, op: &str) -> lessor_storage::Result<()> {
        self.point(&format!("after storage {op}")).await;
        Ok(())
    }
}

#[async_trait]
impl Interrupt for Death {
    async fn at(&self, call: &'static str, moment: Moment) {
        self.point(&format!("{moment:?} platform {call}").to_lowercase()).await;
    }
}

/// What is done when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workflow {
    /// A credential is asked for.
    Issue,
    /// A lease is renewed.
    Renew,
    /// A lease is revoked while the caller waits.
    Revoke,
    /// A lease is revoked behind the answer.
    RevokeLater,
    /// A lease ends.
    Expire,
    /// Three leases are revoked by their prefix.
    RevokePrefix,
    /// The token of two leases is revoked.
    RevokeToken,
    /// The mount of two leases is taken away.
    Unmount,
    /// The namespace that the mount of two leases lies in is deleted.
    DeleteNamespace,
    /// The root secret is rotated.
    RotateRoot,
    /// A static credential is rotated.
    RotateStatic,
}

impl Workflow {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Issue,
        Self::Renew,
        Self::Revoke,
        Self::RevokeLater,
        Self::Expire,
        Self::RevokePrefix,
        Self::RevokeToken,
        Self::Unmount,
        Self::DeleteNamespace,
        Self::RotateRoot,
        Self::RotateStatic,
    ];
    fn leases(self) -> usize {
        match self {
            Self::Issue | Self::RotateRoot | Self::RotateStatic => 0,
            Self::Renew | Self::Revoke | Self::RevokeLater | Self::Expire => 1,
            Self::RevokeToken | Self::Unmount | Self::DeleteNamespace => 2,
            Self::RevokePrefix => 3,
        }
    }
    /// While a caller waits the lease goes after the credential, and stays what it was should that be refused.
    fn deletes_before_it_writes(self) -> bool {
        matches!(self, Self::Revoke | Self::RevokePrefix) || self.takes_away()
    }
    /// What the mount is deleted by.
    fn takes_away(self) -> bool {
        matches!(self, Self::Unmount | Self::DeleteNamespace)
    }
    fn fits(self, simulation: &Simulation) -> bool {
        match self {
            Self::RotateRoot => simulation.rotate_root.is_some(),
            Self::RotateStatic => simulation.static_role.is_some(),
            _ => true,
        }
    }
}

/// What a whole run visited.
#[derive(Debug, Default)]
pub struct Visited {
    /// Workflows run.
    pub workflows: usize,
    /// Points at which the process died.
    pub points: usize,
}

/// Runs every workflow of the engine with a crash at every point.
///
/// # Panics
/// When a promise is broken, naming workflow and point.
pub async fn exhaust(make: impl Fn() -> Simulation) -> Visited {
    let mut visited = Visited::default();
    for workflow in Workflow::ALL {
        if !workflow.fits(&make()) {
            continue;
        }
        visited.workflows += 1;
        let mut point = 0;
        while run(make(), workflow, point).await {
            point += 1;
        }
        assert!(point > 0, "{workflow:?} makes no call at all");
        visited.points += point;
    }
    visited
}

/// Whether the process died at that point; `false` when the workflow was over before.
async fn run(simulation: Simulation, workflow: Workflow, point: usize) -> bool {
    let world = World::new(vec![Arc::clone(&simulation.factory)]);
    let death = Death::at(point);
    world.initialise().await.core.seal().await;
    let node = world.start(Arc::new(world.storage.with_hook(death.clone() as Arc<dyn Hook>))).await;
    simulation.platform.interrupt(death.clone());
    let token = prepare(&node, &simulation, workflow).await;
    let mut leases = Vec::new();
    for _ in 0..workflow.leases() {
        leases.push(ok("issue", issue(&node, &token, &simulation.issue).await));
    }

    death.armed.store(true, Ordering::SeqCst);
    let work = tokio::spawn(act(node.clone(), workflow, leases, token, steps(&simulation)));
    let abort = work.abort_handle();
    let finished = tokio::select! {
        () = death.died.notified() => None,
        done = work => {
            done.unwrap();
            Some(())
        }
    };
    let died = finished.is_none();
    abort.abort();
    if let Ok(active) = node.core.active() {
        active.stop.cancel();
    }
    death.dead.store(true, Ordering::SeqCst);
    drop(node);

    let place = format!("{workflow:?}, crash {point} ({})", death.last.lock().unwrap());
    simulation.platform.interrupt(Arc::new(Alive));
    let node = world.start(world.storage.clone()).await;
    tokio::time::sleep(RECOVERY).await;
    check(&node, &simulation, workflow, &place).await;
    node.core.seal().await;
    died
}

struct Alive;

#[async_trait]
impl Interrupt for Alive {
    async fn at(&self, _: &'static str, _: Moment) {}
}

/// Mounts and configures the engine; a child token that leases can die with.
async fn prepare(node: &Node, simulation: &Simulation, workflow: Workflow) -> String {
    let mount = if workflow == Workflow::DeleteNamespace {
        node.write("sys/namespaces/under", json!({})).await;
        "under/sys/mounts/test".to_owned()
    } else {
        format!("sys/mounts/{MOUNT}")
    };
    node.write(&mount, json!({ "type": simulation.factory.kind() })).await;
    for step in &simulation.setup {
        ok(&step.path, node.step(MOUNT, step).await);
    }
    if let Some(fixed) = &simulation.static_role {
        ok("static role", node.step(MOUNT, &fixed.create).await);
    }
    let made = node.write("auth/token/create", json!({ "policies": ["root"], "ttl": "700h" })).await;
    made["auth"]["client_token"].as_str().unwrap().to_owned()
}

/// Issuing, the rotation of the root and that of a static secret.
type Steps = (Step, [Option<Step>; 2]);

fn steps(simulation: &Simulation) -> Steps {
    let fixed = simulation.static_role.as_ref().map(|fixed| fixed.rotate.clone());
    (simulation.issue.clone(), [simulation.rotate_root.clone(), fixed])
}

async fn issue(node: &Node, token: &str, step: &Step) -> Response {
    node.ask_as(token, step.operation, &format!("{MOUNT}{}", step.path), Value::Object(step.fields.clone())).await
}

async fn act(node: Node, workflow: Workflow, leases: Vec<Value>, token: String, steps: Steps) {
    let lease = leases.first().map(|lease| lease["lease_id"].clone()).unwrap_or_default();
    let (issued, [root, fixed]) = steps;
    let answer = match workflow {
        Workflow::Issue => issue(&node, &token, &issued).await,
        // Engines whose leases are not renewable refuse, and nothing may change by that either.
        Workflow::Renew if leases[0]["renewable"] == false => {
            let refused = node.ask(Operation::Update, "sys/leases/renew", json!({ "lease_id": lease })).await;
            assert_eq!(refused.status, 400);
            return;
        }
        Workflow::Renew => {
            node.ask(Operation::Update, "sys/leases/renew", json!({ "lease_id": lease, "increment": 1800 })).await
        }
        Workflow::Revoke => {
            node.ask(Operation::Update, "sys/leases/revoke", json!({ "lease_id": lease, "sync": true })).await
        }
        Workflow::RevokeLater => {
            let answer =
                node.ask(Operation::Update, "sys/leases/revoke", json!({ "lease_id": lease, "sync": false })).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            answer
        }
        Workflow::Expire => {
            let seconds = leases[0]["lease_duration"].as_u64().unwrap();
            tokio::time::sleep(Duration::from_secs(seconds + 5)).await;
            return;
        }
        Workflow::RevokePrefix => {
            let path = format!("sys/leases/revoke-prefix/{MOUNT}");
            node.ask(Operation::Update, path.trim_end_matches('/'), json!({ "sync": true })).await
        }
        Workflow::RevokeToken => {
            let answer = node.ask(Operation::Update, "auth/token/revoke", json!({ "token": token })).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            answer
        }
        Workflow::Unmount => node.ask(Operation::Delete, &format!("sys/mounts/{MOUNT}"), json!({})).await,
        Workflow::DeleteNamespace => node.ask(Operation::Delete, "sys/namespaces/under", json!({})).await,
        Workflow::RotateRoot => node.step(MOUNT, &root.unwrap()).await,
        Workflow::RotateStatic => node.step(MOUNT, &fixed.unwrap()).await,
    };
    ok("the workflow", answer);
}

/// The promises, as the platform shows them.
async fn check(node: &Node, simulation: &Simulation, workflow: Workflow, place: &str) {
    let active = node.core.active().unwrap();
    let platform = &simulation.platform;
    assert!(active.leases.intents(None, 10).await.unwrap().is_empty(), "{place}: an intent is still open");
    let leases = active.leases.page("", None, 100).await.unwrap();
    let mut leased: Vec<String> = leases.iter().map(|lease| lease.grant.name.clone()).collect();
    let mut live = platform.live();
    leased.sort();
    live.sort();
    if workflow.deletes_before_it_writes() {
        // A lease of something that is gone already is harmless: it ends like any other.
        assert!(live.iter().all(|name| leased.contains(name)), "{place}: {live:?} lives, {leased:?} is leased");
    } else {
        assert_eq!(live, leased, "{place}: what lives on the platform is not what is leased");
    }
    assert!(active.storage.scan("wait/", None, 1).await.unwrap().is_empty(), "{place}: something still waits");
    assert!(
        active.storage.scan("rotation/pending/", None, 1).await.unwrap().is_empty(),
        "{place}: rotation unfinished"
    );

    let (taken, path) = if workflow == Workflow::DeleteNamespace {
        (active.namespaces.at("under/").is_none_or(|namespace| namespace.tainted), "sys/namespaces/under".to_owned())
    } else {
        (active.mounts.at("", MOUNT).is_none_or(|mounted| mounted.entry.tainted), format!("sys/mounts/{MOUNT}"))
    };
    if workflow.takes_away() && taken {
        // A crash in the middle leaves it tainted; taking it away again has to work.
        ok(place, node.ask(Operation::Delete, &path, json!({})).await);
        assert_eq!(platform.live(), Vec::<String>::new(), "{place}: a credential outlived its mount");
        assert!(
            active.storage.scan("logical/", None, 1).await.unwrap().is_empty(),
            "{place}: data of the mount is left"
        );
    } else {
        if simulation.rotate_root.is_some() {
            assert_eq!(platform.root_secrets(), 1, "{place}: root secrets on the platform");
        }
        if let Some(fixed) = &simulation.static_role {
            let data = ok(place, node.step(MOUNT, &fixed.read).await)["data"].clone();
            assert!(
                platform.accepts(data.as_object().unwrap_or(&Map::new())),
                "{place}: the static credential is refused"
            );
        }
        let answer = node.step(MOUNT, &simulation.issue).await;
        let data = ok(place, answer)["data"].clone();
        assert!(platform.accepts(data.as_object().unwrap()), "{place}: a fresh credential is refused");
    }
    tokio::time::sleep(LATER).await;
    assert_eq!(platform.live(), Vec::<String>::new(), "{place}: a credential outlived its lease");
    for prefix in ["lease/", "intent/", "wait/"] {
        let left = active.storage.scan(prefix, None, 1).await.unwrap();
        assert!(left.is_empty(), "{place}: {} is left", left[0].key);
    }
}
