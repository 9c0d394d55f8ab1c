//! One mount over memory storage, asked through its path table as core asks it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its part; a panic is a failed test"
)]
use async_trait::async_trait;
use lessor_engine::clock::TokioClock;
use lessor_engine::{
    Caller, Clock, Context, Error, Factory, Mount, Operation, Outcome, PasswordPolicies, Reply, Result, Secret, View,
};
use lessor_engine_transit::TransitFactory;
use lessor_storage::{MemoryStorage, Storage};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

struct NoPolicies;

#[async_trait]
impl PasswordPolicies for NoPolicies {
    async fn generate(&self, _: &str) -> Result<Secret> {
        Err(Error::Internal("no password policy found".to_owned()))
    }
    async fn bits(&self, _: &str) -> Result<f64> {
        Err(Error::Internal("no password policy found".to_owned()))
    }
}

pub struct Transit {
    backend: lessor_engine::Backend,
    cx: Context,
}

pub enum Answer {
    Empty,
    Data(Value),
    Keys(Vec<String>),
    Missing(Option<Value>),
}

impl Transit {
    pub fn over(storage: Arc<dyn Storage>) -> Self {
        let options = BTreeMap::new();
        let mount = Mount {
            path: "transit/".to_owned(),
            accessor: "transit_1".to_owned(),
            uuid: "u".to_owned(),
            default_ttl: Duration::from_secs(2_764_800),
            max_ttl: Duration::from_secs(2_764_800),
            options: options.clone(),
        };
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at("2026-11-01T00:00:00Z".parse().unwrap()));
        let cx = Context {
            mount: Arc::new(mount),
            view: View::new(storage, "logical/u/"),
            clock,
            policies: Arc::new(NoPolicies),
            caller: Caller::default(),
            path: String::new(),
            connection: Arc::default(),
            namespace: String::new(),
        };
        Self { backend: TransitFactory.create(&options).unwrap(), cx }
    }
    pub fn new() -> Self {
        Self::over(Arc::new(MemoryStorage::new()))
    }
    pub fn rotating(&self) -> Arc<dyn lessor_engine::Rotating> {
        self.backend.rotating.clone().unwrap()
    }
    pub fn context(&self) -> Context {
        self.cx.clone()
    }
    /// `None` where the path has no such operation.
    pub async fn ask(&self, operation: Operation, path: &str, fields: Value) -> Option<Result<Reply>> {
        let matched = self.backend.paths.find(path)?;
        let spec = matched.operation(operation)?;
        let mut cx = self.cx.clone();
        path.clone_into(&mut cx.path);
        let fields = if let Value::Object(map) = fields { map } else { serde_json::Map::new() };
        Some(matched.call(spec, cx, fields).await)
    }
    pub async fn exists(&self, path: &str) -> bool {
        let matched = self.backend.paths.find(path).unwrap();
        assert!(matched.has_existence_check());
        matched.exists(self.cx.clone(), &serde_json::Map::new()).await.unwrap()
    }
    pub async fn reply(&self, operation: Operation, path: &str, fields: Value) -> Reply {
        match self.ask(operation, path, fields).await.expect("operation is supported") {
            Ok(reply) => reply,
            Err(error) => panic!("{path}: {error}"),
        }
    }
    pub async fn ok(&self, operation: Operation, path: &str, fields: Value) -> Answer {
        match self.reply(operation, path, fields).await.outcome {
            Outcome::Empty => Answer::Empty,
            Outcome::Data(map) => Answer::Data(Value::Object(map)),
            Outcome::List(keys) => Answer::Keys(keys),
            Outcome::Missing(map) => Answer::Missing(map.map(Value::Object)),
            _ => panic!("transit issues nothing"),
        }
    }
    pub async fn error(&self, operation: Operation, path: &str, fields: Value) -> (u16, String) {
        match self.ask(operation, path, fields).await.expect("operation is supported") {
            Ok(_) => panic!("{path} succeeded"),
            Err(error) => (error.status(), error.to_string()),
        }
    }
    pub async fn write(&self, path: &str, fields: Value) -> Answer {
        self.ok(Operation::Update, path, fields).await
    }
    pub async fn read(&self, path: &str) -> Answer {
        self.ok(Operation::Read, path, Value::Null).await
    }
    pub async fn list(&self, path: &str) -> Vec<String> {
        match self.ok(Operation::List, path, Value::Null).await {
            Answer::Keys(keys) => keys,
            _ => panic!("no list"),
        }
    }
}

impl Answer {
    pub fn data(self) -> Value {
        match self {
            Self::Data(value) => value,
            Self::Empty => panic!("empty answer"),
            Self::Keys(keys) => panic!("list: {keys:?}"),
            Self::Missing(value) => panic!("missing: {value:?}"),
        }
    }
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
    pub fn missing(self) -> Option<Value> {
        match self {
            Self::Missing(value) => value,
            _ => panic!("not missing"),
        }
    }
}
