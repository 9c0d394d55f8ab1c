//! One mount of an auth method alone, on storage that counts. Shared by the contract tests of the methods beside it.
#![allow(dead_code, reason = "each test file uses its part")]
use lessor_engine::{Connection, Error, Factory, Operation};
use lessor_mountkit::{Alone, Counting};
use serde_json::Value;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

#[derive(Clone)]
pub struct Method {
    alone: Alone,
    pub storage: Arc<Counting>,
}

impl Deref for Method {
    type Target = Alone;
    fn deref(&self) -> &Alone {
        &self.alone
    }
}

impl DerefMut for Method {
    fn deref_mut(&mut self) -> &mut Alone {
        &mut self.alone
    }
}

impl Method {
    pub fn new(factory: &dyn Factory) -> Self {
        let storage = Arc::new(Counting::default());
        Self { alone: Alone::new(factory, "auth/m/", &[], storage.clone()), storage }
    }
    /// The same mount, asked from another address.
    pub fn from(&self, address: &str) -> Self {
        Self { alone: self.alone.from(address), ..self.clone() }
    }
    /// The same mount, asked over another connection.
    pub fn over(&self, connection: Connection) -> Self {
        Self { alone: self.alone.over(connection), ..self.clone() }
    }
    /// The `data` of a write; null where there is none.
    pub async fn write(&self, path: &str, fields: Value) -> Value {
        self.alone.write(path, fields).await.value()
    }
    /// The `data` of a read; null where there is none.
    pub async fn read(&self, path: &str) -> Value {
        self.alone.read(path).await.value()
    }
    /// Why a write fails, as it has to.
    pub async fn failed(&self, path: &str, fields: Value) -> Error {
        self.alone.failed(Operation::Update, path, fields).await
    }
}
