//! A key-value mount alone.
#![allow(dead_code, reason = "each test file uses its part")]
use lessor_engine_kv::KvFactory;
use lessor_mountkit::Alone;
use lessor_storage::{MemoryStorage, Storage};
use std::sync::Arc;

pub fn mount_on(storage: Arc<dyn Storage>, version: &str) -> Alone {
    Alone::new(&KvFactory, "secret/", &[("version", version)], storage)
}

pub fn mount(version: &str) -> Alone {
    mount_on(Arc::new(MemoryStorage::new()), version)
}
