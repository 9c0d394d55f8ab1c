//! Request headers that audit lines show: those an operator named, and the two that always are.
use crate::record::Record;
use lessor_engine::{Error, Result};
use lessor_storage::Storage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

const TABLE: &str = "core/audited-headers";
const ALWAYS: [&str; 2] = ["correlation-id", "x-correlation-id"];

/// Lower-case names, and whether the values are hashed.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Table(BTreeMap<String, bool>);

impl Default for Table {
    fn default() -> Self {
        Self(ALWAYS.map(|name| (name.to_owned(), false)).into())
    }
}

/// The headers that lines show.
pub struct Headers {
    record: Record<Table>,
    table: RwLock<Arc<BTreeMap<String, bool>>>,
}

impl Headers {
    /// Reads the table.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn load(storage: Arc<dyn Storage>) -> Result<Self> {
        let headers = Self { record: Record::new(storage, TABLE), table: RwLock::default() };
        headers.reload().await?;
        Ok(headers)
    }
    /// Reads the table again.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn reload(&self) -> Result<()> {
        self.record.reload(async |table| self.install(table)).await
    }
    fn install(&self, table: Table) -> Result<()> {
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table.0);
        Ok(())
    }
    /// The headers that are shown, and whether their values are hashed.
    pub fn all(&self) -> Arc<BTreeMap<String, bool>> {
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
        let set = |table: &mut Table| {
            match hashed {
                Some(hashed) => table.0.insert(name.to_lowercase(), hashed),
                None => table.0.remove(&name.to_lowercase()),
            };
            Ok(())
        };
        self.record.change(set, async |table| self.install(table)).await
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
