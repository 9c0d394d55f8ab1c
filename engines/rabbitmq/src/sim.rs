//! For the crash test: this engine over a broker in memory.
use crate::RabbitmqFactory;
use crate::broker::{Broker, Brokers, User};
use crate::config::Config;
use crate::roles::{Permissions, TopicPermissions};
use async_trait::async_trait;
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation, Step};
use lessor_engine::{Error, Result, Secret};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const ROOT: &str = "admin";

#[derive(Default)]
struct State {
    /// Password and tags by name.
    users: BTreeMap<String, (String, Vec<String>)>,
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
}

struct SimBrokers(Arc<World>);

impl Brokers for SimBrokers {
    fn open(&self, config: &Config, _: &str) -> Result<Box<dyn Broker>> {
        Ok(Box::new(SimBroker { world: Arc::clone(&self.0), password: config.password.expose().to_owned() }))
    }
}

struct SimBroker {
    world: Arc<World>,
    password: String,
}

impl SimBroker {
    async fn call<T>(&self, name: &'static str, apply: impl FnOnce(&mut State, bool) -> Result<T>) -> Result<T> {
        let interrupt = self.world.interrupt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(interrupt) = &interrupt {
            interrupt.at(name, Moment::Before).await;
        }
        let result = {
            let mut state = self.world.state();
            let let_in = state.users.get(ROOT).is_some_and(|(password, _)| *password == self.password);
            if state.down { Err(Error::Unavailable("the broker is down".into())) } else { apply(&mut state, let_in) }
        };
        if let Some(interrupt) = &interrupt {
            interrupt.at(name, Moment::After).await;
        }
        result
    }
    async fn as_root<T>(&self, name: &'static str, apply: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.call(name, |state, let_in| if let_in { apply(state) } else { Err(Error::refused("not_authorised")) }).await
    }
}

#[async_trait]
impl Broker for SimBroker {
    async fn is_let_in(&self) -> Result<bool> {
        self.call("log in", |_, let_in| Ok(let_in)).await
    }
    async fn users(&self) -> Result<Vec<User>> {
        self.as_root("list", |state| {
            Ok(state.users.iter().map(|(name, (_, tags))| User { name: name.clone(), tags: tags.clone() }).collect())
        })
        .await
    }
    async fn user(&self, name: &str) -> Result<Option<User>> {
        self.as_root("look for", |state| {
            Ok(state.users.get(name).map(|(_, tags)| User { name: name.to_owned(), tags: tags.clone() }))
        })
        .await
    }
    async fn put_user(&self, user: &User, password: &Secret) -> Result<()> {
        self.as_root("put", |state| {
            state.users.insert(user.name.clone(), (password.expose().to_owned(), user.tags.clone()));
            Ok(())
        })
        .await
    }
    async fn permit(&self, _: &str, user: &str, _: &Permissions) -> Result<()> {
        self.as_root("permit", |state| {
            state.users.get(user).map(drop).ok_or_else(|| Error::refused("there is no such user"))
        })
        .await
    }
    async fn permit_topic(&self, _: &str, _: &str, user: &str, _: &TopicPermissions) -> Result<()> {
        self.permit("", user, &Permissions::default()).await
    }
    async fn delete_user(&self, name: &str) -> Result<()> {
        self.as_root("delete", |state| {
            state.users.remove(name);
            Ok(())
        })
        .await
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
        self.state().users.keys().filter(|name| *name != ROOT).cloned().collect()
    }
    fn accepts(&self, data: &Map<String, Value>) -> bool {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        self.state().users.get(text("username")).is_some_and(|(password, _)| password == text("password"))
    }
    /// A broker has one password per user.
    fn root_secrets(&self) -> usize {
        usize::from(self.state().users.contains_key(ROOT))
    }
}

/// The engine, a broker in memory, and their workflows.
pub fn simulation() -> Simulation {
    let world = Arc::new(World::default());
    world.state().users.insert(ROOT.to_owned(), ("first".to_owned(), vec!["administrator".to_owned()]));
    let vhosts = json!({ "/": { "configure": "", "write": ".*", "read": ".*" } });
    Simulation {
        factory: Arc::new(RabbitmqFactory { brokers: Arc::new(SimBrokers(Arc::clone(&world))) }),
        platform: world,
        setup: vec![
            Step::write(
                "config/connection",
                json!({ "connection_uri": "http://broker", "username": ROOT, "password": "first" }),
            ),
            Step::write("config/lease", json!({ "ttl": "1h", "max_ttl": "24h" })),
            Step::write("roles/app", json!({ "vhosts": vhosts, "vhost_topics": { "/": { "amq.topic": {} } } })),
        ],
        issue: Step::read("creds/app"),
        rotate_root: Some(Step::write("config/rotate-root", json!({}))),
        static_role: None,
    }
}
