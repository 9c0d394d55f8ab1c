//! Request headers that audit lines show: those an operator named, and the two that always are.
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect, Storage};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

const TABLE: &str = "core/audited-headers";
const ALWAYS: [&str; 2] = ["correlation-id", "x-correlation-id"];

/// Lower-case names, and whether the values are hashed.
type Table = BTreeMap<String, bool>;

/// The headers that lines show.
pub struct Headers {
    storage: Arc<dyn Storage>,
    table: RwLock<Arc<Table>>,
    change: Mutex<()>,
}

impl Headers {
    /// Reads the table.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn load(storage: Arc<dyn Storage>) -> Result<Self> {
        let headers = Self { storage, table: RwLock::default(), change: Mutex::default() };
        let (table, _) = headers.read().await?;
        headers.install(table);
        Ok(headers)
    }
    async fn read(&self) -> Result<(Table, Expect)> {
        Ok(match self.storage.get(TABLE).await? {
            Some(stored) => (serde_json::from_slice(&stored.value)?, Expect::Version(stored.version)),
            None => (ALWAYS.map(|name| (name.to_owned(), false)).into(), Expect::Absent),
        })
    }
    fn install(&self, table: Table) {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
    /// The headers that are shown, and whether their values are hashed.
    pub fn all(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Shows a header from now on, or (`None`) no more.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn set(&self, name: &str, hashed: Option<bool>) -> Result<()> {
        if name.is_empty() {
            return Err(Error::invalid("missing header name"));
        }
        let _one = self.change.lock().await;
        let (mut table, expect) = self.read().await?;
        match hashed {
            Some(hashed) => table.insert(name.to_lowercase(), hashed),
            None => table.remove(&name.to_lowercase()),
        };
        let batch = Batch::new().expect(TABLE, expect).put(TABLE, serde_json::to_vec(&table)?);
        self.storage.commit(batch).await?;
        self.install(table);
        Ok(())
    }
    /// What a line shows of a request's headers: plain values, and those to be hashed.
    pub fn shown(&self, headers: &[(String, String)]) -> (Map<String, Value>, Map<String, Value>) {
        let table = self.all();
        let (mut plain, mut hashed) = (Map::new(), Map::<String, Value>::new());
        for (name, value) in headers {
            let Some(hash) = table.get(name) else { continue };
            let place = if *hash { &mut hashed } else { &mut plain };
            match place.get_mut(name).and_then(Value::as_array_mut) {
                Some(values) => values.push(json!(value)),
                None => drop(place.insert(name.clone(), json!([value]))),
            }
        }
        (plain, hashed)
    }
}
