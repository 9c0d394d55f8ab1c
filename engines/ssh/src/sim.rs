//! For the crash test: one-time passwords. There is no platform but the mount's own storage, so this looks at the engine from
//! outside: a password counts as made from the moment the engine is told to make it, and as gone once the engine says so.
use crate::otp::{self, Asked};
use crate::{Ssh, SshFactory, roles};
use async_trait::async_trait;
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation, Step};
use lessor_engine::{
    Backend, Context, Credential, Dynamic, Factory, Grant, MadeObject, Outcome, Params, Paths, Reply, Result, Terms,
    Timestamp,
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The leases of the crash test end within a day.
const TERMS: Terms =
    Terms { default_ttl: Some(Duration::from_secs(3600)), max_ttl: Some(Duration::from_secs(24 * 3600)) };

#[derive(Default)]
struct World {
    /// Passwords by the name of their grant.
    live: Mutex<BTreeMap<String, String>>,
    interrupt: Mutex<Option<Arc<dyn Interrupt>>>,
}

impl World {
    fn passwords(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
    async fn at(&self, call: &'static str, moment: Moment) {
        let interrupt = self.interrupt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(interrupt) = interrupt {
            interrupt.at(call, moment).await;
        }
    }
}

impl Platform for World {
    fn interrupt(&self, interrupt: Arc<dyn Interrupt>) {
        *self.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(interrupt);
    }
    /// A mount's own storage is down with the server.
    fn set_down(&self, _: bool) {}
    fn live(&self) -> Vec<String> {
        self.passwords().keys().cloned().collect()
    }
    fn accepts(&self, data: &Map<String, Value>) -> bool {
        let key = data.get("key").and_then(Value::as_str).unwrap_or_default();
        self.passwords().values().any(|password| password == key)
    }
    fn root_secrets(&self) -> usize {
        0
    }
}

struct Watched {
    engine: Arc<Ssh>,
    world: Arc<World>,
}

#[async_trait]
impl Dynamic for Watched {
    async fn create(&self, cx: &Context, grant: &Grant) -> Result<Credential> {
        let password = grant.data["otp"].as_str().unwrap_or_default().to_owned();
        self.world.at("create", Moment::Before).await;
        self.world.passwords().insert(grant.name.clone(), password);
        let made = self.engine.create(cx, grant).await;
        self.world.at("create", Moment::After).await;
        made
    }
    async fn terms(&self, _: &Context, _: &Grant) -> Result<Terms> {
        Ok(TERMS)
    }
    /// The crash test renews; the engine's own leases cannot be renewed.
    async fn renew(&self, _: &Context, _: &Grant, _: Timestamp) -> Result<()> {
        Ok(())
    }
    async fn revoke(&self, cx: &Context, grant: &Grant) -> Result<()> {
        self.world.at("revoke", Moment::Before).await;
        self.engine.revoke(cx, grant).await?;
        self.world.passwords().remove(&grant.name);
        self.world.at("revoke", Moment::After).await;
        Ok(())
    }
    async fn owned(&self, cx: &Context) -> Result<Vec<MadeObject>> {
        self.engine.owned(cx).await
    }
    async fn grant_for(&self, cx: &Context, object: &MadeObject) -> Result<Grant> {
        self.engine.grant_for(cx, object).await
    }
    async fn probe(&self, cx: &Context, target: &str) -> Result<()> {
        self.engine.probe(cx, target).await
    }
}

struct Watching(Arc<World>);

#[derive(Params)]
struct Named {
    /// Name of the role.
    role: String,
}

/// The engine's answer, with a lease that ends within a day.
async fn creds(engine: Arc<Ssh>, cx: Context, at: Named) -> Result<Reply> {
    let asked = Asked { role: at.role, ip: "10.0.0.1".to_owned(), username: String::new() };
    let mut reply = otp::creds(engine, cx, asked).await?;
    if let Outcome::Issue(issue) = &mut reply.outcome {
        issue.terms = TERMS;
        issue.renewable = true;
    }
    Ok(reply)
}

impl Factory for Watching {
    fn kind(&self) -> &'static str {
        SshFactory.kind()
    }
    fn description(&self) -> &'static str {
        SshFactory.description()
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let engine = Arc::new(Ssh::default());
        let paths = Paths::new(Arc::clone(&engine))
            .path("roles/{role@}", "A role.", |path| path.write(roles::write))
            .path("creds/{role@}", "A one-time password.", |path| path.read(creds))
            .build();
        let watched = Watched { engine, world: Arc::clone(&self.0) };
        Ok(Backend::new(paths).dynamic(Arc::new(watched)))
    }
}

/// The engine, watched, and its workflows.
pub fn simulation() -> Simulation {
    let world = Arc::new(World::default());
    let role = json!({ "key_type": "otp", "default_user": "ann", "cidr_list": "10.0.0.0/8" });
    Simulation {
        factory: Arc::new(Watching(Arc::clone(&world))),
        platform: world,
        setup: vec![Step::write("roles/app", role)],
        issue: Step::read("creds/app"),
        rotate_root: None,
        static_role: None,
    }
}
