//! What a decision costs: `cargo run --release -p lessor-core --example policy_cost`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]
use lessor_core::policy::{Acl, Ask, Change, Policies, Source, parse};
use lessor_engine::{Operation, Timestamp};
use lessor_storage::{CachedStorage, MemoryStorage};
use serde_json::Map;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const SIX: &str = r#"
path "secret/data/app/*" { capabilities = ["create", "read", "update", "delete"] }
path "secret/metadata/app/*" { capabilities = ["read", "list"] }
path "secret/data/shared/+/config" { capabilities = ["read"] }
path "database/creds/app" { capabilities = ["read"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "transit/encrypt/app" { capabilities = ["update"] allowed_parameters = { "plaintext" = [] } }
"#;

fn measure(what: &str, turns: u32, mut call: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..turns {
        call();
    }
    println!("{what:44} {:>8.0} ns", start.elapsed().as_nanos() as f64 / f64::from(turns));
}

fn main() {
    let now = Timestamp::now();
    let fields = Map::new();
    let ask = |path| Ask { path, operation: Operation::Read, fields: &fields, wrap_ttl: None, sudo: false };
    let acl = Arc::new(Acl::compile(&[Source::new("app", parse(SIX).unwrap())], None, now));
    for path in ["database/creds/app", "secret/data/app/a/b", "secret/data/shared/eu/config", "elsewhere/a"] {
        measure(&format!("decide, six paths: {path}"), 1_000_000, || {
            black_box(acl.decide(&ask(black_box(path))));
        });
    }
    let many: String = (0..2000).map(|at| format!("path \"kv/{at}/+/x*\" {{ policy = \"read\" }}\n")).collect();
    let many = Arc::new(Acl::compile(&[Source::new("many", parse(&many).unwrap())], None, now));
    measure("decide, 2000 paths with +", 10_000, || {
        black_box(many.decide(&ask(black_box("kv/1000/b/xyz"))));
    });
    measure("parse and compile, six paths", 10_000, || {
        black_box(Acl::compile(&[Source::new("app", parse(SIX).unwrap())], None, now));
    });
    let storage = CachedStorage::new(Arc::new(MemoryStorage::new()), 1 << 20);
    let policies = Policies::new(Arc::new(storage));
    let names = ["app".to_owned(), "default".to_owned()];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let change = Change { text: Some(SIX.to_owned()), ..Change::default() };
        policies.put("", "app", &change, now).await.unwrap();
        let turns = 1_000_000;
        let start = Instant::now();
        for _ in 0..turns {
            let acl = policies.acl("", &names, None, now).await.unwrap();
            black_box(acl.decide(&ask(black_box("secret/data/app/a/b"))));
        }
        let each = start.elapsed().as_nanos() / turns;
        println!("{:44} {each:>8} ns", "a whole question, cached storage");
    });
}
