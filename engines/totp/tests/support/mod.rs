//! A totp mount alone.
#![allow(dead_code, reason = "each test file uses its part")]
use lessor_engine_totp::TotpFactory;
use lessor_mountkit::Alone;
use lessor_storage::{MemoryStorage, Storage};
use std::sync::Arc;

pub fn mount_on(storage: Arc<dyn Storage>) -> Alone {
    Alone::new(&TotpFactory, "totp/", &[], storage)
}

pub fn mount() -> Alone {
    mount_on(Arc::new(MemoryStorage::new()))
}
