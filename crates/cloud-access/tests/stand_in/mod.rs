//! An HTTP server that answers by path and remembers what it was asked.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; a panic is a failed test")]
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use lessor_engine::Timestamp;
use lessor_platform_http::Http;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
    /// Of a form, or of the query where there is no form.
    pub fn field(&self, name: &str) -> String {
        let text = if self.body.is_empty() { self.path.split_once('?').unwrap().1 } else { &self.body };
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    }
}

#[derive(Clone, Default)]
pub struct StandIn {
    pub address: String,
    answers: Arc<Mutex<BTreeMap<String, (u16, Value)>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn serve(State(stand_in): State<StandIn>, request: Request) -> (StatusCode, String) {
    let (head, body) = request.into_parts();
    let body = String::from_utf8(to_bytes(body, 1 << 20).await.unwrap().to_vec()).unwrap();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let asked = Asked { path: head.uri.to_string(), headers: headers.collect(), body };
    stand_in.asked.lock().unwrap().push(asked);
    let found = stand_in.answers.lock().unwrap().get(head.uri.path()).cloned();
    let (status, answer) = found.unwrap_or((404, Value::Null));
    (StatusCode::from_u16(status).unwrap(), answer.to_string())
}

impl StandIn {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let stand_in = Self { address, ..Self::default() };
        let router = Router::new().fallback(serve).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }
    pub fn answer(&self, path: &str, status: u16, value: Value) {
        self.answers.lock().unwrap().insert(path.to_owned(), (status, value));
    }
    /// The last request, and how many there were.
    pub fn last(&self) -> (Asked, usize) {
        let asked = self.asked.lock().unwrap();
        (asked.last().unwrap().clone(), asked.len())
    }
    pub fn all(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

pub fn http() -> Http {
    Http::new("").unwrap()
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}
