//! What a handler gets, in tests of single functions.
use lessor_engine::Context;
use lessor_mountkit::{Alone, Counting};
use std::sync::Arc;

pub(crate) fn context() -> Context {
    Alone::new(&crate::JwtFactory::jwt(), "auth/m/", &[], Arc::new(Counting::default())).cx
}
