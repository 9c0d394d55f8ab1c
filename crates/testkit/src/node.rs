//! One node over memory storage.
use lessor_core::barrier::Key;
use lessor_core::init::InitRequest;
use lessor_core::mount::Factories;
use lessor_core::node::{Core, Parts};
use lessor_core::request::Request;
use lessor_core::response::Response;
use lessor_core::seal::{SealKind, Seals, Share, StaticSeal};
use lessor_core::settings::Settings;
use lessor_engine::clock::TokioClock;
use lessor_engine::simulation::Step;
use lessor_engine::{Clock, Factory, Operation, Secret};
use lessor_storage::{MemoryStorage, Storage};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The root token of every node here.
pub const ROOT: &str = "root";

/// What survives a crash.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The disk.
    pub storage: Arc<MemoryStorage>,
    /// How it is sealed; the static seal unless a test puts another in its place.
    pub seals: Seals,
    /// The engines.
    pub factories: Vec<Arc<dyn Factory>>,
    /// The auth methods.
    pub methods: Vec<Arc<dyn Factory>>,
    /// What the operator decided.
    pub settings: Settings,
}

impl World {
    /// An empty disk.
    pub fn new(factories: Vec<Arc<dyn Factory>>) -> Self {
        let base = "2026-11-01T00:00:00Z".parse().unwrap();
        Self {
            clock: Arc::new(TokioClock::starting_at(base)),
            storage: Arc::new(MemoryStorage::new()),
            seals: SealKind::Auto(Arc::new(StaticSeal::new(Key::random().unwrap(), None))).into(),
            factories,
            methods: Vec::new(),
            settings: Settings::default(),
        }
    }
    /// A node that does nothing yet, reached through `storage`.
    pub fn core(&self, storage: Arc<dyn Storage>) -> Arc<Core> {
        Core::new(Parts {
            storage,
            seal: self.seals.clone(),
            clock: Arc::clone(&self.clock),
            settings: self.settings.clone(),
            factories: Factories { engines: self.factories.clone(), methods: self.methods.clone() },
        })
    }
    /// A fresh node.
    pub async fn initialise(&self) -> Node {
        self.initialise_with(1, 1).await.0
    }
    /// A fresh node, and the key shares that people hold.
    pub async fn initialise_with(&self, shares: i64, threshold: i64) -> (Node, Vec<Share>) {
        let core = self.core(self.storage.clone());
        let root_token = Some(Secret::new(ROOT));
        let request = InitRequest { shares, threshold, root_token, ..InitRequest::default() };
        let made = core.initialise(request).await.map_err(|error| error.to_string()).unwrap();
        (Node { core }, made.clear)
    }
    /// A node on what another one left, reached through `storage` (the disk itself, or a hook around it).
    pub async fn start(&self, storage: Arc<dyn Storage>) -> Node {
        let core = self.core(storage);
        core.start().await.unwrap();
        Node { core }
    }
}

/// A running node.
#[derive(Clone)]
pub struct Node {
    /// The node.
    pub core: Arc<Core>,
}

impl Node {
    /// Asks with the root token.
    pub async fn ask(&self, operation: Operation, path: &str, fields: Value) -> Response {
        self.ask_as(ROOT, operation, path, fields).await
    }
    /// Asks with a token.
    pub async fn ask_as(&self, token: &str, operation: Operation, path: &str, fields: Value) -> Response {
        self.send(Request { token: Some(Secret::new(token)), ..request(operation, path, fields) }).await
    }
    /// Asks with everything a request can say.
    pub async fn send(&self, request: Request) -> Response {
        self.core.handle(request).await
    }
    /// A write that has to succeed.
    pub async fn write(&self, path: &str, fields: Value) -> Value {
        ok(path, self.ask(Operation::Update, path, fields).await)
    }
    /// A read that has to succeed.
    pub async fn read(&self, path: &str) -> Value {
        ok(path, self.ask(Operation::Read, path, Value::Null).await)
    }
    /// The names below a path; none is fine.
    pub async fn list(&self, path: &str) -> Vec<String> {
        let answer = self.ask(Operation::List, path, Value::Null).await;
        let body = answer.body.into_value();
        let keys = body["data"]["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().map(|key| key.as_str().unwrap().to_owned()).collect()
    }
    /// A step of a simulation on `mount` (`sim/`).
    pub async fn step(&self, mount: &str, step: &Step) -> Response {
        self.ask(step.operation, &format!("{mount}{}", step.path), Value::Object(step.fields.clone())).await
    }
}

/// A request without token.
pub fn request(operation: Operation, path: &str, fields: Value) -> Request {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let fields = if let Value::Object(map) = fields { map } else { serde_json::Map::new() };
    Request {
        id: format!("request-{}", COUNT.fetch_add(1, Ordering::Relaxed)),
        operation,
        path: path.to_owned(),
        fields,
        token: None,
        namespace: String::new(),
        wrap_ttl: None,
        client: None,
        client_port: 0,
        headers: Vec::new(),
        certificates: Vec::new(),
        upload: None,
        help: false,
    }
}

/// The body of an answer that has to be a success.
pub fn ok(path: &str, answer: Response) -> Value {
    let body = answer.body.into_value();
    assert!(answer.status < 300, "{path}: {} {body}", answer.status);
    body
}
