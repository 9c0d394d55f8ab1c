//! What a provider is made of: assignments (who may), scopes (which claims) and clients (which applications).
use super::keys::DEFAULT;
use super::providers::Provider;
use super::{random_text, template};
use crate::identity::paths::{Endpoints, given};
use crate::identity::subject::Subject;
use crate::identity::tx::Tx;
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result, Seconds, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("oidc/assignment", "Lists the assignments.", |path| path.list(list_assignments))
        .path("oidc/assignment/{name}", "Who may log in to a client.", |path| {
            path.read(read_assignment).write(write_assignment).delete(delete_assignment)
        })
        .path("oidc/scope", "Lists the scopes.", |path| path.list(list_scopes))
        .path("oidc/scope/{name}", "Claims that a client can ask for.", |path| {
            path.read(read_scope).write(write_scope).delete(delete_scope)
        })
        .path("oidc/client", "Lists the clients.", |path| path.list(list_clients))
        .path("oidc/client/{name}", "An application that people log in to.", |path| {
            path.read(read_client).write(write_client).delete(delete_client)
        })
}

/// The assignment that is always there.
const ALLOW_ALL: &str = "allow_all";

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Assignment {
    entity_ids: Vec<String>,
    group_ids: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Scope {
    pub template: String,
    description: String,
}

/// An application.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Client {
    pub name: String,
    pub client_id: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub secret: Secret,
    pub public: bool,
    pub key: String,
    pub redirect_uris: Vec<String>,
    pub assignments: Vec<String>,
    /// Seconds.
    pub id_token_ttl: u64,
    /// Seconds.
    pub access_token_ttl: u64,
    pub authorization_code: bool,
    pub client_credentials: bool,
}

fn assignment_key(name: &str) -> String {
    format!("oidc/assignment/{name}")
}
fn scope_key(name: &str) -> String {
    format!("oidc/scope/{name}")
}
fn client_key(name: &str) -> String {
    format!("oidc/client/{name}")
}

impl Tx {
    pub(super) async fn oidc_scope(&mut self, name: &str) -> Result<Option<Scope>> {
        self.get(&scope_key(name)).await
    }
    /// The client with that client id.
    pub(super) async fn oidc_client(&self, id: &str) -> Result<Option<Client>> {
        let all = self.all::<Client>("oidc/client/").await?;
        Ok(all.into_iter().map(|(_, client)| client).find(|client| client.client_id == id))
    }
    /// Whether the client's assignments let the entity in.
    pub(super) async fn assigned(&mut self, client: &Client, subject: &Subject) -> Result<bool> {
        for name in &client.assignments {
            if name == ALLOW_ALL {
                return Ok(true);
            }
            let Some(assignment) = self.get::<Assignment>(&assignment_key(name)).await? else { continue };
            let member = |id: &String| subject.groups.iter().any(|group| group.id == *id);
            if assignment.entity_ids.contains(&subject.id) || assignment.group_ids.iter().any(member) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn in_use(what: &str, name: &str, by: &str, users: &[String]) -> Result<()> {
    if users.is_empty() {
        return Ok(());
    }
    let users = users.join(", ");
    Err(Error::invalid(format!(
        "unable to delete {what} {name:?} because it is currently referenced by these {by}: {users}"
    )))
}

#[derive(Params)]
struct Named {
    /// Its name.
    name: String,
}

#[derive(Params)]
struct AssignmentParams {
    /// Its name.
    name: String,
    /// Entities that may.
    entity_ids: Option<CommaList>,
    /// Groups whose members may.
    group_ids: Option<CommaList>,
}

async fn write_assignment(at: Arc<Endpoints>, cx: Context, write: AssignmentParams) -> Result<Reply> {
    if write.name == ALLOW_ALL {
        return Err(Error::invalid("modification of assignment \"allow_all\" not allowed"));
    }
    let mut tx = at.open()?.begin(&cx.namespace);
    let key = assignment_key(&write.name);
    let mut assignment = tx.get::<Assignment>(&key).await?.unwrap_or_default();
    if let Some(ids) = write.entity_ids {
        assignment.entity_ids = ids.0;
    }
    if let Some(ids) = write.group_ids {
        assignment.group_ids = ids.0;
    }
    tx.put(key, &assignment)?;
    settle(tx).await
}

/// Commits what an operator wrote; a second operator at the same instant is told to look again.
pub(super) async fn settle(tx: Tx) -> Result<Reply> {
    if tx.commit(&mut 0).await? {
        return Ok(Reply::empty());
    }
    Err(Error::invalid("somebody else changed it at the same time: read it and try again"))
}

async fn read_assignment(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    if named.name == ALLOW_ALL {
        return Ok(Reply::data(json!({ "entity_ids": ["*"], "group_ids": ["*"] })));
    }
    let found = at.open()?.begin(&cx.namespace).get::<Assignment>(&assignment_key(&named.name)).await?;
    Ok(found.map_or_else(Reply::missing, |found| {
        Reply::data(json!({ "entity_ids": found.entity_ids, "group_ids": found.group_ids }))
    }))
}

async fn list_assignments(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let mut names = at.open()?.begin(&cx.namespace).names("oidc/assignment/").await?;
    names.push(ALLOW_ALL.to_owned());
    names.sort_unstable();
    Ok(Reply::list(names))
}

async fn delete_assignment(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    if named.name == ALLOW_ALL {
        return Err(Error::invalid("deletion of assignment \"allow_all\" not allowed"));
    }
    let mut tx = at.open()?.begin(&cx.namespace);
    let clients = tx.all::<Client>("oidc/client/").await?.into_iter();
    let users: Vec<String> =
        clients.filter(|(_, client)| client.assignments.contains(&named.name)).map(|(name, _)| name).collect();
    in_use("assignment", &named.name, "clients", &users)?;
    tx.delete(assignment_key(&named.name));
    settle(tx).await
}

#[derive(Params)]
struct ScopeParams {
    /// Its name.
    name: String,
    /// Claims as a JSON object with `{{identity…}}` directives, or that in base64.
    template: Option<String>,
    /// For people.
    description: Option<String>,
}

async fn write_scope(at: Arc<Endpoints>, cx: Context, write: ScopeParams) -> Result<Reply> {
    if write.name == "openid" {
        return Err(Error::invalid("the \"openid\" scope name is reserved"));
    }
    let mut tx = at.open()?.begin(&cx.namespace);
    let mut scope = tx.oidc_scope(&write.name).await?.unwrap_or_default();
    if let Some(text) = write.template {
        scope.template = template::decode(&text);
        template::check(&scope.template)?;
    }
    if let Some(text) = write.description {
        scope.description = text;
    }
    tx.put(scope_key(&write.name), &scope)?;
    settle(tx).await
}

async fn read_scope(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let found = at.open()?.begin(&cx.namespace).oidc_scope(&named.name).await?;
    Ok(found.map_or_else(Reply::missing, |scope| {
        Reply::data(json!({ "description": scope.description, "template": scope.template }))
    }))
}

async fn list_scopes(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(at.open()?.begin(&cx.namespace).names("oidc/scope/").await?))
}

async fn delete_scope(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let mut tx = at.open()?.begin(&cx.namespace);
    let providers = tx.all::<Provider>("oidc/provider/").await?.into_iter();
    let users: Vec<String> =
        providers.filter(|(_, provider)| provider.scopes.contains(&named.name)).map(|(name, _)| name).collect();
    in_use("scope", &named.name, "providers", &users)?;
    tx.delete(scope_key(&named.name));
    settle(tx).await
}

#[derive(Params)]
struct ClientParams {
    /// Its name.
    name: String,
    /// Name of the key that signs; cannot be changed.
    key: Option<String>,
    /// Where people are sent back to; one of these exactly.
    redirect_uris: Option<CommaList>,
    /// Who may log in.
    assignments: Option<CommaList>,
    /// `confidential` or `public`; cannot be changed.
    client_type: Option<String>,
    /// How long id tokens are good.
    id_token_ttl: Option<Seconds>,
    /// How long access tokens are good.
    access_token_ttl: Option<Seconds>,
    /// Whether people log in with the authorization code flow.
    authorization_code: Option<bool>,
    /// Whether the application itself can get a token with its secret.
    client_credentials: Option<bool>,
}

fn fresh_client(name: &str, write: &ClientParams) -> Result<Client> {
    let public = match write.client_type.as_deref() {
        None | Some("" | "confidential") => false,
        Some("public") => true,
        Some(other) => return Err(Error::invalid(format!("invalid client_type {other:?}"))),
    };
    let secret = if public { String::new() } else { format!("hvo_secret_{}", random_text(64)) };
    Ok(Client {
        name: name.to_owned(),
        client_id: random_text(32),
        secret: Secret::new(secret),
        public,
        key: given(write.key.clone()).unwrap_or_else(|| DEFAULT.to_owned()),
        redirect_uris: Vec::new(),
        assignments: Vec::new(),
        id_token_ttl: 86_400,
        access_token_ttl: 86_400,
        authorization_code: true,
        client_credentials: false,
    })
}

async fn write_client(at: Arc<Endpoints>, cx: Context, write: ClientParams) -> Result<Reply> {
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let key = client_key(&write.name);
    let mut client = match tx.get::<Client>(&key).await? {
        Some(client) => {
            if write.key.as_ref().is_some_and(|name| *name != client.key) {
                return Err(Error::invalid("key modification is not allowed"));
            }
            if write.client_type.as_ref().is_some_and(|word| (word == "public") != client.public) {
                return Err(Error::invalid("client_type modification is not allowed"));
            }
            client
        }
        None => fresh_client(&write.name, &write)?,
    };
    let signing = tx.oidc_key(&client.key).await?;
    let signing = signing.ok_or_else(|| Error::invalid(format!("key {:?} does not exist", client.key)))?;
    if let Some(names) = write.assignments {
        client.assignments = names.0;
    }
    for name in client.assignments.iter().filter(|name| *name != ALLOW_ALL) {
        if tx.get::<Assignment>(&assignment_key(name)).await?.is_none() {
            return Err(Error::invalid(format!("assignment {name:?} does not exist")));
        }
    }
    if let Some(uris) = write.redirect_uris {
        client.redirect_uris = uris.0;
    }
    client.id_token_ttl = write.id_token_ttl.map_or(client.id_token_ttl, |ttl| ttl.0);
    client.access_token_ttl = write.access_token_ttl.map_or(client.access_token_ttl, |ttl| ttl.0);
    client.authorization_code = write.authorization_code.unwrap_or(client.authorization_code);
    client.client_credentials = write.client_credentials.unwrap_or(client.client_credentials);
    if client.id_token_ttl > signing.verification_ttl {
        return Err(Error::invalid(
            "a client's id_token_ttl cannot be greater than the verification_ttl of the key it references",
        ));
    }
    if client.public && client.client_credentials {
        return Err(Error::invalid("client_credentials is for confidential clients: a public one has no secret"));
    }
    tx.put(key, &client)?;
    settle(tx).await
}

fn show(client: &Client, with_secret: bool) -> Value {
    let mut shown = Map::from_iter([
        ("access_token_ttl".to_owned(), json!(client.access_token_ttl)),
        ("assignments".to_owned(), json!(client.assignments)),
        ("authorization_code".to_owned(), json!(client.authorization_code)),
        ("client_credentials".to_owned(), json!(client.client_credentials)),
        ("client_id".to_owned(), json!(client.client_id)),
        ("client_type".to_owned(), json!(if client.public { "public" } else { "confidential" })),
        ("id_token_ttl".to_owned(), json!(client.id_token_ttl)),
        ("key".to_owned(), json!(client.key)),
        ("redirect_uris".to_owned(), json!(client.redirect_uris)),
    ]);
    if with_secret && !client.public {
        shown.insert("client_secret".to_owned(), json!(client.secret.expose()));
    }
    shown.into()
}

async fn read_client(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let found = at.open()?.begin(&cx.namespace).get::<Client>(&client_key(&named.name)).await?;
    Ok(found.map_or_else(Reply::missing, |client| Reply::data(show(&client, true))))
}

async fn list_clients(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    let all = at.open()?.begin(&cx.namespace).all::<Client>("oidc/client/").await?;
    if all.is_empty() {
        return Ok(Reply::missing());
    }
    let keys: Vec<&String> = all.iter().map(|(name, _)| name).collect();
    let info: Map<String, Value> = all.iter().map(|(name, client)| (name.clone(), show(client, false))).collect();
    Ok(Reply::data(json!({ "key_info": info, "keys": keys })))
}

async fn delete_client(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let mut tx = at.open()?.begin(&cx.namespace);
    tx.delete(client_key(&named.name));
    settle(tx).await
}
