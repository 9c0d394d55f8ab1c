//! Properties of TTL arithmetic and of token cascades, for random inputs and in virtual time.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use jiff::Timestamp;
use lessor_core::lease::ttl::{Bounds, effective};
use lessor_engine::Operation::{Read, Update};
use lessor_engine::simulation::{Platform, Simulation};
use lessor_testkit::node::{Node, World, ok};
use lessor_testkit::sim::{self, Cloud};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// None, or a number of seconds that may be 0.
fn perhaps() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of((0_u64..100_000).prop_map(seconds))
}

fn bounds() -> impl Strategy<Value = Bounds> {
    let mount = (1_u64..100_000, 1_u64..100_000).prop_map(|(a, b)| (seconds(a.min(b)), seconds(a.max(b))));
    (perhaps(), perhaps(), perhaps(), perhaps(), perhaps(), mount).prop_map(
        |(wanted, role, role_max, explicit_max, period, (default, max))| Bounds {
            wanted,
            role,
            default,
            role_max,
            max,
            explicit_max,
            period,
        },
    )
}

/// The bounds that count, without those that are 0.
fn set(bounds: [Option<Duration>; 2]) -> impl Iterator<Item = Duration> {
    bounds.into_iter().flatten().filter(|bound| !bound.is_zero())
}

proptest! {
    #[test]
    fn no_renewal_ever_reaches_behind_a_bound(bounds in bounds(), steps in proptest::collection::vec(1_u64..50_000, 1..12)) {
        let start = Timestamp::UNIX_EPOCH;
        let period = bounds.period.filter(|period| !period.is_zero());
        let most = match period {
            Some(_) => set([bounds.explicit_max, None]).min(),
            None => set([bounds.role_max, bounds.explicit_max]).chain([bounds.max]).min(),
        };
        let mut now = start;
        for step in steps {
            match effective(&bounds, start, now) {
                Ok(term) => {
                    prop_assert!(term.ttl >= seconds(1));
                    prop_assert_eq!(term.ttl.subsec_nanos(), 0);
                    let end = now + term.ttl;
                    if let Some(most) = most {
                        prop_assert!(end <= start + most, "ends {end}, bound {most:?}");
                    }
                    prop_assert!(term.ttl <= bounds.max.max(seconds(1)) || period.is_none());
                    let wanted = period.map(|period| period.min(bounds.max));
                    let wanted = wanted.or_else(|| set([bounds.wanted, bounds.role]).next()).unwrap_or(bounds.default);
                    prop_assert!(term.ttl <= wanted.max(seconds(1)));
                    // Less than what was asked for is told.
                    let asked = bounds.wanted.is_some() || bounds.role.is_some();
                    let long = period.is_some_and(|period| period > bounds.max);
                    prop_assert_eq!(term.warning.is_some(), long || (asked && term.ttl < wanted));
                }
                Err(_) => {
                    let most = most.unwrap();
                    prop_assert!(now + seconds(1) > start + most, "something was left: {now}, bound {most:?}");
                }
            }
            now += seconds(step);
        }
    }

    #[test]
    fn more_room_never_makes_a_term_shorter(bounds in bounds(), age in 0_u64..100_000, more in 1_u64..100_000) {
        let (start, now) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + seconds(age));
        let larger = |bound: Option<Duration>| bound.map(|bound| if bound.is_zero() { bound } else { bound + seconds(more) });
        let wider = Bounds {
            role_max: larger(bounds.role_max),
            explicit_max: larger(bounds.explicit_max),
            max: bounds.max + seconds(more),
            ..bounds
        };
        if let Ok(term) = effective(&bounds, start, now) {
            prop_assert!(effective(&wider, start, now).unwrap().ttl >= term.ttl);
        }
    }
}

/// What people do with tokens; numbers pick one of those that were made.
#[derive(Clone, Debug)]
enum Deed {
    /// Below the root token (0) or another one.
    Create {
        by: usize,
        orphan: bool,
        ttl: u64,
    },
    Credential {
        by: usize,
    },
    Renew {
        of: usize,
        increment: u64,
    },
    Revoke {
        of: usize,
    },
    RevokeOrphan {
        of: usize,
    },
    Wait {
        seconds: u64,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let some = || any::<proptest::sample::Index>().prop_map(|index| index.index(1_000));
    prop_oneof![
        4 => (some(), any::<bool>(), 20_u64..400).prop_map(|(by, orphan, ttl)| Deed::Create { by, orphan, ttl }),
        3 => some().prop_map(|by| Deed::Credential { by }),
        2 => (some(), 20_u64..400).prop_map(|(of, increment)| Deed::Renew { of, increment }),
        1 => some().prop_map(|of| Deed::Revoke { of }),
        1 => some().prop_map(|of| Deed::RevokeOrphan { of }),
        2 => (1_u64..120).prop_map(|seconds| Deed::Wait { seconds }),
    ]
}

/// A token as it should be.
struct Expected {
    text: String,
    parent: Option<usize>,
    ends: Timestamp,
    dead: bool,
    accounts: Vec<String>,
}

/// The node, and what should be true of it.
struct Model {
    node: Node,
    world: World,
    cloud: Arc<Cloud>,
    tokens: Vec<Expected>,
}

/// Between two looks: what falls due is done within it.
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody says what is true of a token that ends so close to a look.
const UNSURE: i64 = 3;

impl Model {
    async fn new() -> Self {
        let (Simulation { factory, setup, .. }, cloud) = sim::simulation();
        let world = World::new(vec![factory]);
        let node = world.initialise().await;
        node.write("sys/mounts/sim", json!({ "type": "sim" })).await;
        for step in &setup {
            ok(&step.path, node.step("sim/", step).await);
        }
        let policy = "path \"*\" { capabilities = [\"create\", \"read\", \"update\", \"sudo\"] }";
        node.write("sys/policies/acl/all", json!({ "policy": policy })).await;
        Self { node, world, cloud, tokens: Vec::new() }
    }
    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }
    fn unsure(&self, at: usize) -> bool {
        let mut at = Some(at);
        while let Some(token) = at.map(|at| &self.tokens[at]) {
            if !token.dead && (token.ends.as_second() - self.now().as_second()).abs() < UNSURE {
                return true;
            }
            at = token.parent;
        }
        false
    }
    fn pick(&self, number: usize) -> Option<usize> {
        (!self.tokens.is_empty()).then(|| number % self.tokens.len()).filter(|at| !self.unsure(*at))
    }
    /// Ends a token and what stands below it.
    fn kill(&mut self, at: usize) {
        self.tokens[at].dead = true;
        let below: Vec<usize> = (0..self.tokens.len())
            .filter(|child| self.tokens[*child].parent == Some(at) && !self.tokens[*child].dead)
            .collect();
        for child in below {
            self.kill(child);
        }
    }
    fn pass_time(&mut self) {
        let now = self.now();
        for at in 0..self.tokens.len() {
            if !self.tokens[at].dead && now.as_second() - self.tokens[at].ends.as_second() >= UNSURE {
                self.kill(at);
            }
        }
    }
    async fn create(&mut self, by: usize, orphan: bool, ttl: u64) {
        let parent = if self.tokens.is_empty() || by.is_multiple_of(4) { None } else { Some(by % self.tokens.len()) };
        if parent.is_some_and(|parent| self.unsure(parent)) {
            return;
        }
        let path = if orphan { "auth/token/create-orphan" } else { "auth/token/create" };
        let fields = json!({ "policies": "all", "ttl": ttl });
        let now = self.now();
        let answer = match parent {
            None => self.node.ask(Update, path, fields).await,
            Some(parent) => self.node.ask_as(&self.tokens[parent].text, Update, path, fields).await,
        };
        if parent.is_some_and(|parent| self.tokens[parent].dead) {
            assert_eq!(answer.status, 403, "a dead token made another one");
            return;
        }
        let made = ok(path, answer);
        let text = made["auth"]["client_token"].as_str().unwrap().to_owned();
        let parent = parent.filter(|_| !orphan);
        self.tokens.push(Expected { text, parent, ends: now + seconds(ttl), dead: false, accounts: Vec::new() });
    }
    async fn credential(&mut self, at: usize) {
        let answer = self.node.ask_as(&self.tokens[at].text, Read, "sim/creds/app", Value::Null).await;
        if self.tokens[at].dead {
            assert_eq!(answer.status, 403, "a dead token was given a credential");
            return;
        }
        let made = ok("creds", answer);
        self.tokens[at].accounts.push(made["data"]["username"].as_str().unwrap().to_owned());
    }
    async fn renew(&mut self, at: usize, increment: u64) {
        let now = self.now();
        let fields = json!({ "increment": increment });
        let answer = self.node.ask_as(&self.tokens[at].text, Update, "auth/token/renew-self", fields).await;
        if self.tokens[at].dead {
            assert_eq!(answer.status, 403, "a dead token was renewed");
            return;
        }
        ok("renew", answer);
        self.tokens[at].ends = now + seconds(increment);
    }
    async fn revoke(&mut self, at: usize, orphan: bool) {
        let path = if orphan { "auth/token/revoke-orphan" } else { "auth/token/revoke" };
        let answer = self.node.ask(Update, path, json!({ "token": self.tokens[at].text })).await;
        if self.tokens[at].dead {
            return;
        }
        ok(path, answer);
        if orphan {
            for token in self.tokens.iter_mut().filter(|token| token.parent == Some(at)) {
                token.parent = None;
            }
        }
        self.kill(at);
    }
    async fn run(&mut self, deed: Deed) {
        match deed {
            Deed::Create { by, orphan, ttl } => self.create(by, orphan, ttl).await,
            Deed::Wait { seconds } => tokio::time::sleep(Duration::from_secs(seconds)).await,
            Deed::Credential { by } => {
                if let Some(at) = self.pick(by) {
                    self.credential(at).await;
                }
            }
            Deed::Renew { of, increment } => {
                if let Some(at) = self.pick(of) {
                    self.renew(at, increment).await;
                }
            }
            Deed::Revoke { of } | Deed::RevokeOrphan { of } => {
                if let Some(at) = self.pick(of) {
                    self.revoke(at, matches!(deed, Deed::RevokeOrphan { .. })).await;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
        self.pass_time();
    }
    /// Asks for every token, and looks for every account.
    async fn compare(&self) {
        let live: BTreeSet<String> = self.cloud.live().into_iter().collect();
        for (at, token) in self.tokens.iter().enumerate().filter(|(at, _)| !self.unsure(*at)) {
            let answer = self.node.ask_as(&token.text, Read, "auth/token/lookup-self", Value::Null).await;
            assert_eq!(answer.status, if token.dead { 403 } else { 200 }, "token {at}");
            for account in &token.accounts {
                assert_eq!(live.contains(account), !token.dead, "an account of token {at}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn tokens_end_with_their_parents_and_credentials_with_their_tokens_and_nothing_else_does(
        deeds in proptest::collection::vec(deed(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for deed in deeds {
                model.run(deed).await;
                model.compare().await;
            }
            // In the end nothing is left.
            tokio::time::sleep(Duration::from_secs(1_000)).await;
            assert_eq!(model.cloud.live(), Vec::<String>::new());
        });
    }
}
