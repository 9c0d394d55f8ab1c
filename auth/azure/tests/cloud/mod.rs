//! A stand-in of Azure: a tenant's discovery document, keys and token endpoint, and the Resource Manager, which takes no
//! request without a token that the tenant gave.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Known {
    found: BTreeMap<String, Value>,
    granted: usize,
    /// How often its keys were asked for.
    fetched: usize,
    /// How many answers of the Resource Manager are to be this status.
    failing: (usize, u16),
}

#[derive(Clone)]
pub struct Cloud {
    pub address: String,
    private: String,
    modulus: String,
    known: Arc<Mutex<Known>>,
}

fn key() -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out k.pem");
    let modulus = openssl("rsa -in k.pem -noout -modulus");
    let modulus = modulus.trim().strip_prefix("Modulus=").unwrap();
    let bytes: Vec<u8> =
        (0..modulus.len()).step_by(2).map(|at| u8::from_str_radix(&modulus[at..at + 2], 16).unwrap()).collect();
    (std::fs::read_to_string(folder.path().join("k.pem")).unwrap(), URL_SAFE_NO_PAD.encode(bytes))
}

fn grant(cloud: &Cloud, body: &str) -> (u16, Value) {
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let wanted = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", "c".to_owned()),
        ("client_secret", "good".to_owned()),
        ("scope", format!("{}/.default", cloud.address)),
    ];
    if !wanted.iter().all(|(name, value)| form.get(*name) == Some(value)) {
        return (401, json!({ "error": "invalid_client", "error_description": "AADSTS7000215" }));
    }
    let mut known = cloud.known.lock().unwrap();
    known.granted += 1;
    (200, json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": format!("granted-{}", known.granted) }))
}

fn answer(cloud: &Cloud, path: &str, bearer: &str, body: &str) -> (u16, Value) {
    match path {
        "/t/.well-known/openid-configuration" => {
            return (200, json!({ "issuer": cloud.issuer(), "jwks_uri": format!("{}/keys", cloud.address) }));
        }
        "/keys" => {
            cloud.known.lock().unwrap().fetched += 1;
            let key = json!({ "kty": "RSA", "use": "sig", "kid": "k", "n": cloud.modulus, "e": "AQAB" });
            return (200, json!({ "keys": [key] }));
        }
        "/t/oauth2/v2.0/token" => return grant(cloud, body),
        _ => {}
    }
    let mut known = cloud.known.lock().unwrap();
    if known.failing.0 > 0 {
        known.failing.0 -= 1;
        return (known.failing.1, json!({ "error": { "code": "Trouble" } }));
    }
    if known.granted == 0 || bearer != format!("Bearer granted-{}", known.granted) {
        return (401, json!({ "error": { "code": "InvalidAuthenticationToken" } }));
    }
    let found = known.found.get(path).cloned();
    found.map_or_else(|| (404, json!({ "error": { "code": "ResourceNotFound" } })), |found| (200, found))
}

async fn serve(State(cloud): State<Cloud>, request: Request) -> (StatusCode, String) {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let bearer = head.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let path = head.uri.path_and_query().unwrap().as_str();
    let (status, answer) = answer(&cloud, path, bearer, std::str::from_utf8(&body).unwrap());
    (StatusCode::from_u16(status).unwrap(), answer.to_string())
}

impl Cloud {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (private, modulus) = key();
        let cloud = Self { address, private, modulus, known: Arc::default() };
        let router = Router::new().fallback(serve).with_state(cloud.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        cloud
    }
    pub fn issuer(&self) -> String {
        "https://sts.windows.net/t/".to_owned()
    }
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some("k".to_owned());
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_rsa_pem(self.private.as_bytes()).unwrap()).unwrap()
    }
    pub fn put(&self, path: &str, value: Value) {
        self.known.lock().unwrap().found.insert(path.to_owned(), value);
    }
    pub fn remove(&self, path: &str) {
        self.known.lock().unwrap().found.remove(path);
    }
    pub fn fetched(&self) -> usize {
        self.known.lock().unwrap().fetched
    }
    pub fn granted(&self) -> usize {
        self.known.lock().unwrap().granted
    }
    pub fn fail(&self, times: usize, status: u16) {
        self.known.lock().unwrap().failing = (times, status);
    }
}
