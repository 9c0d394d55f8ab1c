//! Azure: an application's secret or statement, or whatever the surroundings offer, in the order of Azure's own
//! libraries (<https://learn.microsoft.com/azure/developer/go/sdk/authentication/credential-chains>): variables with a
//! secret or certificate, a workload identity's token file, the identity of an App Service, the identity of the machine.
use crate::certificate::statement;
use crate::kept::{Granted, Kept};
use crate::{Error, Surroundings, read};
use lessor_engine::{Secret, Timestamp};
use lessor_platform_http::{Ask, Http};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Name, Entra ID, Resource Manager and key vaults of each cloud
/// (<https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>).
const CLOUDS: [(&str, &str, &str, &str); 3] = [
    ("AzurePublicCloud", "https://login.microsoftonline.com", "https://management.azure.com", "vault.azure.net"),
    (
        "AzureUSGovernmentCloud",
        "https://login.microsoftonline.us",
        "https://management.usgovcloudapi.net",
        "vault.usgovcloudapi.net",
    ),
    ("AzureChinaCloud", "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn", "vault.azure.cn"),
];

/// One of Azure's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Address of Entra ID.
    pub directory: &'static str,
    /// Address of the Resource Manager.
    pub manager: &'static str,
    /// Domain of key vaults.
    pub vaults: &'static str,
}

impl Default for Cloud {
    fn default() -> Self {
        let (_, directory, manager, vaults) = CLOUDS[0];
        Self { directory, manager, vaults }
    }
}

impl Cloud {
    /// The cloud of that name, in any case of letters; the public one for none.
    pub fn find(name: &str) -> Option<Self> {
        let name = if name.is_empty() { "AzurePublicCloud" } else { name };
        let found = CLOUDS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
        found.map(|(_, directory, manager, vaults)| Self { directory, manager, vaults })
    }
    /// All names.
    pub fn names() -> String {
        CLOUDS.map(|cloud| cloud.0).join(", ")
    }
}

/// How an application proves who it is.
#[derive(Clone, PartialEq)]
pub enum Proof {
    /// By its secret.
    Secret(Secret),
    /// By a statement of somebody whom it trusts, for this audience.
    Statement {
        /// Whose statement; one token serves for all statements of the same.
        by: String,
        /// The signed statement.
        text: Secret,
    },
    /// By what this server's surroundings offer.
    Surroundings,
}

/// Who asks, and for what.
#[derive(Clone)]
pub struct Application {
    /// Address of Entra ID.
    pub directory: String,
    /// The tenant; may be empty with [`Proof::Surroundings`].
    pub tenant: String,
    /// The application, or the identity assigned to the machine; may be empty with [`Proof::Surroundings`].
    pub client: String,
    /// How it proves that.
    pub proof: Proof,
    /// What is asked with the token, such as `https://management.azure.com/`.
    pub resource: String,
}

impl PartialEq for Application {
    fn eq(&self, other: &Self) -> bool {
        // Every statement is another text.
        let proof = match (&self.proof, &other.proof) {
            (Proof::Statement { by, .. }, Proof::Statement { by: other, .. }) => by == other,
            (one, other) => one == other,
        };
        proof
            && (&self.directory, &self.tenant, &self.client, &self.resource)
                == (&other.directory, &other.tenant, &other.client, &other.resource)
    }
}

/// The machine's identity service says numbers as text.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or_default())
}

#[derive(Deserialize)]
struct Answered {
    #[serde(with = "lessor_engine::secret::at_rest")]
    access_token: Secret,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: u64,
    /// The identity of an App Service says when, not how long.
    #[serde(default, deserialize_with = "seconds")]
    expires_on: u64,
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!("no access token from Azure: {error}"))
}

/// Azure's words for a refusal: the standard's, and its own number (AADSTS…), which is documented.
fn refusal(answer: &serde_json::Value) -> String {
    let word = answer.get("error").and_then(|word| word.as_str()).unwrap_or("no reason given");
    let text = answer.get("error_description").and_then(|text| text.as_str()).unwrap_or_default();
    match text.split_once(':') {
        Some((number, _)) if number.starts_with("AADSTS") => format!("{word} ({number})"),
        _ => word.to_owned(),
    }
}

async fn granted(http: &Http, ask: Ask<'_>, now: Timestamp) -> Result<Granted, Error> {
    let answer = http.send(ask).await.map_err(|error| failed(&error))?;
    if matches!(answer.status, 400 | 401 | 403) {
        let words = refusal(&answer.json().unwrap_or_default());
        return Err(Error::Refused(format!("Azure refuses the application in config: {words}")));
    }
    // The words of a faulty answer are not passed on: they may hold the token.
    let answered = answer.ok().map_err(|error| failed(&error))?.json::<Answered>();
    let answered = answered.map_err(|_| failed(&"the answer holds none"))?;
    let until = answered.expires_on.saturating_sub(u64::try_from(now.as_second()).unwrap_or_default());
    let lasts = if answered.expires_in == 0 { until } else { answered.expires_in };
    Ok(Granted { token: answered.access_token, lasts: Duration::from_secs(lasts) })
}

/// The text behind `resource` without a slash at its end, which a scope does not have.
fn scope(resource: &str) -> String {
    format!("{}/.default", resource.trim_end_matches('/'))
}

fn token_address(app: &Application) -> String {
    format!("{}/{}/oauth2/v2.0/token", app.directory.trim_end_matches('/'), app.tenant)
}

fn form(app: &Application) -> Vec<u8> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials").append_pair("client_id", &app.client);
    form.append_pair("scope", &scope(&app.resource));
    match &app.proof {
        Proof::Secret(secret) => form.append_pair("client_secret", secret.expose()),
        Proof::Statement { text, .. } => {
            form.append_pair("client_assertion_type", ASSERTION).append_pair("client_assertion", text.expose())
        }
        Proof::Surroundings => &mut form,
    };
    form.finish().into_bytes()
}

/// Credentials of a client (RFC 6749, section 4.4), with a secret or a statement (RFC 7523, section 2.2).
async fn by_credentials(http: &Http, app: &Application, now: Timestamp) -> Result<Granted, Error> {
    let url = token_address(app);
    granted(http, Ask::post(&url, "application/x-www-form-urlencoded", form(app)), now).await
}

fn query(app: &Application, version: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("api-version", version).append_pair("resource", &app.resource);
    if !app.client.is_empty() {
        query.append_pair("client_id", &app.client);
    }
    query.finish()
}

/// The identity of an App Service or of the machine
/// (<https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>).
async fn by_identity(http: &Http, own: &Surroundings, app: &Application, now: Timestamp) -> Result<Granted, Error> {
    let service = own.get("IDENTITY_ENDPOINT").zip(own.get("IDENTITY_HEADER"));
    let (address, version) = match &service {
        Some((address, _)) => (address.clone(), "2019-08-01"),
        None => {
            let host = own.get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
            let host = host.unwrap_or_else(|| "http://169.254.169.254".to_owned());
            (format!("{}/metadata/identity/oauth2/token", host.trim_end_matches('/')), "2018-02-01")
        }
    };
    let url = format!("{address}?{}", query(app, version));
    let ask = match service {
        Some((_, header)) => Ask::get(&url).header("X-IDENTITY-HEADER", header),
        None => Ask::get(&url).header("Metadata", "true"),
    };
    granted(http, ask, now).await
}

async fn by_surroundings(http: &Http, own: &Surroundings, app: &Application, now: Timestamp) -> Result<Granted, Error> {
    let or = |given: &str, name: &str| Some(given.to_owned()).filter(|text| !text.is_empty()).or_else(|| own.get(name));
    let who = or(&app.tenant, "AZURE_TENANT_ID").zip(or(&app.client, "AZURE_CLIENT_ID"));
    if let Some((tenant, client)) = who {
        let directory = own.get("AZURE_AUTHORITY_HOST").unwrap_or_else(|| app.directory.clone());
        let named = Application { directory, tenant, client, ..app.clone() };
        let [secret, certificate, file] =
            ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"]
                .map(|name| own.get(name));
        let proof = if let Some(secret) = secret {
            Some(Proof::Secret(Secret::new(secret)))
        } else if let Some(path) = certificate {
            let text = statement(&path, &token_address(&named), &named.client, now.as_second()).await?;
            Some(Proof::Statement { by: path, text })
        } else if let Some(path) = file {
            // The cluster writes it anew every hour.
            Some(Proof::Statement { text: read(&path).await?, by: path })
        } else {
            None
        };
        if let Some(proof) = proof {
            return by_credentials(http, &Application { proof, ..named }, now).await;
        }
    }
    by_identity(http, own, app, now).await
}

/// Access tokens of one mount or seal.
#[derive(Default)]
pub struct Access {
    kept: Kept<Application>,
    own: Surroundings,
}

impl Access {
    /// In other surroundings than this process's.
    pub fn within(own: Surroundings) -> Self {
        Self { kept: Kept::default(), own }
    }
    /// A token that Azure takes now.
    ///
    /// # Errors
    /// When Azure refuses the application, or nobody answers.
    pub async fn token(&self, http: &Http, app: &Application, now: Timestamp) -> Result<Secret, Error> {
        let ask = async {
            match app.proof {
                Proof::Surroundings => by_surroundings(http, &self.own, app, now).await,
                _ => by_credentials(http, app, now).await,
            }
        };
        self.kept.get(app.clone(), now, ask).await
    }
    /// Asks anew the next time.
    pub async fn forget(&self) {
        self.kept.forget().await;
    }
}
