//! For the crash test: this engine over an IAM in memory.
use crate::AwsFactory;
use crate::call::{
    Answer, AssumeRole, CallError, Cloud, GroupPolicies, Key, ListedKey, NewUser, Session, SessionPolicy, Settings,
    Temporary, User,
};
use async_trait::async_trait;
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation, StaticSteps, Step};
use lessor_engine::{Secret, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const ROOT: &str = "lessor";
const STATIC: &str = "backup";

#[derive(Default)]
struct Account {
    keys: Vec<(String, String)>,
    tags: BTreeMap<String, String>,
    policies: usize,
}

#[derive(Default)]
struct State {
    users: BTreeMap<String, Account>,
    made: usize,
    down: bool,
}

#[derive(Default)]
struct World {
    state: Mutex<State>,
    interrupt: Mutex<Option<Arc<dyn Interrupt>>>,
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    async fn at(&self, call: &'static str, moment: Moment) {
        let interrupt = self.interrupt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(interrupt) = interrupt {
            interrupt.at(call, moment).await;
        }
    }
}

impl State {
    fn owner(&self, id: &str, secret: &str) -> Option<&String> {
        let holds = |account: &Account| account.keys.iter().any(|(i, s)| i == id && s == secret);
        self.users.iter().find(|(_, account)| holds(account)).map(|(name, _)| name)
    }
    fn user(&mut self, name: &str) -> Answer<&mut Account> {
        self.users.get_mut(name).ok_or_else(|| refused("NoSuchEntity", name))
    }
    fn add_key(&mut self, name: &str) -> Answer<Key> {
        self.made += 1;
        let (id, secret) = (format!("AKIA{:06}", self.made), format!("secret-{}", self.made));
        let keys = &mut self.user(name)?.keys;
        if keys.len() >= 2 {
            return Err(refused("LimitExceeded", name));
        }
        keys.push((id.clone(), secret.clone()));
        Ok(Key { id, secret: Secret::new(secret), token: None })
    }
}

fn refused(code: &str, message: &str) -> CallError {
    CallError::Refused { code: code.to_owned(), message: message.to_owned() }
}

struct SimCloud(Arc<World>);

impl Cloud for SimCloud {
    fn session(&self, settings: &Settings) -> Arc<dyn Session> {
        Arc::new(SimSession { world: Arc::clone(&self.0), key: settings.key.clone() })
    }
}

struct SimSession {
    world: Arc<World>,
    key: Option<Key>,
}

impl SimSession {
    /// One call, signed with the session's key; `apply` also gets the caller's name.
    async fn call<T>(&self, name: &'static str, apply: impl FnOnce(&mut State, String) -> Answer<T>) -> Answer<T> {
        self.world.at(name, Moment::Before).await;
        let answer = {
            let mut state = self.world.state();
            let caller = self.key.as_ref().and_then(|key| state.owner(&key.id, key.secret.expose())).cloned();
            match caller {
                _ if state.down => Err(CallError::Unavailable("the simulated IAM is down".into())),
                None => Err(refused("InvalidClientTokenId", "the key is not known")),
                Some(caller) => apply(&mut state, caller),
            }
        };
        self.world.at(name, Moment::After).await;
        answer
    }
}

#[async_trait]
impl Session for SimSession {
    async fn caller_identity(&self) -> Answer<String> {
        self.call("GetCallerIdentity", |_, caller| Ok(caller)).await
    }
    async fn get_user(&self, name: Option<&str>) -> Answer<User> {
        let name = name.map(str::to_owned);
        self.call("GetUser", |state, caller| {
            let name = name.unwrap_or(caller);
            state.user(&name)?;
            Ok(User { id: format!("id-of-{name}"), name })
        })
        .await
    }
    async fn create_user(&self, user: &NewUser<'_>) -> Answer<()> {
        self.call("CreateUser", |state, _| {
            if state.users.contains_key(user.name) {
                return Err(refused("EntityAlreadyExists", user.name));
            }
            state.users.insert(user.name.to_owned(), Account { tags: user.tags.clone(), ..Account::default() });
            Ok(())
        })
        .await
    }
    async fn user_tags(&self, name: &str) -> Answer<BTreeMap<String, String>> {
        self.call("ListUserTags", |state, _| Ok(state.user(name)?.tags.clone())).await
    }
    async fn list_users(&self) -> Answer<Vec<String>> {
        self.call("ListUsers", |state, _| Ok(state.users.keys().cloned().collect())).await
    }
    async fn attach_policy(&self, user: &str, _: &str) -> Answer<()> {
        self.call("AttachUserPolicy", |state, _| {
            state.user(user)?.policies += 1;
            Ok(())
        })
        .await
    }
    async fn put_policy(&self, user: &str, _: &str, _: &str) -> Answer<()> {
        self.attach_policy(user, "").await
    }
    async fn add_to_group(&self, user: &str, _: &str) -> Answer<()> {
        self.attach_policy(user, "").await
    }
    async fn list_keys(&self, user: &str) -> Answer<Vec<ListedKey>> {
        self.call("ListAccessKeys", |state, _| {
            let keys = &state.user(user)?.keys;
            let listed = keys.iter().zip(0..).map(|((id, _), at)| ListedKey {
                id: id.clone(),
                created: Timestamp::from_second(at).unwrap_or_default(),
            });
            Ok(listed.collect())
        })
        .await
    }
    async fn create_key(&self, user: &str) -> Answer<Key> {
        self.call("CreateAccessKey", |state, _| state.add_key(user)).await
    }
    async fn delete_key(&self, user: &str, id: &str) -> Answer<()> {
        self.call("DeleteAccessKey", |state, _| {
            let keys = &mut state.user(user)?.keys;
            let before = keys.len();
            keys.retain(|(known, _)| known != id);
            if keys.len() == before { Err(refused("NoSuchEntity", id)) } else { Ok(()) }
        })
        .await
    }
    async fn delete_user(&self, user: &str) -> Answer<()> {
        self.call("DeleteUser", |state, _| {
            if !state.user(user)?.keys.is_empty() {
                return Err(refused("DeleteConflict", user));
            }
            state.users.remove(user);
            Ok(())
        })
        .await
    }
    async fn group_policies(&self, _: &str) -> Answer<GroupPolicies> {
        self.call("ListGroupPolicies", |_, _| Ok(GroupPolicies { arns: Vec::new(), documents: Vec::new() })).await
    }
    async fn assume_role(&self, wanted: &AssumeRole<'_>) -> Answer<Temporary> {
        self.session_token(wanted.duration, None).await
    }
    async fn federation_token(&self, _: &str, duration: Duration, _: &SessionPolicy) -> Answer<Temporary> {
        self.session_token(duration, None).await
    }
    async fn session_token(&self, _: Duration, _: Option<(&str, &str)>) -> Answer<Temporary> {
        self.call("GetSessionToken", |_, _| Err(refused("NotSimulated", "sessions cannot be revoked"))).await
    }
}

impl Platform for World {
    fn interrupt(&self, interrupt: Arc<dyn Interrupt>) {
        *self.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
    }
    fn set_down(&self, down: bool) {
        self.state().down = down;
    }
    fn live(&self) -> Vec<String> {
        self.state().users.keys().filter(|name| !matches!(name.as_str(), ROOT | STATIC)).cloned().collect()
    }
    fn accepts(&self, data: &Map<String, Value>) -> bool {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        self.state().owner(text("access_key"), text("secret_key")).is_some()
    }
    fn root_secrets(&self) -> usize {
        self.state().users.get(ROOT).map_or(0, |account| account.keys.len())
    }
}

/// The engine, an IAM in memory, and their workflows.
pub fn simulation() -> Simulation {
    let world = Arc::new(World::default());
    {
        let mut state = world.state();
        let root = Account { keys: vec![("AKIAROOT".into(), "root-secret".into())], ..Account::default() };
        state.users.insert(ROOT.to_owned(), root);
        state.users.insert(STATIC.to_owned(), Account::default());
    }
    Simulation {
        factory: Arc::new(AwsFactory { cloud: Arc::new(SimCloud(Arc::clone(&world))) }),
        platform: world,
        setup: vec![
            Step::write("config/root", json!({ "access_key": "AKIAROOT", "secret_key": "root-secret" })),
            Step::write("config/lease", json!({ "lease": "1h", "lease_max": "24h" })),
            Step::write(
                "roles/app",
                json!({ "credential_type": "iam_user", "policy_arns": "arn:aws:iam::aws:policy/A", "wait_until_usable": 1 }),
            ),
        ],
        issue: Step::read("creds/app"),
        rotate_root: Some(Step::write("config/rotate-root", json!({}))),
        static_role: Some(StaticSteps {
            create: Step::write("static-roles/backup", json!({ "username": STATIC, "rotation_period": "700h" })),
            rotate: Step::write("rotate-role/backup", json!({})),
            read: Step::read("static-creds/backup"),
        }),
    }
}
