//! A stand-in of Google: token endpoint, its own keys, IAM, Compute Engine and Resource Manager, at the paths and with the
//! fields of the discovery documents (iam v1, compute v1, cloudresourcemanager v1). It takes no request without a token
//! that it gave for a statement signed with a registered key.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A key pair, its certificate, and what an RSA key is made of.
#[derive(Clone)]
pub struct Pair {
    pub id: String,
    pub private: String,
    pub certificate: String,
    modulus: String,
}

impl Pair {
    pub fn new(id: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let output =
                Command::new("openssl").args(arguments.split(' ')).current_dir(folder.path()).output().unwrap();
            assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=x");
        let modulus = openssl("x509 -in c.pem -noout -modulus");
        let modulus = modulus.trim().strip_prefix("Modulus=").unwrap();
        let bytes: Vec<u8> =
            (0..modulus.len()).step_by(2).map(|at| u8::from_str_radix(&modulus[at..at + 2], 16).unwrap()).collect();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        Self {
            id: id.to_owned(),
            private: read("k.pem"),
            certificate: read("c.pem"),
            modulus: URL_SAFE_NO_PAD.encode(bytes),
        }
    }
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_rsa_pem(self.private.as_bytes()).unwrap()).unwrap()
    }
    fn jwk(&self) -> Value {
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": self.modulus, "e": "AQAB" })
    }
}

/// What it knows. Paths as they are asked for, with their answers.
#[derive(Default)]
pub struct Known {
    pub google: Option<Pair>,
    /// The key that may ask.
    pub asker: Option<Pair>,
    pub found: BTreeMap<String, Value>,
    /// Every answer but the token's, when it is not 0.
    pub status: u16,
    pub granted: usize,
    /// How often its keys were asked for.
    pub fetched: usize,
}

#[derive(Clone)]
pub struct Google {
    pub address: String,
    pub known: Arc<Mutex<Known>>,
}

fn grant(known: &mut Known, address: &str, body: &str) -> (u16, Value) {
    let no = (400, json!({ "error": "invalid_grant" }));
    let form: BTreeMap<String, String> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let Some(key) = &known.asker else { return no };
    let key = DecodingKey::from_rsa_pem(key.certificate.as_bytes()).unwrap();
    let mut check = Validation::new(Algorithm::RS256);
    // The mount's time is virtual.
    check.validate_exp = false;
    check.set_audience(&[format!("{address}/token")]);
    let Ok(said) = jsonwebtoken::decode::<Value>(form.get("assertion").map_or("", String::as_str), &key, &check) else {
        return no;
    };
    let good = said.claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        && said.claims["iss"] == "lessor@p.iam.gserviceaccount.com"
        && form.get("grant_type").is_some_and(|kind| kind == "urn:ietf:params:oauth:grant-type:jwt-bearer");
    if !good {
        return no;
    }
    known.granted += 1;
    (200, json!({ "access_token": format!("granted-{}", known.granted), "expires_in": 3600, "token_type": "Bearer" }))
}

fn answer(google: &Google, method: &str, path: &str, bearer: &str, body: &str) -> (u16, Value) {
    let mut known = google.known.lock().unwrap();
    match path {
        "/token" => return grant(&mut known, &google.address, body),
        "/oauth2/v3/certs" => {
            known.fetched += 1;
            return (200, json!({ "keys": [known.google.as_ref().unwrap().jwk()] }));
        }
        _ => {}
    }
    if known.status != 0 {
        return (known.status, json!({ "error": { "code": known.status } }));
    }
    if known.granted == 0 || bearer != format!("Bearer granted-{}", known.granted) {
        return (401, json!({ "error": { "code": 401, "status": "UNAUTHENTICATED" } }));
    }
    let expected = if path.ends_with(":getAncestry") || path.contains("/listInstances") { "POST" } else { "GET" };
    match known.found.get(path) {
        Some(found) if method == expected => (200, found.clone()),
        _ => (404, json!({ "error": { "code": 404, "status": "NOT_FOUND" } })),
    }
}

async fn serve(State(google): State<Google>, request: Request) -> (StatusCode, String) {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let bearer = head.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let path = head.uri.path_and_query().unwrap().as_str();
    let (status, answer) = answer(&google, head.method.as_str(), path, bearer, std::str::from_utf8(&body).unwrap());
    (StatusCode::from_u16(status).unwrap(), answer.to_string())
}

impl Google {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let google = Self { address, known: Arc::default() };
        let router = Router::new().fallback(serve).with_state(google.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        google
    }
    pub fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap());
    }
    pub fn put(&self, path: &str, value: Value) {
        self.change(|known| drop(known.found.insert(path.to_owned(), value)));
    }
    pub fn remove(&self, path: &str) {
        self.change(|known| drop(known.found.remove(path)));
    }
    /// An account under both its names.
    pub fn account(&self, email: &str, id: &str, disabled: bool) {
        for name in [email, id] {
            let account = json!({ "email": email, "uniqueId": id, "projectId": "p", "disabled": disabled });
            self.put(&format!("/v1/projects/-/serviceAccounts/{name}"), account);
        }
    }
    pub fn key(&self, account: &str, pair: &Pair) {
        let path =
            format!("/v1/projects/-/serviceAccounts/{account}/keys/{}?publicKeyType=TYPE_X509_PEM_FILE", pair.id);
        self.put(
            &path,
            json!({ "publicKeyData": STANDARD.encode(&pair.certificate), "keyAlgorithm": "KEY_ALG_RSA_2048" }),
        );
    }
}
