//! For the crash test: this engine over an API server in memory, which collects no garbage.
use crate::cluster::{Api, Connect};
use crate::objects::{MOUNT, NAMESPACE};
use crate::{KubernetesFactory, Surroundings};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lessor_engine::simulation::{Interrupt, Moment, Platform, Simulation, Step};
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::Method;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    /// By path.
    objects: BTreeMap<String, Value>,
    uids: u64,
    down: bool,
}

#[derive(Default)]
struct World {
    state: Mutex<State>,
    interrupt: Mutex<Option<Arc<dyn Interrupt>>>,
}

fn status(code: u16, message: &str) -> (u16, Value) {
    (code, json!({ "kind": "Status", "code": code, "message": message }))
}

fn label<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"]["labels"][name].as_str().unwrap_or_default()
}

impl State {
    fn token(&self, account: &str, body: &Value) -> (u16, Value) {
        let Some(account) = self.objects.get(account) else { return status(404, "there is no such account") };
        let seconds = body["spec"]["expirationSeconds"].as_u64().unwrap_or_default();
        let claims = json!({ "iat": 0, "exp": seconds, "uid": account["metadata"]["uid"] }).to_string();
        (201, json!({ "status": { "token": format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims)) } }))
    }
    fn create(&mut self, collection: &str, body: &Value) -> (u16, Value) {
        let at = format!("{collection}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
        if self.objects.contains_key(&at) {
            return status(409, "it exists already");
        }
        self.uids += 1;
        let mut object = body.clone();
        object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
        self.objects.insert(at, object.clone());
        (201, object)
    }
    fn list(&self, collection: &str, query: &str) -> (u16, Value) {
        let kind = collection.rsplit('/').next().unwrap_or_default();
        let of = |at: &str| at.rsplit('/').nth(1) == Some(kind);
        let fits = |object: &Value| query.contains(&format!("{MOUNT}%3D{}&", label(object, MOUNT)));
        let items = self.objects.iter().filter(|(at, object)| of(at) && fits(object)).map(|(_, object)| object);
        (200, json!({ "items": items.collect::<Vec<_>>() }))
    }
    fn answer(&mut self, method: &Method, path: &str, body: &Value) -> (u16, Value) {
        let missing = || status(404, "not found");
        match (method.as_str(), path.split_once('?')) {
            ("POST", _) => match path.strip_suffix("/token") {
                Some(account) => self.token(account, body),
                None => self.create(path, body),
            },
            ("GET", Some((collection, query))) => self.list(collection, query),
            ("GET", None) if path == "/version" => (200, json!({})),
            ("GET", None) => self.objects.get(path).map_or_else(missing, |object| (200, object.clone())),
            _ => match self.objects.get(path) {
                None => missing(),
                Some(object) if object["metadata"]["uid"] != body["preconditions"]["uid"] => {
                    status(409, "it is another one")
                }
                Some(_) => (200, self.objects.remove(path).unwrap_or_default()),
            },
        }
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct SimApi(Arc<World>);

impl Connect for SimApi {
    fn connect(&self, _: String, _: &str, _: Secret) -> Result<Box<dyn Api>> {
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl Api for SimApi {
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let call = match method.as_str() {
            "POST" => "create",
            "DELETE" => "delete",
            _ => "get",
        };
        let interrupt = self.0.interrupt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(interrupt) = &interrupt {
            interrupt.at(call, Moment::Before).await;
        }
        let answer = {
            let mut state = self.0.state();
            let down = state.down;
            if down {
                Err(Error::Unavailable("the API server is down".into()))
            } else {
                Ok(state.answer(&method, path, body.unwrap_or(&Value::Null)))
            }
        };
        if let Some(interrupt) = &interrupt {
            interrupt.at(call, Moment::After).await;
        }
        answer
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
        let made = state.objects.values().filter(|object| !label(object, MOUNT).is_empty());
        let name = |object: &Value| {
            format!("{}/{}", label(object, NAMESPACE), object["metadata"]["name"].as_str().unwrap_or_default())
        };
        made.map(name).collect::<BTreeSet<_>>().into_iter().collect()
    }
    /// A token works while the very account is there that it was made for.
    fn accepts(&self, data: &Map<String, Value>) -> bool {
        let token = data.get("service_account_token").and_then(Value::as_str).unwrap_or_default();
        let claims = token.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
        let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
        let state = self.state();
        let mut accounts = state.objects.iter().filter(|(at, _)| at.contains("/serviceaccounts/"));
        !claims["uid"].is_null() && accounts.any(|(_, account)| account["metadata"]["uid"] == claims["uid"])
    }
    fn root_secrets(&self) -> usize {
        1
    }
}

/// The engine, an API server in memory, and their workflows.
pub fn simulation() -> Simulation {
    let world = Arc::new(World::default());
    let surroundings = Surroundings { host: String::new(), port: String::new(), files: PathBuf::new() };
    Simulation {
        factory: Arc::new(KubernetesFactory { surroundings, connect: Some(Arc::new(SimApi(Arc::clone(&world)))) }),
        platform: world,
        setup: vec![
            Step::write(
                "config",
                json!({ "kubernetes_host": "http://api", "service_account_jwt": "x", "disable_local_ca_jwt": true }),
            ),
            Step::write(
                "roles/app",
                json!({
                    "allowed_kubernetes_namespaces": "shop", "token_default_ttl": "1h", "token_max_ttl": "24h",
                    "generated_role_rules": "rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]",
                }),
            ),
        ],
        issue: Step::write("creds/app", json!({})),
        rotate_root: None,
        static_role: None,
    }
}
