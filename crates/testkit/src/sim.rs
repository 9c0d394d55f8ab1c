//! A small engine over a platform in memory. It knows nothing but names and secrets, which is all that core's own
//! promises are about.
use async_trait::async_trait;
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation, StaticSteps, Step};
use lessor_engine::{
    Backend, Changes, Context, Credential, Dynamic, Error, Factory, Grant, Issue, MadeObject, Operation, Params, Paths,
    Reply, Result, Rotating, Rotation, Seconds, Terms, Timestamp, Works,
};
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// What the simulated platform holds.
#[derive(Default)]
struct State {
    users: BTreeMap<String, String>,
    root: BTreeSet<String>,
    fixed: BTreeMap<String, BTreeSet<String>>,
    down: bool,
    refuse: BTreeSet<String>,
    calls: BTreeMap<&'static str, usize>,
}

/// The simulated platform.
#[derive(Default)]
pub struct Cloud {
    state: Mutex<State>,
    interrupt: Mutex<Option<Arc<dyn Interrupt>>>,
}

impl Cloud {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    async fn at(&self, call: &'static str, moment: Moment) {
        let interrupt = self.interrupt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(interrupt) = interrupt {
            interrupt.at(call, moment).await;
        }
    }
    /// One call: logged in with `root` unless that is empty, then applied.
    async fn call<T>(&self, name: &'static str, root: &str, apply: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        self.at(name, Moment::Before).await;
        let result = {
            let mut state = self.state();
            *state.calls.entry(name).or_default() += 1;
            if state.down {
                Err(Error::Unavailable("the simulated platform is down".into()))
            } else if !root.is_empty() && !state.root.contains(root) {
                Err(Error::refused("login failed"))
            } else {
                apply(&mut state)
            }
        };
        self.at(name, Moment::After).await;
        result
    }
    /// Revocations of that credential are refused from now on (or no longer).
    pub fn refuse(&self, name: &str, refuse: bool) {
        let mut state = self.state();
        if refuse {
            state.refuse.insert(name.to_owned())
        } else {
            state.refuse.remove(name)
        };
    }
    /// Makes a credential behind Lessor's back.
    pub fn plant(&self, name: &str) {
        self.state().users.insert(name.to_owned(), "planted".into());
    }
    /// Deletes a credential behind Lessor's back.
    pub fn uproot(&self, name: &str) {
        self.state().users.remove(name);
    }
    /// How often a call was made.
    pub fn calls(&self, name: &str) -> usize {
        self.state().calls.get(name).copied().unwrap_or_default()
    }
}

impl Platform for Cloud {
    fn interrupt(&self, interrupt: Arc<dyn Interrupt>) {
        *self.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
    }
    fn set_down(&self, down: bool) {
        self.state().down = down;
    }
    fn live(&self) -> Vec<String> {
        self.state().users.keys().cloned().collect()
    }
    fn accepts(&self, data: &Map<String, Value>) -> bool {
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let state = self.state();
        state.users.get(&text("username")) == Some(&text("password"))
            || state.fixed.get(&text("username")).is_some_and(|secrets| secrets.contains(&text("password")))
    }
    fn root_secrets(&self) -> usize {
        self.state().root.len()
    }
}

/// The engine.
struct Engine {
    cloud: Arc<Cloud>,
}

/// Makes it.
pub struct SimFactory {
    /// The platform all its mounts share.
    pub cloud: Arc<Cloud>,
}

impl Factory for SimFactory {
    fn kind(&self) -> &'static str {
        "sim"
    }
    fn description(&self) -> &'static str {
        "credentials of a platform in memory"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let engine = Arc::new(Engine { cloud: Arc::clone(&self.cloud) });
        let paths = Paths::new(Arc::clone(&engine))
            .path("config", "The root account.", |path| path.write(configure))
            .path("rotate-root", "Rotates it.", |path| path.write(rotate_root))
            .path("roles/{name}", "A role.", |path| path.write(write_role).delete(delete_role))
            .path("creds/{name}", "Credentials.", |path| path.read(plan))
            .path("static/{name}", "A fixed account.", |path| path.write(make_static).read(read_static))
            .path("rotate/{name}", "Rotates a fixed account.", |path| path.write(rotate_static))
            .build();
        Ok(Backend::new(paths).dynamic(engine.clone()).rotating(engine))
    }
}

fn secret() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

#[derive(Params, Serialize, Deserialize)]
struct Config {
    /// The root secret; the platform takes it as it is.
    root: String,
}

async fn configure(engine: Arc<Engine>, cx: Context, config: Config) -> Result<Reply> {
    engine.cloud.state().root.insert(config.root.clone());
    cx.view.put("config", &config).await?;
    Ok(Reply::empty())
}

async fn root(cx: &Context) -> Result<String> {
    let config: Option<Config> = cx.view.get("config").await?;
    config.map(|config| config.root).ok_or_else(|| Error::invalid("write config first"))
}

#[derive(Params, Serialize, Deserialize)]
struct Role {
    /// Name.
    name: String,
    /// TTL of leases.
    ttl: Seconds,
    /// Upper bound.
    max_ttl: Seconds,
    /// Name of the target.
    #[param(default = "cloud")]
    target: String,
}

#[derive(Params)]
struct Name {
    /// Name.
    name: String,
}

fn role_key(name: &str) -> String {
    format!("role/{name}")
}

async fn write_role(_: Arc<Engine>, cx: Context, role: Role) -> Result<Reply> {
    cx.view.put(&role_key(&role.name), &role).await?;
    Ok(Reply::empty())
}

async fn delete_role(_: Arc<Engine>, cx: Context, of: Name) -> Result<Reply> {
    cx.view.delete(&role_key(&of.name)).await?;
    Ok(Reply::empty())
}

async fn plan(_: Arc<Engine>, cx: Context, of: Name) -> Result<Reply> {
    let role: Option<Role> = cx.view.get(&role_key(&of.name)).await?;
    let role = role.ok_or_else(|| Error::invalid("unknown role"))?;
    let name = format!("u-{}", &secret()[..12]);
    let grant = Grant {
        target: role.target,
        name: name.clone(),
        data: json!({ "password": secret(), "role": of.name }),
        revocable: true,
    };
    let terms = Terms { default_ttl: role.ttl.nonzero(), max_ttl: role.max_ttl.nonzero() };
    Ok(Reply::issue(Issue { grant, terms, ttl: None, renewable: true }))
}

#[async_trait]
impl Dynamic for Engine {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        let password = grant.data["password"].as_str().unwrap_or_default().to_owned();
        let name = grant.name.clone();
        self.cloud
            .call("create", &root(cx).await?, |state| {
                state.users.insert(name.clone(), password.clone());
                Ok(())
            })
            .await?;
        let data = json!({ "username": grant.name, "password": grant.data["password"] });
        Ok(Credential::new(data.as_object().cloned().unwrap_or_default()))
    }
    async fn terms(&self, cx: &Context, grant: &Grant) -> Result<Terms> {
        let name = grant.data["role"].as_str().unwrap_or_default();
        let role: Option<Role> = cx.view.get(&role_key(name)).await?;
        Ok(role.map_or_else(Terms::default, |role| Terms {
            default_ttl: role.ttl.nonzero(),
            max_ttl: role.max_ttl.nonzero(),
        }))
    }
    async fn renew(&self, cx: &Context, _: &Grant, _: Timestamp) -> Result<()> {
        self.cloud.call("renew", &root(cx).await?, |_| Ok(())).await
    }
    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        let root = root(cx).await?;
        self.cloud
            .call("revoke", &root, |state| {
                if state.refuse.contains(&grant.name) {
                    return Err(Error::refused("the platform refuses"));
                }
                state.users.remove(&grant.name);
                Ok(())
            })
            .await
    }
    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        let root = root(cx).await?;
        let made = |name: &String| MadeObject { target: "cloud".into(), name: name.clone() };
        self.cloud.call("owned", &root, |state| Ok(state.users.keys().map(made).collect())).await
    }
    async fn grant_for(&self, _: &Context, object: &MadeObject) -> Result<Grant> {
        let MadeObject { target, name } = object.clone();
        Ok(Grant { target, name, data: json!({}), revocable: true })
    }
    async fn probe(&self, _: &Context, _: &str) -> Result<()> {
        self.cloud.call("probe", "", |_| Ok(())).await
    }
}

#[derive(Serialize, Deserialize)]
struct Fixed {
    password: String,
}

fn static_key(name: &str) -> String {
    format!("static/{name}")
}

async fn make_static(engine: Arc<Engine>, cx: Context, of: Name) -> Result<Reply> {
    let password = secret();
    let secrets = BTreeSet::from([password.clone()]);
    engine.cloud.state().fixed.insert(of.name.clone(), secrets);
    cx.view.put(&static_key(&of.name), &Fixed { password }).await?;
    Ok(Reply::empty())
}

async fn read_static(_: Arc<Engine>, cx: Context, of: Name) -> Result<Reply> {
    let fixed: Option<Fixed> = cx.view.get(&static_key(&of.name)).await?;
    let Some(fixed) = fixed else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({ "username": of.name, "password": fixed.password })))
}

async fn rotate_static(_: Arc<Engine>, _: Context, of: Name) -> Result<Reply> {
    Ok(Reply::rotate(static_key(&of.name)))
}

async fn rotate_root(_: Arc<Engine>, _: Context, (): ()) -> Result<Reply> {
    Ok(Reply::rotate("root"))
}

#[derive(Serialize, Deserialize)]
struct Secrets {
    old: String,
    new: String,
}

impl Engine {
    /// The set of secrets that the platform accepts for a subject.
    fn secrets<'a>(state: &'a mut State, subject: &str) -> &'a mut BTreeSet<String> {
        match subject.strip_prefix("static/") {
            Some(name) => state.fixed.entry(name.to_owned()).or_default(),
            None => &mut state.root,
        }
    }
}

/// The platform keeps old secrets until they are removed, as clouds with several access keys do.
#[async_trait]
impl Rotating for Engine {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let old = match subject.strip_prefix("static/") {
            Some(_) => cx.view.get::<Fixed>(subject).await?.map(|fixed| fixed.password),
            None => Some(root(cx).await?),
        };
        let old = old.ok_or_else(|| Error::NotFound("unknown account".into()))?;
        let data = serde_json::to_value(Secrets { old, new: secret() })?;
        Ok(Rotation { subject: subject.to_owned(), target: "cloud".into(), data })
    }
    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let secrets: Secrets = rotation.read()?;
        let root = root(cx).await?;
        self.cloud
            .call("apply", &root, |state| {
                Self::secrets(state, &rotation.subject).insert(secrets.new);
                Ok(())
            })
            .await?;
        Ok(rotation.data.clone())
    }
    async fn verify(&self, _: &Context, rotation: &Rotation) -> Result<()> {
        let new = rotation.read::<Secrets>()?.new;
        let works = |state: &mut State| Ok(Self::secrets(state, &rotation.subject).contains(&new));
        let works = self.cloud.call("verify", "", works).await?;
        if works { Ok(()) } else { Err(Error::refused("the new secret does not work")) }
    }
    async fn commit(&self, _: &Context, rotation: &Rotation) -> Result<Changes> {
        let new = rotation.read::<Secrets>()?.new;
        match rotation.subject.strip_prefix("static/") {
            Some(_) => Changes::new().put(&rotation.subject, &Fixed { password: new }),
            None => Changes::new().put("config", &Config { root: new }),
        }
    }
    async fn retire(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let old = rotation.read::<Secrets>()?.old;
        let root = root(cx).await?;
        self.cloud
            .call("retire", &root, |state| {
                Self::secrets(state, &rotation.subject).remove(&old);
                Ok(())
            })
            .await
    }
    async fn settle(&self, _: &Context, rotation: &Rotation) -> Result<Works> {
        let new = rotation.read::<Secrets>()?.new;
        let works = |state: &mut State| Ok(Self::secrets(state, &rotation.subject).contains(&new));
        Ok(if self.cloud.call("settle", "", works).await? { Works::New } else { Works::Old })
    }
    async fn next(&self, _: &Context, _: &str) -> Result<Option<Timestamp>> {
        Ok(None)
    }
}

/// The engine, its platform and its workflows.
pub fn simulation() -> (Simulation, Arc<Cloud>) {
    let cloud = Arc::new(Cloud::default());
    let simulation = Simulation {
        factory: Arc::new(SimFactory { cloud: Arc::clone(&cloud) }),
        platform: cloud.clone(),
        setup: vec![
            Step::write("config", json!({ "root": "first" })),
            Step::write("roles/app", json!({ "ttl": "1h", "max_ttl": "24h" })),
        ],
        issue: Step::read("creds/app"),
        rotate_root: Some(Step { operation: Operation::Update, path: "rotate-root".into(), fields: Map::new() }),
        static_role: Some(StaticSteps {
            create: Step::write("static/fixed", json!({})),
            rotate: Step::write("rotate/fixed", json!({})),
            read: Step::read("static/fixed"),
        }),
    };
    (simulation, cloud)
}
