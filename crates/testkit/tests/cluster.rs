//! Several nodes on one storage, in virtual time: what one does counts on all of them at once, work is shared out, and a
//! node that dies, is cut off or sleeps does no harm.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use async_trait::async_trait;
use jiff::Timestamp;
use lessor_core::response::Response;
use lessor_engine::Operation::{self, Delete, Read, Update};
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation};
use lessor_engine::{Clock, Secret};
use lessor_storage::{Error, Hook, MemoryStorage, Result};
use lessor_testkit::node::{Node, ROOT, World, ok, request};
use lessor_testkit::sim::{self, Cloud};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What becomes of a node's storage calls.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    Works,
    /// Every call fails.
    Cut,
    /// No call returns until the line works again, as if the process were stopped.
    Stopped,
}

struct Wire(watch::Sender<Line>);

#[async_trait]
impl Hook for Wire {
    async fn before(&self, _: &str) -> Result<()> {
        let mut line = self.0.subscribe();
        let now = *line.wait_for(|line| *line != Line::Stopped).await.unwrap();
        if now == Line::Cut { Err(Error::Unavailable("cut off".into())) } else { Ok(()) }
    }
}

/// One of the nodes.
struct Member {
    node: Node,
    wire: Arc<Wire>,
}

impl Member {
    fn line(&self, line: Line) {
        self.wire.0.send_replace(line);
    }
    fn owned(&self) -> usize {
        self.node.core.active().unwrap().cluster.owned().len()
    }
}

struct Cluster {
    world: World,
    cloud: Arc<Cloud>,
}

impl Cluster {
    /// One node, with the simulated engine at `sim/`.
    async fn new() -> (Self, Member) {
        let (Simulation { factory, setup, .. }, cloud) = sim::simulation();
        let mut world = World::new(vec![factory]);
        world.storage = Arc::new(MemoryStorage::shared());
        let cluster = Self { world, cloud };
        let first = Member { node: cluster.world.initialise().await, wire: wire() };
        first.node.write("sys/mounts/sim", json!({ "type": "sim" })).await;
        for step in &setup {
            ok(&step.path, first.node.step("sim/", step).await);
        }
        // It goes, so that every node of a test hangs on a wire.
        first.node.core.seal().await;
        let first = cluster.join().await;
        (cluster, first)
    }
    async fn join(&self) -> Member {
        let wire = wire();
        let node = self.world.start(Arc::new(self.world.storage.with_hook(Arc::clone(&wire) as Arc<dyn Hook>))).await;
        Member { node, wire }
    }
    async fn two() -> (Self, Member, Member) {
        let (cluster, a) = Self::new().await;
        let b = cluster.join().await;
        seconds(5).await;
        (cluster, a, b)
    }
    /// What the storage holds below a prefix.
    async fn stored(&self, prefix: &str) -> usize {
        use lessor_storage::Storage;
        self.world.storage.scan(prefix, None, 100_000).await.unwrap().len()
    }
}

fn wire() -> Arc<Wire> {
    Arc::new(Wire(watch::Sender::new(Line::Works)))
}

async fn seconds(n: u64) {
    tokio::time::sleep(Duration::from_secs(n)).await;
}

async fn creds(node: &Node) -> Value {
    node.read("sim/creds/app").await
}

fn error(answer: Response) -> (u16, String) {
    let body = answer.body.into_value();
    (answer.status, body["errors"][0].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_one_node_changes_counts_on_the_other_at_its_next_request() {
    let (_, a, b) = Cluster::two().await;
    let (a, b) = (&a.node, &b.node);
    b.write("sys/mounts/other", json!({ "type": "sim" })).await;
    b.write("sys/policies/acl/p", json!({ "policy": "path \"sim/creds/app\" { capabilities = [\"read\"] }" })).await;
    assert!(a.read("sys/mounts").await["data"]["other/"].is_object());
    let token = ok("token", a.ask(Update, "auth/token/create", json!({ "policies": "p" })).await);
    let token = token["auth"]["client_token"].as_str().unwrap();
    let may = |node: Node| async move { node.ask_as(token, Read, "sim/creds/app", Value::Null).await.status };
    assert_eq!((may(a.clone()).await, may(b.clone()).await), (200, 200));
    a.write("sys/policies/acl/p", json!({ "policy": "path \"sim/creds/app\" { capabilities = [\"deny\"] }" })).await;
    assert_eq!((may(b.clone()).await, may(a.clone()).await), (403, 403));
    a.write("sys/policies/acl/p", json!({ "policy": "path \"sim/creds/app\" { capabilities = [\"read\"] }" })).await;
    assert_eq!(may(b.clone()).await, 200);
    a.write("auth/token/revoke", json!({ "token": token })).await;
    assert_eq!(may(b.clone()).await, 403, "a revoked token is refused by every node at once");
    b.write("sys/namespaces/team", json!({})).await;
    let inside = lessor_core::request::Request {
        token: Some(Secret::new(ROOT)),
        namespace: "team/".to_owned(),
        ..request(Read, "sys/mounts", Value::Null)
    };
    assert_eq!(a.send(inside).await.status, 200);
    b.write("sys/quotas/rate-limit/x", json!({ "path": "other/", "rate": 1, "interval": "1h" })).await;
    let asked = [a.ask(Read, "other/x", Value::Null).await.status, a.ask(Read, "other/x", Value::Null).await.status];
    assert_eq!(asked[1], 429, "{asked:?}");
    ok("unmount", b.ask(Delete, "sys/mounts/other", Value::Null).await);
    assert_eq!(a.ask(Read, "other/creds/app", Value::Null).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn how_long_tokens_live_is_tuned_on_one_node_and_counts_on_every_node_and_after_a_restart() {
    let (cluster, a, b) = Cluster::two().await;
    let made = async |node: &Node, fields: Value| ok("token", node.ask(Update, "auth/token/create", fields).await);
    let reader = json!({ "policies": "default" });
    let early = made(&b.node, reader.clone()).await;
    a.node.write("sys/auth/token/tune", json!({ "default_lease_ttl": "1h", "max_lease_ttl": "2h" })).await;
    let answer = made(&b.node, reader.clone()).await;
    assert_eq!(answer["auth"]["lease_duration"], 3600);
    let answer = made(&b.node, json!({ "policies": "default", "ttl": "5h" })).await;
    assert_eq!(
        (&answer["auth"]["lease_duration"], answer["warnings"].to_string().contains("2h")),
        (&json!(7200), true)
    );
    let accessor = json!({ "accessor": early["auth"]["accessor"] });
    assert_eq!(b.node.write("auth/token/renew-accessor", accessor).await["auth"]["lease_duration"], 7200);
    a.node.core.seal().await;
    b.node.core.seal().await;
    let c = cluster.join().await;
    assert_eq!(made(&c.node, reader.clone()).await["auth"]["lease_duration"], 3600);
    c.node
        .write("sys/mounts/auth/token/tune", json!({ "default_lease_ttl": "system", "max_lease_ttl": "system" }))
        .await;
    assert_eq!(made(&c.node, reader).await["auth"]["lease_duration"], 768 * 3600);
}

#[tokio::test(start_paused = true)]
async fn nodes_change_the_same_record_at_the_same_time_and_nothing_is_lost() {
    let (_, a, b) = Cluster::two().await;
    let mount = |node: Node, path: String| async move { node.write(&path, json!({ "type": "sim" })).await };
    let all =
        (0..20).map(|n| mount(if n % 2 == 0 { a.node.clone() } else { b.node.clone() }, format!("sys/mounts/m{n}")));
    futures::future::join_all(all).await;
    let mounts = a.node.read("sys/mounts").await;
    assert!((0..20).all(|n| mounts["data"][format!("m{n}/")].is_object()));
}

#[tokio::test(start_paused = true)]
async fn nodes_share_the_work_and_each_lease_is_ended_once() {
    let (cluster, a, b) = Cluster::two().await;
    assert_eq!((a.owned(), b.owned()), (8, 8));
    for n in 0..200 {
        creds(if n % 2 == 0 { &a.node } else { &b.node }).await;
    }
    assert_eq!(cluster.cloud.live().len(), 200);
    seconds(3595).await;
    assert_eq!(cluster.cloud.live().len(), 200, "none is ended early");
    seconds(10).await;
    assert_eq!((cluster.cloud.live().len(), cluster.cloud.calls("revoke")), (0, 200));
    let c = cluster.join().await;
    seconds(5).await;
    let mut owned = [a.owned(), b.owned(), c.owned()];
    owned.sort_unstable();
    assert_eq!(owned, [5, 5, 6]);
    c.node.core.seal().await;
    seconds(3).await;
    assert_eq!((a.owned(), b.owned()), (8, 8), "who leaves hands its work over");
}

#[tokio::test(start_paused = true)]
async fn the_work_of_a_node_that_dies_is_taken_over() {
    let (cluster, a, b) = Cluster::two().await;
    for _ in 0..50 {
        creds(&a.node).await;
    }
    a.line(Line::Stopped);
    seconds(15).await;
    assert_eq!(b.owned(), 16);
    seconds(3600).await;
    assert_eq!(cluster.cloud.live().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_comes_back_and_nothing_ended_early_or_lived_on() {
    let (cluster, a, b) = Cluster::two().await;
    for _ in 0..20 {
        creds(&a.node).await;
        creds(&b.node).await;
    }
    a.line(Line::Cut);
    seconds(2).await;
    assert_ne!(a.node.ask(Read, "sim/creds/app", Value::Null).await.status, 200);
    seconds(30).await;
    assert_eq!((a.owned(), b.owned()), (0, 16));
    a.line(Line::Works);
    seconds(10).await;
    assert_eq!((a.owned(), b.owned()), (8, 8));
    creds(&a.node).await;
    assert_eq!(cluster.cloud.live().len(), 41);
    seconds(3700).await;
    assert_eq!(cluster.cloud.live().len(), 0);
}

/// Stops whoever makes that call on the platform, until it is let go.
struct Halt {
    call: &'static str,
    moment: Moment,
    go: watch::Sender<bool>,
    halted: watch::Sender<usize>,
}

#[async_trait]
impl Interrupt for Halt {
    async fn at(&self, call: &'static str, moment: Moment) {
        if (call, moment) == (self.call, self.moment) && *self.halted.borrow() == 0 {
            self.halted.send_modify(|count| *count += 1);
            self.go.subscribe().wait_for(|go| *go).await.unwrap();
        }
    }
}

fn halt(cluster: &Cluster, call: &'static str, moment: Moment) -> Arc<Halt> {
    let halt = Arc::new(Halt { call, moment, go: watch::Sender::new(false), halted: watch::Sender::new(0) });
    cluster.cloud.interrupt(halt.clone());
    halt
}

async fn asked(node: &Node, operation: Operation, path: &'static str) -> tokio::task::JoinHandle<Response> {
    let node = node.clone();
    tokio::spawn(async move { node.ask(operation, path, json!({})).await })
}

#[tokio::test(start_paused = true)]
async fn a_node_that_slept_while_it_made_a_credential_leaves_none_behind() {
    for moment in [Moment::Before, Moment::After] {
        let (cluster, a, b) = Cluster::two().await;
        let halt = halt(&cluster, "create", moment);
        let asked = asked(&a.node, Read, "sim/creds/app").await;
        halt.halted.subscribe().wait_for(|count| *count == 1).await.unwrap();
        a.line(Line::Stopped);
        seconds(30).await;
        assert_eq!(b.owned(), 16);
        assert_eq!((cluster.stored("intent/").await, cluster.cloud.live().len()), (0, 0), "the other node cleaned up");
        a.line(Line::Works);
        halt.go.send_replace(true);
        assert_ne!(asked.await.unwrap().status, 200);
        seconds(30).await;
        assert_eq!((cluster.stored("intent/").await, cluster.cloud.live().len()), (0, 0));
        assert_eq!(cluster.stored("lease/id/").await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_mount_goes_while_another_node_makes_a_credential_on_it_and_nothing_is_left() {
    for moment in [Moment::Before, Moment::After] {
        let (cluster, a, b) = Cluster::two().await;
        let halt = halt(&cluster, "create", moment);
        let asked = asked(&a.node, Read, "sim/creds/app").await;
        halt.halted.subscribe().wait_for(|count| *count == 1).await.unwrap();
        ok("unmount", b.node.ask(Delete, "sys/mounts/sim", Value::Null).await);
        halt.go.send_replace(true);
        assert_ne!(asked.await.unwrap().status, 200);
        seconds(5).await;
        assert_eq!(
            (cluster.cloud.live().len(), cluster.stored("lease/").await, cluster.stored("intent/").await),
            (0, 0, 0)
        );
        let late = a.node.ask(Read, "sim/creds/app", Value::Null).await;
        assert_eq!(late.status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_slept_in_the_middle_of_a_rotation_locks_nobody_out() {
    for call in ["rotate", "login"] {
        for moment in [Moment::Before, Moment::After] {
            let (cluster, a, b) = Cluster::two().await;
            let halt = halt(&cluster, call, moment);
            let asked = asked(&a.node, Update, "sim/rotate-root").await;
            let reached = halt.halted.subscribe();
            let mut reached = reached;
            if tokio::time::timeout(Duration::from_secs(5), reached.wait_for(|count| *count == 1)).await.is_err() {
                continue;
            }
            a.line(Line::Stopped);
            seconds(600).await;
            // Twice, so that what the sleeper holds is old by now.
            for _ in 0..2 {
                ok("rotate", b.node.ask(Update, "sim/rotate-root", json!({})).await);
            }
            a.line(Line::Works);
            halt.go.send_replace(true);
            let _ = asked.await.unwrap();
            seconds(600).await;
            ok("still in", b.node.ask(Update, "sim/rotate-root", json!({})).await);
            creds(&a.node).await;
            assert_eq!(cluster.cloud.root_secrets(), 1, "{call} {moment:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_nodes_rotate_the_same_secret_one_after_the_other() {
    let (cluster, a, b) = Cluster::two().await;
    let asked = (0..6).map(|n| {
        let node = if n % 2 == 0 { a.node.clone() } else { b.node.clone() };
        async move { node.ask(Update, "sim/rotate-root", json!({})).await.status }
    });
    let statuses = futures::future::join_all(asked).await;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 204 | 503)), "{statuses:?}");
    assert_eq!(cluster.cloud.root_secrets(), 1);
    creds(&a.node).await;
    creds(&b.node).await;
}

#[tokio::test(start_paused = true)]
async fn new_barrier_keys_reach_the_other_nodes() {
    let (cluster, a, b) = Cluster::two().await;
    a.node.write("sys/rotate", json!({})).await;
    let answer = creds(&a.node).await;
    b.node.write("sys/leases/lookup", json!({ "lease_id": answer["lease_id"] })).await;
    b.node.write("sys/rotate", json!({})).await;
    a.node.write("sys/rotate", json!({})).await;
    creds(&b.node).await;
    assert_eq!(a.node.list("sys/leases/lookup/sim/creds/app").await.len(), 2);
    a.node.write("sys/rotate/root", json!({})).await;
    b.node.write("sys/rotate", json!({})).await;
    b.node.write("sys/rotate/root", json!({})).await;
    a.node.write("sys/rotate", json!({})).await;
    seconds(1200).await;
    assert_eq!(cluster.stored("core/upgrade/").await, 0, "a new key does not lie under an old one for long");
    let c = cluster.join().await;
    assert_eq!(c.node.list("sys/leases/lookup/sim/creds/app").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_on_every_node_until_one_of_them_is_told_to_go_on() {
    let (cluster, a, b) = Cluster::two().await;
    creds(&a.node).await;
    a.node.write("sys/leases/pause", json!({})).await;
    seconds(4000).await;
    let c = cluster.join().await;
    seconds(60).await;
    assert_eq!(cluster.cloud.live().len(), 1);
    c.node.write("sys/leases/resume", json!({})).await;
    seconds(5).await;
    assert_eq!(cluster.cloud.live().len(), 0);
    drop(b);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_a_platform_is_waited_for_by_all_and_ended_by_its_return() {
    let (cluster, a, b) = Cluster::two().await;
    for _ in 0..300 {
        creds(&a.node).await;
    }
    cluster.cloud.set_down(true);
    seconds(3600 + 900).await;
    assert_eq!(cluster.cloud.live().len(), 300);
    cluster.cloud.set_down(false);
    seconds(10).await;
    assert_eq!(cluster.cloud.live().len(), 0);
    drop(b);
}

/// A clock that is wrong by so many seconds.
struct Wrong(Arc<dyn Clock>, i64);

impl Clock for Wrong {
    fn now(&self) -> Timestamp {
        self.0.now() + jiff::SignedDuration::from_secs(self.1)
    }
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_by_a_few_seconds_end_no_lease_early() {
    for wrong in [4, -4] {
        let (mut cluster, a) = Cluster::new().await;
        cluster.world.clock = Arc::new(Wrong(Arc::clone(&cluster.world.clock), wrong));
        let b = cluster.join().await;
        seconds(20).await;
        let nodes = a.node.read("sys/ha-status").await;
        assert_eq!(nodes["data"]["nodes"].as_array().unwrap().len(), 2);
        for _ in 0..30 {
            creds(&a.node).await;
            creds(&b.node).await;
        }
        seconds(3598).await;
        assert_eq!(cluster.cloud.live().len(), 60, "{wrong}");
        seconds(10).await;
        assert_eq!(cluster.cloud.live().len(), 0, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_far_off_keeps_a_node_out() {
    for wrong in [9, -9] {
        let (mut cluster, a) = Cluster::new().await;
        let right = Arc::clone(&cluster.world.clock);
        cluster.world.clock = Arc::new(Wrong(Arc::clone(&right), wrong));
        let core = cluster.world.core(cluster.world.storage.clone());
        core.start().await.ok();
        seconds(30).await;
        assert!(core.active().is_err());
        cluster.world.clock = right;
        cluster.join().await;
        seconds(5).await;
        assert_eq!(a.owned(), 8);
    }
}

#[tokio::test(start_paused = true)]
async fn every_node_says_that_it_is_active() {
    let (_, a, b) = Cluster::two().await;
    for node in [&a.node, &b.node] {
        assert_eq!(node.ask(Read, "sys/health", Value::Null).await.status, 200);
        let leader = ok("leader", node.ask(Read, "sys/leader", Value::Null).await);
        assert_eq!((&leader["ha_enabled"], &leader["is_self"]), (&json!(true), &json!(true)));
        assert!(!leader["leader_address"].as_str().unwrap().is_empty());
    }
    let error = error(a.node.ask(Read, "none/x", Value::Null).await);
    assert_eq!(error.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_restore_on_one_node_is_a_restore_on_all() {
    let (_, a, b) = Cluster::two().await;
    let answer = a.node.ask(Read, "sys/storage/raft/snapshot", Value::Null).await;
    let lessor_core::response::Body::Stream(mut stream) = answer.body else { panic!("no stream") };
    let mut file = tempfile::tempfile().unwrap();
    while let Some(piece) = stream.pieces.recv().await {
        std::io::Write::write_all(&mut file, &piece).unwrap();
    }
    a.node.write("sys/mounts/later", json!({ "type": "sim" })).await;
    assert!(b.node.read("sys/mounts").await["data"]["later/"].is_object());
    let asked = lessor_core::request::Request {
        token: Some(Secret::new(ROOT)),
        upload: Some(Arc::new(file)),
        ..request(Update, "sys/storage/raft/snapshot", Value::Null)
    };
    assert_eq!(b.node.send(asked).await.status, 204);
    seconds(20).await;
    for member in [&a, &b] {
        assert!(!member.node.read("sys/mounts").await["data"]["later/"].is_object());
        assert_eq!(member.owned(), 8);
    }
}

#[tokio::test(start_paused = true)]
async fn a_quota_of_leases_counts_what_every_node_makes_and_ends() {
    let (cluster, a, b) = Cluster::two().await;
    creds(&a.node).await;
    a.node.write("sys/quotas/lease-count/sim", json!({ "path": "sim", "max_leases": 4 })).await;
    let token = ok("token", a.node.ask(Update, "auth/token/create", json!({ "policies": "all" })).await);
    let token = token["auth"]["client_token"].as_str().unwrap();
    a.node.write("sys/policies/acl/all", json!({ "policy": "path \"*\" { capabilities = [\"read\"] }" })).await;
    let ask = async |node: &Node| node.ask_as(token, Read, "sim/creds/app", Value::Null).await;
    let (one, two) = (ask(&b.node).await.status, ask(&b.node).await.status);
    assert_eq!((one, two), (200, 200));
    let counted = async |node: &Node| node.read("sys/quotas/lease-count/sim").await["data"]["counter"].clone();
    seconds(3).await;
    assert_eq!((counted(&a.node).await, counted(&b.node).await), (json!(3), json!(3)));
    assert_eq!(ask(&a.node).await.status, 200);
    seconds(3).await;
    assert_eq!(error(ask(&b.node).await).0, 429, "the fourth was made on another node");
    // What ends on one node makes room on the other.
    a.node.write("sys/leases/revoke-prefix/sim/creds/app", json!({ "sync": true })).await;
    seconds(3).await;
    assert_eq!((counted(&a.node).await, counted(&b.node).await), (json!(0), json!(0)));
    // A node's leases count when it is gone, before and after they are counted anew.
    assert_eq!(ask(&b.node).await.status, 200);
    seconds(3).await;
    b.line(Line::Cut);
    for _ in 0..3 {
        seconds(12).await;
        assert_eq!(counted(&a.node).await, json!(1));
    }
    let c = cluster.join().await;
    seconds(3).await;
    assert_eq!(counted(&c.node).await, json!(1));
}

/// Three people, two of whom are needed, and two nodes that are alive.
async fn holders() -> (Cluster, Vec<String>, Node, Node) {
    let (Simulation { factory, .. }, cloud) = sim::simulation();
    let mut world = World::new(vec![factory]);
    world.storage = Arc::new(MemoryStorage::shared());
    let (first, shares) = world.initialise_with(3, 2).await;
    let cluster = Cluster { world, cloud };
    let second = cluster.join().await.node;
    seconds(5).await;
    let shares = shares.iter().map(|share| share.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    (cluster, shares, first, second)
}

#[tokio::test(start_paused = true)]
async fn key_holders_make_a_root_token_together_whichever_nodes_they_reach() {
    let (_cluster, shares, a, b) = holders().await;
    let begun = a.write("sys/generate-root/attempt", json!({})).await;
    assert_eq!(error(b.ask(Update, "sys/generate-root/attempt", json!({})).await).0, 400, "one is under way");
    let give = |share: &str| json!({ "key": share, "nonce": begun["nonce"] });
    assert_eq!(b.write("sys/generate-root/update", give(&shares[0])).await["progress"], 1);
    assert_eq!(a.read("sys/generate-root/attempt").await["progress"], 1);
    // The last share reaches both at once: one token is made.
    let last = give(&shares[2]);
    let (one, two) = tokio::join!(
        a.ask(Update, "sys/generate-root/update", last.clone()),
        b.ask(Update, "sys/generate-root/update", last)
    );
    let done: Vec<Value> =
        [one, two].into_iter().filter(|answer| answer.status == 200).map(|a| a.body.into_value()).collect();
    assert_eq!(done.len(), 1);
    let hidden = json!({ "encoded_token": done[0]["encoded_token"], "otp": begun["otp"] });
    let token = b.write("sys/decode-token", hidden).await["data"]["token"].as_str().unwrap().to_owned();
    assert_eq!(a.ask_as(&token, Read, "sys/mounts", Value::Null).await.status, 200);
    assert_eq!(a.read("sys/generate-root/attempt").await["started"], false);
}

#[tokio::test(start_paused = true)]
async fn key_holders_rekey_together_whichever_nodes_they_reach() {
    let (cluster, shares, a, b) = holders().await;
    let wanted = json!({ "secret_shares": 2, "secret_threshold": 2, "require_verification": true });
    let begun = b.write("sys/rekey-recovery-key/init", wanted).await;
    let give = |share: &str| json!({ "key": share, "nonce": begun["nonce"] });
    a.write("sys/rekey-recovery-key/update", give(&shares[1])).await;
    assert_eq!(error(b.ask(Update, "sys/rekey-recovery-key/update", give(&shares[1])).await).0, 400, "given before");
    let made = b.write("sys/rekey-recovery-key/update", give(&shares[0])).await;
    let new: Vec<&str> = made["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    let show = |share: &str| json!({ "key": share, "nonce": made["verification_nonce"] });
    a.write("sys/rekey-recovery-key/verify", show(new[0])).await;
    assert_eq!(b.read("sys/rekey-recovery-key/verify").await["progress"], 1);
    assert_eq!(b.write("sys/rekey-recovery-key/verify", show(new[1])).await["complete"], true);
    // The new shares count, on the node that saw only one of them too.
    let begun = a.write("sys/generate-root/attempt", json!({})).await;
    for (share, node) in new.iter().zip([&a, &b]) {
        let answer = node.write("sys/generate-root/update", json!({ "key": share, "nonce": begun["nonce"] })).await;
        assert_eq!(answer["required"], 2);
    }
    assert_eq!(cluster.stored("core/ceremony/").await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_key_holders_outlives_the_node_it_began_on_and_ends_with_the_last_one() {
    let (cluster, shares, a, b) = holders().await;
    let begun = a.write("sys/generate-root/attempt", json!({})).await;
    a.write("sys/generate-root/update", json!({ "key": shares[0], "nonce": begun["nonce"] })).await;
    a.core.seal().await;
    assert_eq!(b.read("sys/generate-root/attempt").await["progress"], 1);
    b.core.seal().await;
    let c = cluster.join().await.node;
    assert_eq!(c.read("sys/generate-root/attempt").await["started"], false);
    assert_eq!(cluster.stored("core/ceremony/").await, 0);
}
