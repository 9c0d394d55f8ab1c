//! An API server as far as this engine goes: it keeps objects, gives uids, refuses names that are taken and deletions of
//! other uids, and remembers what it was asked. It collects no garbage.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub struct State {
    /// By path.
    pub objects: BTreeMap<String, Value>,
    /// `METHOD path`, without queries.
    pub asked: Vec<String>,
    pub bodies: Vec<Value>,
    /// Tokens that requests bore.
    pub bearers: Vec<String>,
    /// `METHOD` and part of a path that are refused with this status.
    pub refuse: Option<(&'static str, &'static str, u16)>,
    /// How many requests from now on are turned away for being too many.
    pub busy: u32,
    /// Seconds that tokens live at most.
    pub longest: u64,
    uids: u64,
}

pub struct ApiServer {
    pub address: String,
    pub state: Arc<Mutex<State>>,
}

fn status(code: u16, message: &str) -> (u16, Value) {
    (code, json!({ "kind": "Status", "code": code, "message": message }))
}

/// Whose tokens are made at the path of an account.
fn subject(account: &str) -> String {
    let parts: Vec<&str> = account.split('/').collect();
    format!("system:serviceaccount:{}:{}", parts[4], parts[6])
}

/// When all tokens were issued, in seconds since 1970.
pub const ISSUED: i64 = 1_000_000;

/// A token; no two are the same.
pub fn token(subject: &str, seconds: u64) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let ends = ISSUED + i64::try_from(seconds).unwrap();
    let claims = json!({
        "sub": subject, "iat": ISSUED, "exp": ends, "aud": ["cluster"], "kubernetes.io": {},
        "jti": NUMBER.fetch_add(1, Ordering::SeqCst),
    });
    format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

impl State {
    fn answer(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        if let Some((verb, part, code)) = self.refuse
            && method == verb
            && path.contains(part)
        {
            return status(code, "refused by the test");
        }
        if self.busy > 0 {
            self.busy -= 1;
            return status(429, "too many requests");
        }
        if path.ends_with("/selfsubjectaccessreviews") {
            return (201, json!({ "status": { "allowed": false } }));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if method == "POST" && path.ends_with("/token") {
            let account = path.trim_end_matches("/token");
            if !self.objects.contains_key(account) {
                return status(404, "serviceaccounts not found");
            }
            let seconds = body["spec"]["expirationSeconds"].as_u64().unwrap();
            if seconds < 600 {
                return status(422, "spec.expirationSeconds: may not specify a duration less than 10 minutes");
            }
            return (201, json!({ "status": { "token": token(&subject(account), seconds.min(self.longest)) } }));
        }
        match method {
            "POST" => {
                let at = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&at) {
                    return status(409, "already exists");
                }
                self.uids += 1;
                let mut object = body.clone();
                object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
                self.objects.insert(at, object.clone());
                (201, object)
            }
            "GET" if query.is_empty() => {
                self.objects.get(path).map_or_else(|| status(404, "not found"), |object| (200, object.clone()))
            }
            "GET" => {
                let selector = query.split('&').next().unwrap();
                let (name, value) = selector.trim_start_matches("labelSelector=").split_once("%3D").unwrap();
                let plural = path.rsplit('/').next().unwrap();
                let of = |at: &str| at.rsplit('/').nth(1) == Some(plural);
                let fits = |object: &Value| object["metadata"]["labels"][name] == value;
                let items: Vec<_> = self.objects.iter().filter(|(at, object)| of(at) && fits(object)).collect();
                (200, json!({ "items": items.into_iter().map(|(_, object)| object).collect::<Vec<_>>() }))
            }
            "DELETE" => match self.objects.get(path) {
                None => status(404, "not found"),
                Some(object) if object["metadata"]["uid"] != body["preconditions"]["uid"] => {
                    status(409, "precondition")
                }
                Some(_) => (200, self.objects.remove(path).unwrap()),
            },
            _ => status(405, "no such verb"),
        }
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut bearer) = (0, String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => bearer = value.trim().trim_start_matches("Bearer ").to_owned(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let mut state = state.lock().unwrap();
    let (code, answer) = state.answer(&method, &path, &body);
    state.asked.push(format!("{method} {}", path.split('?').next().unwrap()));
    state.bodies.push(body);
    state.bearers.push(bearer);
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 {code} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    let mut stream = stream;
    stream.write_all((head + &answer).as_bytes()).ok()
}

impl ApiServer {
    /// With the namespaces `shop` (labelled `team=shop`) and `pay`, and the account `reader` in each.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut state = State { longest: 1_000_000, ..State::default() };
        for name in ["shop", "pay"] {
            let path = format!("/api/v1/namespaces/{name}");
            let labels = if name == "shop" { json!({ "team": "shop" }) } else { json!({}) };
            state.objects.insert(format!("{path}/serviceaccounts/reader"), json!({ "metadata": { "uid": "r" } }));
            state.objects.insert(path, json!({ "metadata": { "name": name, "labels": labels } }));
        }
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(&stream, &shared);
            }
        });
        Self { address, state }
    }
    /// Paths of what leases made.
    pub fn made(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let labelled = |object: &Value| object["metadata"]["labels"]["lessor.io/mount"].is_string();
        state.objects.iter().filter(|(_, object)| labelled(object)).map(|(path, _)| path.clone()).collect()
    }
    /// What it was asked since the last call.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}
