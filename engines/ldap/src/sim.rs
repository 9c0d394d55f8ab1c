//! For the crash test: this engine over a directory in memory.
use crate::config::Config;
use crate::directory::{Action, Care, Change, Depth, Directory, Entry, Filter, Login, Opener, Query, Record};
use crate::{Flavour, LdapFactory};
use async_trait::async_trait;
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation, StaticSteps, Step};
use lessor_engine::{Error, Result, Secret, Timestamp};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const ROOT: &str = "cn=lessor,dc=test";
const STATIC: &str = "cn=legacy,ou=services,dc=test";
const BELOW: &str = ",ou=temp,dc=test";

type Attributes = BTreeMap<String, Vec<String>>;

#[derive(Default)]
struct State {
    entries: BTreeMap<String, Attributes>,
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
                Err(Error::Unavailable("the simulated directory is down".into()))
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

impl State {
    fn accepts(&self, dn: &str, password: &str) -> bool {
        let held = self.entries.get(dn).and_then(|entry| entry.get("userpassword"));
        held.is_some_and(|values| values.iter().any(|value| value == password))
    }
    fn apply(&mut self, record: &Record, care: Care) -> Result<()> {
        let absent = || match care {
            Care::Removal => Ok(()),
            _ => Err(Error::refused("no such object")),
        };
        match &record.action {
            Action::Add(attributes) => {
                if self.entries.contains_key(&record.dn) && care == Care::Strict {
                    return Err(Error::refused("entry already exists"));
                }
                let attributes = attributes.iter().map(|(name, values)| (name.to_lowercase(), texts(values)));
                self.entries.insert(record.dn.clone(), attributes.collect());
                Ok(())
            }
            Action::Delete => self.entries.remove(&record.dn).map_or_else(absent, |_| Ok(())),
            Action::Modify(changes) => {
                let Some(entry) = self.entries.get_mut(&record.dn) else { return absent() };
                for change in changes {
                    modify(entry, change);
                }
                Ok(())
            }
            Action::ChangePassword { .. } => Err(Error::Internal("not simulated".to_owned())),
        }
    }
}

fn texts(values: &[crate::directory::Value]) -> Vec<String> {
    values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

fn modify(entry: &mut Attributes, change: &Change) {
    match change {
        Change::Add(name, values) => {
            let held = entry.entry(name.to_lowercase()).or_default();
            held.extend(texts(values));
            held.dedup();
        }
        Change::Replace(name, values) => {
            entry.insert(name.to_lowercase(), texts(values));
        }
        Change::Delete(name, values) => {
            let gone = texts(values);
            if let Some(held) = entry.get_mut(&name.to_lowercase()) {
                held.retain(|value| !gone.is_empty() && !gone.contains(value));
            }
        }
    }
}

struct SimOpener(Arc<World>);

impl Opener for SimOpener {
    fn open(&self, config: &Config, _: Timestamp) -> Result<Arc<dyn Directory>> {
        let passwords = Mutex::new(vec![config.bindpass.clone()]);
        Ok(Arc::new(SimDirectory { world: Arc::clone(&self.0), passwords }))
    }
}

struct SimDirectory {
    world: Arc<World>,
    passwords: Mutex<Vec<Secret>>,
}

impl SimDirectory {
    async fn as_root<T>(&self, name: &'static str, apply: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let known = self.passwords.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.world
            .call(name, |state| {
                let right = known.iter().any(|password| state.accepts(ROOT, password.expose()));
                if right { apply(state) } else { Err(Error::refused("invalid credentials of the bind account")) }
            })
            .await
    }
}

#[async_trait]
impl Directory for SimDirectory {
    async fn search(&self, query: &Query<'_>) -> Result<Vec<Entry>> {
        self.as_root("search", |state| {
            let below = format!(",{}", query.base);
            let fits = |dn: &str, entry: &Attributes| {
                let depth = match query.depth {
                    Depth::Base => dn == query.base || query.base.is_empty(),
                    Depth::Children => dn.ends_with(&below),
                    Depth::Subtree => dn == query.base || dn.ends_with(&below),
                };
                depth
                    && match query.filter {
                        Filter::Any => true,
                        Filter::Is(name, value) => {
                            entry.get(&name.to_lowercase()).is_some_and(|values| values.iter().any(|v| v == value))
                        }
                    }
            };
            let found = state.entries.iter().filter(|(dn, entry)| fits(dn, entry));
            Ok(found.map(|(dn, entry)| Entry { dn: dn.clone(), attributes: entry.clone() }).collect())
        })
        .await
    }
    async fn apply(&self, records: &[Record], care: Care) -> Result<()> {
        for record in records {
            self.as_root("change", |state| state.apply(record, care)).await?;
        }
        Ok(())
    }
    async fn apply_as(&self, _: &str, _: &Secret, _: &Record) -> Result<()> {
        Err(Error::Internal("not simulated".to_owned()))
    }
    async fn login(&self, name: &str, password: &Secret) -> Result<Login> {
        self.world
            .call("log in", |state| {
                Ok(if state.accepts(name, password.expose()) { Login::Accepted } else { Login::Wrong })
            })
            .await
    }
    fn adopt(&self, password: &Secret) {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner).push(password.clone());
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
        let state = self.state();
        let below = state.entries.keys().filter_map(|dn| dn.strip_prefix("cn=")?.strip_suffix(BELOW));
        below.map(str::to_owned).collect()
    }
    fn accepts(&self, data: &Map<String, Value>) -> bool {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        let dn = match text("username") {
            "legacy" => STATIC.to_owned(),
            name => format!("cn={name}{BELOW}"),
        };
        self.state().accepts(&dn, text("password"))
    }
    /// A directory has one password per account.
    fn root_secrets(&self) -> usize {
        usize::from(self.state().entries.contains_key(ROOT))
    }
}

const CREATION: &str = "dn: cn={{.Username}},ou=temp,dc=test\nobjectClass: person\ncn: {{.Username}}\n\n\
                        dn: cn={{.Username}},ou=temp,dc=test\nchangetype: modify\nreplace: userPassword\n\
                        userPassword: {{.Password}}\n-\n\n\
                        dn: cn=devs,dc=test\nchangetype: modify\nadd: member\nmember: cn={{.Username}},ou=temp,dc=test\n-\n";
const DELETION: &str = "dn: cn=devs,dc=test\nchangetype: modify\ndelete: member\n\
                        member: cn={{.Username}},ou=temp,dc=test\n-\n\n\
                        dn: cn={{.Username}},ou=temp,dc=test\nchangetype: delete\n";

fn world() -> Arc<World> {
    let world = Arc::new(World::default());
    let entry = |name: &str, password: &str| {
        Attributes::from([
            ("cn".to_owned(), vec![name.to_owned()]),
            ("userpassword".to_owned(), vec![password.to_owned()]),
        ])
    };
    let mut state = world.state();
    state.entries.insert(ROOT.to_owned(), entry("lessor", "first"));
    state.entries.insert(STATIC.to_owned(), entry("legacy", "old"));
    state.entries.insert("cn=devs,dc=test".to_owned(), Attributes::new());
    drop(state);
    world
}

/// The engine, a directory in memory, and their workflows.
pub fn simulation() -> Simulation {
    let world = world();
    let opener = Arc::new(SimOpener(Arc::clone(&world)));
    Simulation {
        factory: Arc::new(LdapFactory { kind: "ldap", flavour: Flavour::Ldap, opener }),
        platform: world,
        setup: vec![
            Step::write(
                "config",
                json!({ "url": "ldap://memory", "binddn": ROOT, "bindpass": "first", "userdn": "dc=test" }),
            ),
            Step::write(
                "role/app",
                json!({
                    "creation_ldif": CREATION, "deletion_ldif": DELETION, "rollback_ldif": DELETION,
                    "default_ttl": "1h", "max_ttl": "24h",
                }),
            ),
        ],
        issue: Step::read("creds/app"),
        rotate_root: Some(Step::write("rotate-root", json!({}))),
        static_role: Some(StaticSteps {
            create: Step::write("static-role/legacy", json!({ "username": "legacy", "rotation_period": "700h" })),
            rotate: Step::write("rotate-role/legacy", json!({})),
            read: Step::read("static-cred/legacy"),
        }),
    }
}
