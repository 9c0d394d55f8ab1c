//! The crash test of everything that replaces shares, root key or seal: each dies before and after each of its storage
//! and KMS calls, or meets a KMS that dies; afterwards somebody who holds what he was given can still open the storage.
use crate::crash::Death;
use crate::node::{Node, ROOT, World, ok};
use crate::seals::Kms;
use lessor_core::init::InitRequest;
use lessor_core::node::Core;
use lessor_core::seal::{Seal, SealKind, Seals, Share};
use lessor_engine::{Operation, Secret};
use lessor_storage::{Batch, Hook, Storage};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done when the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New key shares.
    Rekey,
    /// New key shares, which are shown before they count.
    RekeyVerified,
    /// New recovery key shares.
    RekeyRecovery,
    /// A new root key under the same key shares.
    RotateRoot,
    /// A new root key under the same automatic seal.
    RotateRootOfAuto,
    /// A new key of the barrier.
    RotateBarrier,
    /// From key shares to an automatic seal.
    ToAuto,
    /// From an automatic seal to key shares.
    ToShamir,
    /// From one automatic seal to another.
    Between,
    /// From one automatic seal to another of the same kind.
    BetweenEqual,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Rekey,
        Self::RekeyVerified,
        Self::RekeyRecovery,
        Self::RotateRoot,
        Self::RotateRootOfAuto,
        Self::RotateBarrier,
        Self::ToAuto,
        Self::ToShamir,
        Self::Between,
        Self::BetweenEqual,
    ];
    fn begins_with_shares(self) -> bool {
        matches!(self, Self::Rekey | Self::RekeyVerified | Self::RotateRoot | Self::RotateBarrier | Self::ToAuto)
    }
    fn migrates(self) -> bool {
        matches!(self, Self::ToAuto | Self::ToShamir | Self::Between | Self::BetweenEqual)
    }
}

/// Where the process dies, or the KMS.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Crash(usize),
    Kms(usize),
}

/// What outlives the process.
struct Scene {
    world: World,
    old: Arc<Kms>,
    new: Arc<Kms>,
    change: Change,
    /// Shares from before.
    before: Vec<Share>,
    /// Shares that an answer brought.
    received: Mutex<Option<Vec<Share>>>,
}

/// How many places a change was interrupted at.
#[derive(Debug, Default)]
pub struct Interrupted {
    /// Crashes of the process.
    pub crashes: usize,
    /// Failures of the KMS.
    pub failures: usize,
}

/// Interrupts `change` at every call.
///
/// # Panics
/// When nobody can open the storage afterwards, naming the place.
pub async fn exhaust(change: Change) -> Interrupted {
    let mut interrupted = Interrupted::default();
    while run(change, Fault::Crash(interrupted.crashes)).await {
        interrupted.crashes += 1;
    }
    while run(change, Fault::Kms(interrupted.failures)).await {
        interrupted.failures += 1;
    }
    interrupted
}

fn auto(kms: &Arc<Kms>) -> SealKind {
    SealKind::Auto(Arc::clone(kms) as Arc<dyn Seal>)
}

/// Whether the change was interrupted; `false` when it was over before.
async fn run(change: Change, fault: Fault) -> bool {
    let scene = Scene::new(change).await;
    let death = Death::at(if let Fault::Crash(point) = fault { point } else { usize::MAX });
    let core = scene.world.core(Arc::new(scene.world.storage.with_hook(Arc::clone(&death) as Arc<dyn Hook>)));
    if !change.migrates() {
        scene.open(&core, &scene.before, "before").await;
    }
    for kms in [&scene.old, &scene.new] {
        kms.interrupt(Some(Arc::clone(&death)));
        if let Fault::Kms(calls) = fault {
            kms.down_after(calls);
        }
    }
    death.arm();
    let result = tokio::select! {
        () = death.died() => None,
        result = scene.act(&core) => Some(result),
    };
    // Behind the answer the old shares are dropped; that may be interrupted too.
    if result.is_some() {
        tokio::select! {
            () = death.died() => {}
            () = tokio::time::sleep(Duration::from_secs(3)) => {}
        }
    }
    let interrupted = match (&result, fault) {
        (Some(Err(error)), Fault::Crash(_)) => panic!("{change:?}: {error}"),
        (Some(Err(_)), Fault::Kms(_)) => true,
        (_, Fault::Crash(_)) => !death.place().is_empty(),
        (_, Fault::Kms(_)) => false,
    };
    if let Ok(active) = core.active() {
        active.stop.cancel();
    }
    death.kill();
    drop(core);
    for kms in [&scene.old, &scene.new] {
        kms.interrupt(None);
        kms.up();
    }
    scene.check(&format!("{change:?}, {fault:?} ({})", death.place()), interrupted).await;
    interrupted
}

impl Scene {
    async fn new(change: Change) -> Self {
        let mut world = World::new(Vec::new());
        let (old, new) = (Kms::new("old"), Kms::new(if change == Change::BetweenEqual { "old" } else { "new" }));
        world.seals = if change.begins_with_shares() { SealKind::Shamir.into() } else { auto(&old).into() };
        let core = world.core(world.storage.clone());
        let root_token = Some(Secret::new(ROOT));
        let request = InitRequest { shares: 3, threshold: 2, root_token, ..InitRequest::default() };
        let before = core.initialise(request).await.map_err(|error| error.to_string()).unwrap().clear;
        let mut scene = Self { world, old, new, change, before, received: Mutex::default() };
        scene.open(&core, &scene.before, "new").await;
        core.barrier().commit(Batch::new().put("test/data", "kept")).await.unwrap();
        core.seal().await;
        scene.world.seals = match change {
            Change::ToAuto => auto(&scene.new).into(),
            Change::ToShamir => Seals { leaving: Some(scene.old.clone()), ..SealKind::Shamir.into() },
            Change::Between | Change::BetweenEqual => {
                Seals { leaving: Some(scene.old.clone()), ..auto(&scene.new).into() }
            }
            _ => scene.world.seals.clone(),
        };
        scene
    }

    /// Opens a node as its operators would: it does it itself, or takes shares.
    async fn open(&self, core: &Arc<Core>, shares: &[Share], place: &str) {
        core.start().await.unwrap();
        let migrate = core.seal_status().await.unwrap().migration;
        for share in &shares[..2] {
            if core.active().is_ok() {
                return;
            }
            let given = core.unseal(share.clone(), migrate).await;
            given.unwrap_or_else(|error| panic!("{place}: {error}"));
        }
        assert!(core.active().is_ok(), "{place}: enough shares were given, and the node is sealed");
    }

    async fn act(&self, core: &Arc<Core>) -> Result<(), String> {
        let node = Node { core: Arc::clone(core) };
        match self.change {
            Change::Rekey => self.rekey(&node, "rekey", false).await,
            Change::RekeyVerified => self.rekey(&node, "rekey", true).await,
            Change::RekeyRecovery => self.rekey(&node, "rekey-recovery-key", false).await,
            Change::RotateRoot | Change::RotateRootOfAuto => {
                write(&node, "sys/rotate/root", json!({})).await.map(|_| ())
            }
            Change::RotateBarrier => write(&node, "sys/rotate", json!({})).await.map(|_| ()),
            Change::ToAuto | Change::ToShamir | Change::Between | Change::BetweenEqual => {
                for share in &self.before[1..] {
                    core.unseal(share.clone(), true).await.map_err(|error| error.to_string())?;
                }
                core.active().map(|_| ()).map_err(|error| error.to_string())
            }
        }
    }

    async fn rekey(&self, node: &Node, family: &str, verification: bool) -> Result<(), String> {
        let wanted = json!({ "secret_shares": 2, "secret_threshold": 2, "require_verification": verification });
        let begun = write(node, &format!("sys/{family}/init"), wanted).await?;
        let mut answer = Value::Null;
        for share in &self.before[1..] {
            let given = json!({ "key": hex(share), "nonce": begun["nonce"] });
            answer = write(node, &format!("sys/{family}/update"), given).await?;
        }
        let keys = answer["keys"].as_array().unwrap().iter();
        let new: Vec<Share> = keys.map(|key| lessor_core::seal::read_share(key.as_str().unwrap()).unwrap()).collect();
        *self.received.lock().unwrap() = Some(new.clone());
        if verification {
            let nonce = answer["verification_nonce"].clone();
            for share in &new {
                let given = json!({ "key": hex(share), "nonce": nonce });
                answer = write(node, &format!("sys/{family}/verify"), given).await?;
            }
            assert_eq!(answer["complete"], true);
        }
        Ok(())
    }

    /// The shares that people hold: the new ones if they were handed out. Verified ones were handed out before they
    /// count: then people hold both, and storage tells which of them count.
    async fn held(&self) -> Vec<Share> {
        let received = self.received.lock().unwrap().clone();
        let Some(received) = received else { return self.before.clone() };
        let core = self.world.core(self.world.storage.clone());
        if self.change == Change::RekeyVerified {
            core.unseal(self.before[0].clone(), false).await.unwrap();
            if core.unseal(self.before[1].clone(), false).await.is_ok() {
                core.seal().await;
                return self.before.clone();
            }
        }
        received
    }

    async fn check(&self, place: &str, interrupted: bool) {
        let held = self.held().await;
        let core = self.world.core(self.world.storage.clone());
        self.open(&core, &held, place).await;
        self.works(&core, &held, place).await;
        core.seal().await;
        // Once more, and without the seal that was left.
        let mut world = self.world.clone();
        world.seals.leaving = None;
        let core = world.core(world.storage.clone());
        self.open(&core, &held, place).await;
        self.works(&core, &held, place).await;
        core.seal().await;
        if !interrupted && matches!(self.change, Change::Rekey | Change::RekeyVerified) {
            let core = world.core(world.storage.clone());
            core.unseal(self.before[0].clone(), false).await.unwrap();
            assert!(core.unseal(self.before[1].clone(), false).await.is_err(), "{place}: the old shares still unseal");
        }
    }

    async fn works(&self, core: &Arc<Core>, held: &[Share], place: &str) {
        let node = Node { core: Arc::clone(core) };
        let data = core.barrier().get("test/data").await.unwrap().unwrap();
        assert_eq!(data.value, b"kept", "{place}");
        node.read("auth/token/lookup-self").await;
        node.write("sys/rotate", json!({})).await;
        let begun = node.write("sys/generate-root/attempt", json!({})).await;
        let mut answer = Value::Null;
        for share in &held[..2] {
            answer =
                node.write("sys/generate-root/update", json!({ "key": hex(share), "nonce": begun["nonce"] })).await;
        }
        assert_eq!(answer["complete"], true, "{place}: the shares that are held prove nothing");
    }
}

fn hex(share: &Share) -> String {
    share.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn write(node: &Node, path: &str, fields: Value) -> Result<Value, String> {
    let answer = node.ask(Operation::Update, path, fields).await;
    if answer.status < 300 { Ok(ok(path, answer)) } else { Err(format!("{path}: {} {:?}", answer.status, answer.body)) }
}
