//! For the crash test: this engine over a database in memory.
use crate::factory_with;
use crate::plugin::{Account, Connection, Details, GoneUser, Login, NewUser, Plugin};
use async_trait::async_trait;
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation, StaticSteps, Step};
use lessor_engine::{Error, Result, Secret, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const ROOT: &str = "admin";
const STATIC: &str = "legacy";

#[derive(Default)]
struct State {
    /// Name, password and marker of every account.
    users: BTreeMap<String, (String, Option<String>)>,
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
    async fn call<T>(&self, name: &'static str, apply: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let interrupt = self.interrupt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(interrupt) = &interrupt {
            interrupt.at(name, Moment::Before).await;
        }
        let result = {
            let mut state = self.state();
            if state.down {
                Err(Error::Unavailable("the simulated database is down".into()))
            } else {
                apply(&mut state)
            }
        };
        if let Some(interrupt) = &interrupt {
            interrupt.at(name, Moment::After).await;
        }
        result
    }
}

struct SimPlugin(Arc<World>);

impl Plugin for SimPlugin {
    fn name(&self) -> &'static str {
        "simulated-database-plugin"
    }
    fn username_template(&self) -> &'static str {
        r#"{{ printf "v-%s-%s-%s" (.RoleName | truncate 8) (.Random) (unix_time) }}"#
    }
    fn secret_fields(&self) -> &'static [&'static str] {
        &["password"]
    }
    fn check_creation(&self, _: &[String]) -> Result<()> {
        Ok(())
    }
    fn open(&self, details: &Details) -> Result<Arc<dyn Connection>> {
        let password = details.get("password").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Arc::new(SimConnection { world: Arc::clone(&self.0), passwords: Mutex::new(vec![password]) }))
    }
}

struct SimConnection {
    world: Arc<World>,
    /// Tried from the last to the first.
    passwords: Mutex<Vec<String>>,
}

impl SimConnection {
    async fn as_root<T>(&self, name: &'static str, apply: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let known = self.passwords.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.world
            .call(name, |state| {
                let right = state.users.get(ROOT).is_some_and(|(password, _)| known.contains(password));
                if right { apply(state) } else { Err(Error::refused("password authentication failed for root")) }
            })
            .await
    }
}

#[async_trait]
impl Connection for SimConnection {
    async fn probe(&self) -> Result<()> {
        self.as_root("probe", |_| Ok(())).await
    }
    async fn new_user(&self, user: &NewUser<'_>) -> Result<()> {
        self.as_root("create", |state| {
            let account = (user.password.expose().to_owned(), user.marker.map(str::to_owned));
            state.users.insert(user.username.to_owned(), account);
            Ok(())
        })
        .await
    }
    async fn renew_user(&self, username: &str, _: &[String], _: Timestamp) -> Result<()> {
        self.as_root("renew", |state| {
            state.users.get(username).map(drop).ok_or_else(|| Error::refused("there is no such account"))
        })
        .await
    }
    async fn change_password(&self, username: &str, new: &Secret, _: &[String], _: Option<&Secret>) -> Result<()> {
        self.as_root("change password", |state| {
            let account = state.users.get_mut(username).ok_or_else(|| Error::refused("there is no such account"))?;
            new.expose().clone_into(&mut account.0);
            Ok(())
        })
        .await
    }
    async fn delete_user(&self, user: &GoneUser<'_>) -> Result<()> {
        self.as_root("delete", |state| {
            state.users.remove(user.username);
            Ok(())
        })
        .await
    }
    async fn user_exists(&self, username: &str) -> Result<bool> {
        self.as_root("look for", |state| Ok(state.users.contains_key(username))).await
    }
    async fn login_check(&self, username: &str, password: &Secret) -> Result<Login> {
        self.world
            .call("log in", |state| {
                let right = state.users.get(username).is_some_and(|(known, _)| known == password.expose());
                Ok(if right { Login::Accepted } else { Login::Wrong })
            })
            .await
    }
    async fn list_users(&self) -> Result<Vec<Account>> {
        self.as_root("list", |state| {
            let all = state.users.iter();
            Ok(all.map(|(name, (_, marker))| Account { username: name.clone(), marker: marker.clone() }).collect())
        })
        .await
    }
    fn adopt_password(&self, password: &Secret) {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner).push(password.expose().to_owned());
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
        self.state().users.get(text("username")).is_some_and(|(password, _)| password == text("password"))
    }
    /// A database has one password per account.
    fn root_secrets(&self) -> usize {
        usize::from(self.state().users.contains_key(ROOT))
    }
}

/// The engine, a database in memory, and their workflows.
pub fn simulation() -> Simulation {
    let world = Arc::new(World::default());
    for (name, password) in [(ROOT, "first"), (STATIC, "old")] {
        world.state().users.insert(name.to_owned(), (password.to_owned(), None));
    }
    Simulation {
        factory: factory_with(vec![Arc::new(SimPlugin(Arc::clone(&world)))]),
        platform: world,
        setup: vec![
            Step::write(
                "config/main",
                json!({
                    "plugin_name": "simulated-database-plugin", "allowed_roles": "*", "username": ROOT,
                    "password": "first", "connection_url": "sim://{{username}}:{{password}}@memory",
                }),
            ),
            Step::write("roles/app", json!({ "db_name": "main", "default_ttl": "1h", "max_ttl": "24h" })),
        ],
        issue: Step::read("creds/app"),
        rotate_root: Some(Step::write("rotate-root/main", json!({}))),
        static_role: Some(StaticSteps {
            create: Step::write(
                "static-roles/legacy",
                json!({ "db_name": "main", "username": STATIC, "rotation_period": "700h" }),
            ),
            rotate: Step::write("rotate-role/legacy", json!({})),
            read: Step::read("static-creds/legacy"),
        }),
    }
}
