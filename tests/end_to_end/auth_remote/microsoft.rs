//! Azure, as far as logins go: a tenant that gives tokens for the secrets of its applications and to the identities of
//! machines, and the Resource Manager. Microsoft's own Python libraries are its other client.
use super::signer::{Signer, now, trusted};
use super::stand_in::{Asked, StandIn};
pub use super::stand_in::{TENANT, VAULTS};
use crate::targets::keyvault::KeyVault;
use crate::targets::tool;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};

pub const SUBSCRIPTION: &str = "99999999-2222-3333-4444-555555555555";
/// Whom tokens are made for.
pub const RESOURCE: &str = "api://lessor";
/// Object ids of an application and of a machine's identity.
pub const APP: &str = "aaaaaaaa-0000-0000-0000-000000000001";
pub const MACHINE: &str = "aaaaaaaa-0000-0000-0000-000000000002";

/// What Azure knows.
#[derive(Default)]
pub struct World {
    /// Secrets of applications by client id; the object id goes with it.
    pub secrets: BTreeMap<String, (String, String)>,
    /// Resources by id in lower case.
    pub resources: BTreeMap<String, Value>,
    /// Statuses of the next answers of the Resource Manager.
    pub trouble: Vec<u16>,
    pub down: bool,
    pub vault: KeyVault,
    /// Whose statements Lessor's application takes for itself, as an issuer.
    pub trusted: String,
    keys: Value,
    /// Tokens for other services, with the services.
    opaque: Vec<(String, String)>,
}

pub struct Azure {
    pub stand_in: StandIn,
    pub signer: Arc<Signer>,
    world: Arc<Mutex<World>>,
}

/// Id of a machine in a resource group.
pub fn vm(group: &str, name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}")
}

fn claims(audience: &str, principal: &str, place: Option<&str>) -> Value {
    let mut claims = json!({
        "aud": audience, "iss": format!("https://sts.windows.net/{TENANT}/"), "iat": now(), "nbf": now(),
        "exp": now() + 3600, "oid": principal, "sub": principal, "tid": TENANT, "ver": "1.0", "groups": ["g-1"],
    });
    if let Some(place) = place {
        claims["xms_mirid"] = json!(place);
    }
    claims
}

fn discovery(host: &str, scheme: &str) -> Value {
    let base = format!("{scheme}://{host}/{TENANT}");
    json!({
        "issuer": format!("https://sts.windows.net/{TENANT}/"), "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
    })
}

/// Tokens for the secret of an application (RFC 6749, section 4.4).
fn grant(world: &mut World, signer: &Signer, asked: &Asked) -> (u16, Value) {
    let form: BTreeMap<String, String> = form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if field("grant_type") != "client_credentials" {
        return (400, json!({ "error": "unsupported_grant_type", "error_description": "AADSTS70003: no." }));
    }
    let Some(resource) = field("scope").split(' ').find_map(|scope| scope.strip_suffix("/.default")) else {
        return (400, json!({ "error": "invalid_scope", "error_description": "AADSTS70011: no." }));
    };
    let stated = field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        && field("client_id") == "lessor-client"
        && trusted(&world.trusted, "api://AzureADTokenExchange", field("client_assertion"));
    let proven = |known: &&(String, String)| stated || known.0 == field("client_secret");
    let known = world.secrets.get(field("client_id")).filter(proven);
    let Some((_, principal)) = known else {
        let text = "AADSTS7000215: Invalid client secret provided.";
        return (401, json!({ "error": "invalid_client", "error_description": text, "error_codes": [7_000_215] }));
    };
    let token = if resource == RESOURCE {
        signer.sign(&claims(resource, principal, None))
    } else {
        // What other services take is nobody else's business.
        let token = hex::encode(rand::random::<[u8; 16]>());
        world.opaque.push((token.clone(), resource.to_owned()));
        token
    };
    (200, json!({ "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token }))
}

fn resource(world: &World, path: &str, query: &str) -> (u16, Value) {
    let wanted = path.to_lowercase();
    let version = query.strip_prefix("api-version=").unwrap_or_default();
    let kinds = json!({ "id": path, "namespace": "Microsoft.Web", "resourceTypes": [
        { "resourceType": "sites", "apiVersions": ["2025-01-01-preview", "2024-04-01", "2020-06-01"] },
    ] });
    let (versions, found) = if wanted.ends_with("/providers/microsoft.web") {
        (&["2021-04-01"][..], Some(&kinds))
    } else if wanted.contains("/microsoft.compute/") {
        (&["2024-07-01"][..], world.resources.get(&wanted))
    } else {
        (&["2024-04-01", "2020-06-01"][..], world.resources.get(&wanted))
    };
    if !versions.contains(&version) {
        return (400, json!({ "error": { "code": "InvalidApiVersionParameter", "message": version } }));
    }
    let missing = || (404, json!({ "error": { "code": "ResourceNotFound", "message": path } }));
    found.map_or_else(missing, |found| (200, found.clone()))
}

fn answer(world: &mut World, signer: &Signer, asked: &Asked) -> (u16, Value) {
    if world.down {
        return (503, json!({}));
    }
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let of_tenant = path.strip_prefix(&format!("/{TENANT}")).unwrap_or_default();
    match of_tenant {
        "/.well-known/openid-configuration" => return (200, discovery(asked.header("host"), "http")),
        "/v2.0/.well-known/openid-configuration" => return (200, discovery(asked.header("host"), "https")),
        "/discovery/v2.0/keys" => return (200, world.keys.clone()),
        "/oauth2/v2.0/token" => return grant(world, signer, asked),
        _ => {}
    }
    if path == "/metadata/identity/oauth2/token" && asked.header("metadata") == "true" {
        // The machine `vm` of group `web` asks who it is.
        let token = signer.sign(&claims(RESOURCE, MACHINE, Some(&vm("web", "vm"))));
        let (lasts, ends) = ("86399", (now() + 86399).to_string());
        let answer = json!({
            "access_token": token, "expires_in": lasts, "expires_on": ends, "resource": RESOURCE, "token_type": "Bearer",
        });
        return (200, answer);
    }
    let token = asked.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
    if path.starts_with("/keys/") {
        let known = (token.to_owned(), format!("https://{VAULTS}"));
        if !world.opaque.contains(&known) {
            return (401, json!({ "error": { "code": "Unauthorized", "message": "x" } }));
        }
        return world.vault.answer(asked, path, query);
    }
    if !path.starts_with("/subscriptions/") || asked.method != "GET" {
        return (404, json!({ "error": "not_found" }));
    }
    if !world.trouble.is_empty() {
        return (world.trouble.remove(0), json!({ "error": { "code": "Trouble", "message": "x" } }));
    }
    if !world.opaque.iter().any(|(known, service)| known == token && service != &format!("https://{VAULTS}")) {
        return (401, json!({ "error": { "code": "InvalidAuthenticationToken", "message": "x" } }));
    }
    resource(world, path, query)
}

impl Azure {
    pub fn start() -> Self {
        let signer = Arc::new(Signer::rsa("e1"));
        let world = World { keys: Signer::published(&[&signer]), ..World::default() };
        let world = Arc::new(Mutex::new(world));
        let (seen, signing) = (Arc::clone(&world), Arc::clone(&signer));
        let stand_in = StandIn::start(move |asked| answer(&mut seen.lock().unwrap(), &signing, asked)).secure();
        let azure = Self { stand_in, signer, world };
        azure.change(|world| {
            let secret = |text: &str, id: &str| (text.to_owned(), id.to_owned());
            world.secrets.insert("app-client".into(), secret("app-secret", APP));
            world.secrets.insert("lessor-client".into(), secret("lessor-secret", "lessor"));
        });
        azure.put(&vm("web", "vm"), &json!({ "type": "SystemAssigned", "principalId": MACHINE, "tenantId": TENANT }));
        azure
    }
    pub fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world.lock().unwrap());
    }
    /// A resource in `westeurope` with this identity.
    pub fn put(&self, id: &str, identity: &Value) {
        let name = id.rsplit('/').next().unwrap();
        let resource = json!({ "id": id, "name": name, "location": "westeurope", "identity": identity });
        self.change(|world| drop(world.resources.insert(id.to_lowercase(), resource)));
    }
    pub fn remove(&self, id: &str) {
        self.change(|world| drop(world.resources.remove(&id.to_lowercase())));
    }
    pub fn config(&self) -> Value {
        json!({
            "tenant_id": TENANT, "resource": RESOURCE, "client_id": "lessor-client", "client_secret": "lessor-secret",
            "retry_delay": 0, "active_directory_endpoint": self.stand_in.address,
            "resource_manager_endpoint": self.stand_in.address,
        })
    }
    /// Runs Python with Microsoft's own libraries: standard output, or what went wrong.
    pub fn python(&self, code: &str) -> Result<String, String> {
        let credential = format!(
            "from azure.identity import ClientSecretCredential, ManagedIdentityCredential\n\
             def application(secret, client='app-client'):\n\
             \x20   return ClientSecretCredential('{TENANT}', client, secret, authority='{}', disable_instance_discovery=True)\n",
            self.stand_in.https
        );
        let output = Command::new(tool("azure-1", "python"))
            .args(["-c", &format!("{credential}{code}")])
            .env("REQUESTS_CA_BUNDLE", self.stand_in.certificate())
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &self.stand_in.address)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
    /// The token that azure-identity gets for the application.
    pub fn application_token(&self, secret: &str) -> Result<String, String> {
        self.python(&format!("print(application('{secret}').get_token('{RESOURCE}/.default').token)"))
    }
    /// The token that azure-identity gets on the machine.
    pub fn machine_token(&self) -> String {
        self.python(&format!("print(ManagedIdentityCredential().get_token('{RESOURCE}').token)")).unwrap()
    }
    /// A token of the tenant with changed claims.
    pub fn token(&self, changes: &Value) -> String {
        let mut said = claims(RESOURCE, MACHINE, Some(&vm("web", "vm")));
        said.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.signer.sign(&said)
    }
    /// Questions to the Resource Manager so far.
    pub fn questions(&self) -> Vec<String> {
        let asked = self.stand_in.asked().into_iter().filter(|asked| asked.path.starts_with("/subscriptions/"));
        asked.map(|asked| format!("{} {}", asked.method, asked.path)).collect()
    }
}
