//! Google, as far as logins go. It keeps accounts and machines, gives access tokens for statements signed with a key it
//! knows (RFC 7523), and checks requests and its own answers against Google's published description.
use super::signer::{Signer, now, trusted};
use super::stand_in::{Asked, StandIn};
use crate::targets::ckms::CloudKms;
use crate::targets::discovery::Discovery;
use crate::targets::tool;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

pub const APP: &str = "app@p-one.iam.gserviceaccount.com";
pub const LESSOR: &str = "lessor@p-one.iam.gserviceaccount.com";

/// Provider of a workload identity pool.
pub const PROVIDER: &str =
    "//iam.googleapis.com/projects/11/locations/global/workloadIdentityPools/pool/providers/lessor";

/// A service account with its one key.
#[derive(Clone)]
pub struct Account {
    pub email: String,
    pub id: String,
    pub project: String,
    pub disabled: bool,
    pub key_id: String,
    private: String,
    certificate: String,
    /// Whether Google still knows the key.
    pub key_known: bool,
}

impl Account {
    fn new(email: &str, id: &str, project: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args("req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -days 2 -subj /CN=x".split(' '))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success());
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        Self {
            email: email.into(),
            id: id.into(),
            project: project.into(),
            disabled: false,
            key_id: format!("{id}{}", hex::encode(rand::random::<[u8; 8]>())),
            private: read("k.pem"),
            certificate: read("c.pem"),
            key_known: true,
        }
    }
    /// Its key as Google hands it out.
    pub fn file(&self, token_uri: &str) -> Value {
        json!({
            "type": "service_account", "project_id": self.project, "private_key_id": self.key_id,
            "private_key": self.private, "client_email": self.email, "client_id": self.id, "token_uri": token_uri,
        })
    }
    /// A token that google-auth signs with the key.
    pub fn sign(&self, claims: &Value) -> String {
        let code = "info, claims = json.load(sys.stdin)\n\
                    signer = crypt.RSASigner.from_service_account_info(info)\n\
                    print(jwt.encode(signer, claims).decode())";
        python(&format!("from google.auth import crypt, jwt\n{code}"), &json!([self.file(""), claims]))
    }
}

/// Runs Python with Google's own libraries; `input` is on its standard input.
pub fn python(code: &str, input: &Value) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input.to_string()).unwrap();
    let output = Command::new(tool("google-2", "python"))
        .args(["-c", &format!("import json, sys\n{code}")])
        .stdin(std::fs::File::open(file.path()).unwrap())
        .env_remove("GOOGLE_APPLICATION_CREDENTIALS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What Google knows.
pub struct World {
    pub accounts: BTreeMap<String, Account>,
    pub machine: Value,
    /// Who is in the group `web`, on its second page.
    pub members: Vec<String>,
    pub down: bool,
    pub kms: CloudKms,
    /// Who signs the statements that are exchanged, as an issuer.
    pub trusted: String,
    google_keys: Value,
    tokens: Vec<String>,
    wrong: Vec<String>,
}

pub struct Google {
    pub stand_in: StandIn,
    pub signer: Signer,
    world: Arc<Mutex<World>>,
}

impl Drop for Google {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let wrong = std::mem::take(&mut self.world.lock().unwrap().wrong);
            assert!(wrong.is_empty(), "against what Google publishes: {wrong:?}");
        }
    }
}

fn error(code: u16, status: &str) -> (u16, Value) {
    (code, json!({ "error": { "code": code, "status": status, "message": status } }))
}

/// The token endpoint.
fn grant(world: &mut World, asked: &Asked) -> (u16, Value) {
    let no = (400, json!({ "error": "invalid_grant", "error_description": "Invalid JWT Signature." }));
    let form: BTreeMap<String, String> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if asked.method != "POST" || field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return (400, json!({ "error": "unsupported_grant_type" }));
    }
    let said = Signer::claims(field("assertion"));
    let account = world.accounts.get(said["iss"].as_str().unwrap_or_default()).filter(|account| account.key_known);
    let Some(account) = account.filter(|account| !account.disabled) else { return no };
    let mut check = Validation::new(Algorithm::RS256);
    // Google's libraries always name Google's own endpoint.
    let endpoints = [format!("http://{}/token", asked.header("host")), "https://oauth2.googleapis.com/token".into()];
    check.set_audience(&endpoints);
    let key = DecodingKey::from_rsa_pem(account.certificate.as_bytes()).unwrap();
    let Ok(token) = jsonwebtoken::decode::<Value>(field("assertion"), &key, &check) else { return no };
    let lasts = token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap();
    let scope = token.claims["scope"].as_str().unwrap_or_default();
    if token.header.kid.as_deref() != Some(&account.key_id) || lasts > 3600 || !scope.ends_with("/auth/cloud-platform")
    {
        return no;
    }
    let made = format!("ya29.{}", hex::encode(rand::random::<[u8; 16]>()));
    world.tokens.push(made.clone());
    (200, json!({ "access_token": made, "expires_in": 3599, "token_type": "Bearer" }))
}

/// The token service: what a trusted issuer signed for the provider (RFC 8693).
fn exchange(world: &mut World, asked: &Asked) -> (u16, Value) {
    let form: BTreeMap<String, String> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let signed = trusted(&world.trusted, &format!("https:{PROVIDER}"), field("subject_token"));
    let asked_well = field("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange"
        && field("audience") == PROVIDER
        && field("requested_token_type") == "urn:ietf:params:oauth:token-type:access_token"
        && field("subject_token_type") == "urn:ietf:params:oauth:token-type:jwt";
    if !asked_well || !signed {
        return (400, json!({ "error": "invalid_grant", "error_description": "x" }));
    }
    world.tokens.push("federated".into());
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    (200, json!({ "access_token": "federated", "issued_token_type": kind, "token_type": "Bearer", "expires_in": 3599 }))
}

fn shown(world: &World, id: &str, path: &str, query: &str) -> Option<Value> {
    let name = path.split('/').nth(5).unwrap_or_default();
    let account = || world.accounts.values().find(|account| account.email == name || account.id == name);
    match id {
        "iam.projects.serviceAccounts.get" => account().map(|account| {
            json!({
                "name": format!("projects/{}/serviceAccounts/{}", account.project, account.email),
                "email": account.email, "uniqueId": account.id, "projectId": account.project,
                "disabled": account.disabled, "oauth2ClientId": account.id, "etag": "AA==",
            })
        }),
        "iam.projects.serviceAccounts.keys.get" => {
            let id = path.rsplit('/').next().unwrap();
            let account = account().filter(|account| account.key_known && account.key_id == id)?;
            let mut key = json!({ "name": path, "keyAlgorithm": "KEY_ALG_RSA_2048", "keyOrigin": "GOOGLE_PROVIDED" });
            if query == "publicKeyType=TYPE_X509_PEM_FILE" {
                key["publicKeyData"] = json!(STANDARD.encode(&account.certificate));
            }
            Some(key)
        }
        "iamcredentials.projects.serviceAccounts.generateAccessToken" => {
            let ends = jiff::Timestamp::from_second(now() + 3599).unwrap().to_string();
            name.starts_with(LESSOR).then(|| json!({ "accessToken": "ya29.account", "expireTime": ends }))
        }
        "cloudresourcemanager.projects.getAncestry" => {
            let one = |kind: &str, id: &str| json!({ "resourceId": { "type": kind, "id": id } });
            path.contains("/p-one:")
                .then(|| json!({ "ancestor": [one("project", "p-one"), one("folder", "7"), one("organization", "9")] }))
        }
        "compute.instances.get" => path.ends_with("/p-one/zones/a-b1-c/instances/vm").then(|| world.machine.clone()),
        "compute.regionInstanceGroups.listInstances" => match query {
            _ if !path.contains("/p-one/regions/a-b1/instanceGroups/web/") => None,
            "" => Some(json!({ "items": [{ "instance": "https://x/y" }], "nextPageToken": "2 /" })),
            _ => {
                let item = |url: &String| json!({ "instance": url, "status": "RUNNING" });
                Some(json!({ "items": world.members.iter().map(item).collect::<Vec<_>>() }))
            }
        },
        _ => None,
    }
}

fn answer(world: &mut World, discovery: &Discovery, asked: &Asked) -> (u16, Value) {
    if world.down {
        return error(503, "UNAVAILABLE");
    }
    match asked.path.as_str() {
        "/token" => return grant(world, asked),
        "/v1/token" => return exchange(world, asked),
        // How a machine's metadata server gives the token of its account.
        "/computeMetadata/v1/instance/service-accounts/default/token"
            if asked.header("metadata-flavor") == "Google" =>
        {
            world.tokens.push("ya29.machine".into());
            return (200, json!({ "access_token": "ya29.machine", "expires_in": 3599, "token_type": "Bearer" }));
        }
        "/oauth2/v3/certs" => return (200, world.google_keys.clone()),
        _ => {}
    }
    let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
    if !world.tokens.contains(&token) {
        return error(401, "UNAUTHENTICATED");
    }
    let id = match discovery.check(asked) {
        Ok(id) => id,
        Err(wrong) => {
            world.wrong.push(wrong);
            return error(400, "INVALID_ARGUMENT");
        }
    };
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    if (token == "federated") != (id == "iamcredentials.projects.serviceAccounts.generateAccessToken") {
        return error(403, "PERMISSION_DENIED");
    }
    let found = match id.starts_with("cloudkms.") {
        true => match world.kms.answer(id, path, &asked.json()) {
            Ok(found) => found,
            Err((code, status)) => return error(code, status),
        },
        false => match shown(world, id, path, query) {
            Some(found) => found,
            None => return error(404, "NOT_FOUND"),
        },
    };
    if let Err(wrong) = discovery.check_answer(id, &found) {
        world.wrong.push(format!("the stand-in itself: {wrong}"));
    }
    (200, found)
}

impl Google {
    pub fn start() -> Self {
        let signer = Signer::rsa("g1");
        let link = "https://www.googleapis.com/compute/v1/projects/p-one/zones/a-b1-c/instances/vm".to_owned();
        let machine = json!({
            "id": "5", "name": "vm", "selfLink": link, "status": "RUNNING", "labels": { "env": "prod" },
            "serviceAccounts": [{ "email": APP, "scopes": ["https://www.googleapis.com/auth/cloud-platform"] }],
        });
        let accounts = [Account::new(APP, "1001", "p-one"), Account::new(LESSOR, "1002", "p-one")];
        let world = World {
            accounts: accounts.map(|account| (account.email.clone(), account)).into(),
            machine,
            members: vec![link],
            down: false,
            kms: CloudKms::default(),
            trusted: String::new(),
            google_keys: Signer::published(&[&signer]),
            tokens: vec!["ya29.account".into()],
            wrong: Vec::new(),
        };
        let world = Arc::new(Mutex::new(world));
        let seen = Arc::clone(&world);
        let discovery =
            Discovery::load(&["iam.v1", "cloudresourcemanager.v1", "compute.v1", "cloudkms.v1", "iamcredentials.v1"]);
        let stand_in = StandIn::start(move |asked| answer(&mut seen.lock().unwrap(), &discovery, asked));
        Self { stand_in, signer, world }
    }
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().unwrap());
    }
    pub fn account(&self, email: &str) -> Account {
        self.world.lock().unwrap().accounts[email].clone()
    }
    pub fn on_account(&self, email: &str, change: impl FnOnce(&mut Account)) {
        change(self.world.lock().unwrap().accounts.get_mut(email).unwrap());
    }
    /// The key file of Lessor's own account.
    pub fn key_file(&self) -> String {
        self.account(LESSOR).file(&format!("{}/token", self.stand_in.address)).to_string()
    }
    /// Of the mount, without credentials.
    pub fn endpoints(&self) -> Value {
        let base = &self.stand_in.address;
        json!({ "custom_endpoint": {
            "api": base, "iam": base, "crm": base, "compute": base, "sts": base, "iamcredentials": base,
        } })
    }
    /// A role for its account, and one for its machine.
    pub fn roles() -> [(&'static str, Value); 2] {
        let web = json!({
            "type": "iam", "bound_service_accounts": APP, "bound_projects": "p-one", "add_group_aliases": true,
            "token_policies": "p", "token_ttl": "20m",
        });
        let machine = json!({
            "type": "gce", "bound_projects": "p-one", "bound_regions": "a-b1", "bound_labels": "env:prod",
            "bound_instance_groups": "web", "bound_service_accounts": "1001", "token_ttl": "20m",
        });
        [("web", web), ("vm", machine)]
    }
    /// As an account's owner signs it for the role `web`.
    pub fn own(&self, seconds: i64) -> Value {
        let claims = json!({ "iss": APP, "sub": APP, "aud": "vault/web", "iat": now(), "exp": now() + seconds });
        json!({ "role": "web", "jwt": self.account(APP).sign(&claims) })
    }
    /// As a machine's metadata server gives it with `format=full`.
    pub fn machine(&self, role: &str, more: &Value) -> Value {
        let mut place = json!({
            "project_id": "p-one", "project_number": 11, "zone": "a-b1-c", "instance_id": "5", "instance_name": "vm",
            "instance_creation_timestamp": 1,
        });
        place.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let claims = json!({
            "iss": "https://accounts.google.com", "sub": "1001", "azp": "1001", "aud": format!("http://vault/{role}"),
            "iat": now(), "exp": now() + 3600, "email": APP, "email_verified": true,
            "google": { "compute_engine": place },
        });
        json!({ "role": role, "jwt": self.signer.sign(&claims) })
    }
}
