//! One mount of an auth method over memory storage, asked through its path table as core asks it. Shared by the contract
//! tests of the methods beside it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test file uses its part; a panic is a failed test"
)]
use async_trait::async_trait;
use lessor_engine::clock::TokioClock;
use lessor_engine::{
    Backend, Caller, Connection, Context, Error, Factory, Login, Mount, Operation, Outcome, PasswordPolicies, Renewed,
    Reply, Result, Secret, View,
};
use lessor_storage::{Batch, Entry, MemoryStorage, Storage};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{collections::BTreeMap, time::Duration};

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

/// Memory storage that counts how often it is asked.
#[derive(Default)]
pub struct Counting {
    pub inner: MemoryStorage,
    gets: AtomicUsize,
    scans: AtomicUsize,
    commits: AtomicUsize,
}

#[async_trait]
impl Storage for Counting {
    async fn get(&self, key: &str) -> lessor_storage::Result<Option<Entry>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.inner.get(key).await
    }
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> lessor_storage::Result<Vec<Entry>> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        self.inner.scan(prefix, after, limit).await
    }
    async fn commit(&self, batch: Batch) -> lessor_storage::Result<()> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(batch).await
    }
}

impl Counting {
    /// Gets, scans and commits since the last call.
    pub fn take(&self) -> (usize, usize, usize) {
        let take = |counter: &AtomicUsize| counter.swap(0, Ordering::SeqCst);
        (take(&self.gets), take(&self.scans), take(&self.commits))
    }
    /// Everything that is stored, keys and values.
    pub async fn text(&self) -> String {
        let all = self.inner.scan("", None, 100_000).await.unwrap();
        all.iter().map(|entry| format!("{} {}\n", entry.key, String::from_utf8_lossy(&entry.value))).collect()
    }
}

#[derive(Clone)]
pub struct Method {
    pub backend: Backend,
    pub cx: Context,
    pub storage: Arc<Counting>,
}

impl Method {
    pub fn new(factory: &dyn Factory) -> Self {
        let storage = Arc::new(Counting::default());
        let mount = Mount {
            path: "auth/m/".to_owned(),
            accessor: "auth_m_1".to_owned(),
            uuid: "u".to_owned(),
            default_ttl: Duration::from_secs(2_764_800),
            max_ttl: Duration::from_secs(2_764_800),
            options: BTreeMap::new(),
        };
        let cx = Context {
            mount: Arc::new(mount),
            view: View::new(Arc::clone(&storage) as Arc<dyn Storage>, "auth/u/"),
            clock: Arc::new(TokioClock::starting_at("2026-11-01T00:00:00Z".parse().unwrap())),
            policies: Arc::new(NoPolicies),
            connection: Arc::default(),
            namespace: String::new(),
            caller: Caller::default(),
            path: String::new(),
        };
        let method = Self { backend: factory.create(&BTreeMap::new()).unwrap(), cx, storage };
        method.from("127.0.0.1")
    }
    /// The same mount, asked from another address.
    pub fn from(&self, address: &str) -> Self {
        let connection = Connection { address: Some(address.parse().unwrap()), ..Connection::default() };
        self.over(connection)
    }
    /// The same mount, asked over another connection.
    pub fn over(&self, connection: Connection) -> Self {
        let mut method = self.clone();
        method.cx.connection = Arc::new(connection);
        method
    }
    /// `None` where the path has no such operation.
    pub async fn ask(&self, operation: Operation, path: &str, fields: Value) -> Option<Result<Reply>> {
        let matched = self.backend.paths.find(path)?;
        let spec = matched.operation(operation)?;
        let fields = if let Value::Object(map) = fields { map } else { serde_json::Map::new() };
        Some(matched.call(spec, self.cx.clone(), fields).await)
    }
    pub async fn reply(&self, operation: Operation, path: &str, fields: Value) -> Reply {
        match self.ask(operation, path, fields).await.expect("operation is supported") {
            Ok(reply) => reply,
            Err(error) => panic!("{path}: {error}"),
        }
    }
    /// The `data` of a write; null where there is none.
    pub async fn write(&self, path: &str, fields: Value) -> Value {
        data(self.reply(Operation::Update, path, fields).await)
    }
    pub async fn read(&self, path: &str) -> Value {
        data(self.reply(Operation::Read, path, Value::Null).await)
    }
    pub async fn delete(&self, path: &str) {
        self.reply(Operation::Delete, path, Value::Null).await;
    }
    pub async fn list(&self, path: &str) -> Vec<String> {
        match self.reply(Operation::List, path, Value::Null).await.outcome {
            Outcome::List(keys) => keys,
            _ => panic!("no list"),
        }
    }
    pub async fn refused(&self, path: &str, fields: Value) -> (u16, String) {
        let error = self.failed(path, fields).await;
        (error.status(), error.to_string())
    }
    pub async fn failed(&self, path: &str, fields: Value) -> Error {
        match self.ask(Operation::Update, path, fields).await.expect("operation is supported") {
            Ok(_) => panic!("{path} succeeded"),
            Err(error) => error,
        }
    }
    pub async fn log_in(&self, path: &str, fields: Value) -> Result<Login> {
        match self.ask(Operation::Update, path, fields).await.expect("operation is supported")?.outcome {
            Outcome::Login(login) => Ok(*login),
            _ => panic!("no login"),
        }
    }
    pub async fn renew(&self, login: &Login) -> Result<Renewed> {
        self.backend.auth.as_ref().unwrap().renew(&self.cx, &login.renewal).await
    }
}

fn data(reply: Reply) -> Value {
    match reply.outcome {
        Outcome::Data(map) => Value::Object(map),
        Outcome::Empty | Outcome::Missing(_) => Value::Null,
        _ => panic!("neither data nor empty"),
    }
}
