//! One mount alone, for the contract tests of engines and auth methods: memory storage that counts, virtual time, and
//! requests that go through the path table as core sends them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
mod answer;
mod counting;

pub use answer::Answer;
pub use counting::Counting;

use async_trait::async_trait;
use lessor_engine::clock::TokioClock;
use lessor_engine::{
    Backend, Caller, Connection, Context, Error, Factory, IdentityTokens, Login, Mount, Operation, Outcome,
    PasswordPolicies, Renewed, Reply, Result, Rotating, Secret, View,
};
use lessor_storage::Storage;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

struct NoTokens;

#[async_trait]
impl IdentityTokens for NoTokens {
    async fn mint(&self, _: &str, _: Duration) -> Result<Secret> {
        Err(Error::Internal("there is no signing key".to_owned()))
    }
}

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

/// The mount.
#[derive(Clone)]
pub struct Alone {
    /// The engine or method.
    pub backend: Backend,
    /// What its handlers get.
    pub cx: Context,
}

impl Alone {
    /// A mount at `path` with these options, on `storage`.
    pub fn new(factory: &dyn Factory, path: &str, options: &[(&str, &str)], storage: Arc<dyn Storage>) -> Self {
        let options: BTreeMap<String, String> =
            options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mount = Mount {
            path: path.to_owned(),
            accessor: format!("{}_1", factory.kind()),
            uuid: "u".to_owned(),
            default_ttl: Duration::from_secs(2_764_800),
            max_ttl: Duration::from_secs(2_764_800),
            options: options.clone(),
        };
        let connection = Connection { address: Some("127.0.0.1".parse().unwrap()), ..Connection::default() };
        let cx = Context {
            mount: Arc::new(mount),
            view: View::new(storage, "logical/u/"),
            clock: Arc::new(TokioClock::starting_at("2026-11-01T00:00:00Z".parse().unwrap())),
            policies: Arc::new(NoPolicies),
            identity: Arc::new(NoTokens),
            caller: Caller::default(),
            connection: Arc::new(connection),
            namespace: String::new(),
            path: String::new(),
        };
        Self { backend: factory.create(&options).unwrap(), cx }
    }
    /// The same mount, asked from another address.
    #[must_use]
    pub fn from(&self, address: &str) -> Self {
        self.over(Connection { address: Some(address.parse().unwrap()), ..Connection::default() })
    }
    /// The same mount, asked over another connection.
    #[must_use]
    pub fn over(&self, connection: Connection) -> Self {
        let mut mount = self.clone();
        mount.cx.connection = Arc::new(connection);
        mount
    }
    /// What its handlers get.
    pub fn context(&self) -> Context {
        self.cx.clone()
    }
    /// Its rotations.
    pub fn rotating(&self) -> Arc<dyn Rotating> {
        self.backend.rotating.clone().unwrap()
    }
    /// One request; `None` where the path has no such operation.
    pub async fn ask(&self, operation: Operation, path: &str, fields: Value) -> Option<Result<Reply>> {
        let matched = self.backend.paths.find(path)?;
        let spec = matched.operation(operation)?;
        let mut cx = self.cx.clone();
        path.clone_into(&mut cx.path);
        let fields = if let Value::Object(map) = fields { map } else { Map::new() };
        Some(matched.call(spec, cx, fields).await)
    }
    /// Whether what the path names is there.
    pub async fn exists(&self, path: &str) -> bool {
        let matched = self.backend.paths.find(path).unwrap();
        assert!(matched.has_existence_check());
        matched.exists(self.cx.clone(), &Map::new()).await.unwrap()
    }
    /// One request that has to succeed.
    pub async fn reply(&self, operation: Operation, path: &str, fields: Value) -> Reply {
        match self.ask(operation, path, fields).await.expect("operation is supported") {
            Ok(reply) => reply,
            Err(error) => panic!("{path}: {error}"),
        }
    }
    /// What a request that has to succeed answers.
    pub async fn ok(&self, operation: Operation, path: &str, fields: Value) -> Answer {
        Answer::of(self.reply(operation, path, fields).await)
    }
    /// Why a request fails, as it has to.
    pub async fn failed(&self, operation: Operation, path: &str, fields: Value) -> Error {
        match self.ask(operation, path, fields).await.expect("operation is supported") {
            Ok(_) => panic!("{path} succeeded"),
            Err(error) => error,
        }
    }
    /// Status and text of a request that has to fail.
    pub async fn error(&self, operation: Operation, path: &str, fields: Value) -> (u16, String) {
        let error = self.failed(operation, path, fields).await;
        (error.status(), error.to_string())
    }
    /// Status and text of a write that has to fail.
    pub async fn refused(&self, path: &str, fields: Value) -> (u16, String) {
        self.error(Operation::Update, path, fields).await
    }
    /// A write that has to succeed.
    pub async fn write(&self, path: &str, fields: Value) -> Answer {
        self.ok(Operation::Update, path, fields).await
    }
    /// A read that has to succeed.
    pub async fn read(&self, path: &str) -> Answer {
        self.ok(Operation::Read, path, Value::Null).await
    }
    /// A deletion that has to succeed.
    pub async fn delete(&self, path: &str) {
        self.reply(Operation::Delete, path, Value::Null).await;
    }
    /// The names below a path.
    pub async fn list(&self, path: &str) -> Vec<String> {
        match self.ok(Operation::List, path, Value::Null).await {
            Answer::Keys(keys) => keys,
            _ => panic!("no list"),
        }
    }
    /// A login by a write.
    ///
    /// # Errors
    /// Why nobody is let in.
    pub async fn log_in(&self, path: &str, fields: Value) -> Result<Login> {
        match self.ask(Operation::Update, path, fields).await.expect("operation is supported")?.outcome {
            Outcome::Login(login) => Ok(*login),
            _ => panic!("no login"),
        }
    }
    /// The renewal of a login's token.
    ///
    /// # Errors
    /// Why it is not renewed.
    pub async fn renew(&self, login: &Login) -> Result<Renewed> {
        self.backend.auth.as_ref().unwrap().renew(&self.cx, &login.renewal).await
    }
}
