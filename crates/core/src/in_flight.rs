//! The requests that are under way, for `sys/in-flight-req`.
use crate::request::Request;
use jiff::Timestamp;
use lessor_engine::Operation;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// As many as there are requests; each leaves when it is answered or dropped.
#[derive(Default)]
pub struct InFlight {
    requests: Mutex<BTreeMap<String, Value>>,
}

/// One request; it is under way as long as this lives.
pub struct Entered<'a> {
    all: &'a InFlight,
    id: String,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.all.requests.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl InFlight {
    /// Notes a request.
    pub fn enter(&self, request: &Request, now: Timestamp) -> Entered<'_> {
        let client = request.client.map(|address| std::net::SocketAddr::new(address, request.client_port).to_string());
        let shown = json!({
            "start_time": now,
            "client_remote_address": client.unwrap_or_default(),
            "request_path": format!("/v1/{}", request.path),
            "request_method": method(request.operation),
            // Who asks is found out later; nobody is kept here by name.
            "client_id": "",
            "snapshot_index": 0,
        });
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).insert(request.id.clone(), shown);
        Entered { all: self, id: request.id.clone() }
    }
    /// All of them, by id.
    pub fn shown(&self) -> Map<String, Value> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().map(|(id, shown)| (id.clone(), shown.clone())).collect()
    }
}

fn method(operation: Operation) -> &'static str {
    match operation {
        Operation::Read => "GET",
        Operation::Create | Operation::Update => "PUT",
        Operation::Patch => "PATCH",
        Operation::Delete => "DELETE",
        Operation::List => "LIST",
        Operation::Scan => "SCAN",
    }
}
