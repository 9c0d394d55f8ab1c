//! Google Workspace: groups and custom facts about people, out of the Directory API of the Admin SDK
//! (<https://developers.google.com/workspace/admin/directory/reference/rest>), asked by a service account.
use super::{AtHand, failed};
use crate::identity::claim;
use crate::role::Role;
use lessor_cloud_access::google::{Delegation, Identity, ServiceKey};
use lessor_engine::{Error, Result, Secret};
use lessor_platform_http::{Answer, Ask, Http};
use lessor_signed_token::Claims;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use url::Url;

const ADMIN: &str = "https://admin.googleapis.com";
const SCOPES: &str = "https://www.googleapis.com/auth/admin.directory.group.readonly \
                      https://www.googleapis.com/auth/admin.directory.user.readonly";
/// Of all questions of one login.
const PATIENCE: Duration = Duration::from_secs(30);
/// Groups of one person.
const MOST: usize = 5000;
/// A file of a key is not larger.
const LARGEST: u64 = 1 << 20;

/// What `provider_config` says.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Gsuite {
    key: ServiceKey,
    person: String,
    fetch_groups: bool,
    fetch_user_info: bool,
    depth: u32,
    schemas: String,
    domain: String,
    endpoint: String,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(default)]
struct Written {
    #[serde(with = "lessor_engine::secret::at_rest")]
    gsuite_service_account: Secret,
    gsuite_admin_impersonate: String,
    impersonate_principal: String,
    fetch_groups: bool,
    fetch_user_info: bool,
    groups_recurse_max_depth: i64,
    user_custom_schemas: String,
    domain: String,
    custom_endpoint: String,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            gsuite_service_account: Secret::default(),
            gsuite_admin_impersonate: String::new(),
            impersonate_principal: String::new(),
            fetch_groups: false,
            fetch_user_info: false,
            groups_recurse_max_depth: 0,
            user_custom_schemas: String::new(),
            domain: String::new(),
            custom_endpoint: ADMIN.to_owned(),
        }
    }
}

/// The key's text, or that of the file it names.
async fn key_text(given: &Secret) -> Result<Secret, String> {
    if given.expose().trim_start().starts_with('{') {
        return Ok(given.clone());
    }
    let failed = |error: std::io::Error| format!("the file that gsuite_service_account names cannot be read: {error}");
    if tokio::fs::metadata(given.expose()).await.map_err(failed)?.len() > LARGEST {
        return Err("the file that gsuite_service_account names is too large".to_owned());
    }
    tokio::fs::read_to_string(given.expose()).await.map(Secret::new).map_err(failed)
}

impl Gsuite {
    pub(super) async fn parse(sent: &Map<String, Value>) -> Result<Self, String> {
        // What serde says may quote the key.
        let form =
            "fetch_groups and fetch_user_info are booleans, groups_recurse_max_depth is a number, the rest is text";
        let written = Written::deserialize(sent).map_err(|_| form.to_owned())?;
        if !written.impersonate_principal.is_empty() {
            return Err("impersonate_principal is not offered: use gsuite_service_account".to_owned());
        }
        if written.gsuite_service_account.is_empty() {
            return Err(
                "gsuite_service_account is needed: the key of a service account, or the path of its file".to_owned()
            );
        }
        let key = ServiceKey::parse(&key_text(&written.gsuite_service_account).await?);
        let key = key.map_err(|error| format!("error parsing service account JSON: {error}"))?;
        let depth = u32::try_from(written.groups_recurse_max_depth);
        let endpoint = written.custom_endpoint.trim_end_matches('/').to_owned();
        if Url::parse(&endpoint).is_err() {
            return Err("custom_endpoint is no address".to_owned());
        }
        Ok(Self {
            key,
            person: written.gsuite_admin_impersonate,
            fetch_groups: written.fetch_groups,
            fetch_user_info: written.fetch_user_info,
            depth: depth.map_err(|_| "'gsuite_recurse_max_depth' must be a positive integer".to_owned())?,
            schemas: written.user_custom_schemas,
            domain: written.domain,
            endpoint,
        })
    }
    /// What the Directory API answers.
    async fn ask<T: DeserializeOwned>(&self, at: &AtHand<'_>, path: &[&str], query: &[(&str, &str)]) -> Result<T> {
        let down = |error: &dyn std::fmt::Display| Error::Unavailable(format!("Google's Directory API: {error}"));
        let http = at.jwt.google_http.get_or_try_init(async || Http::new("")).await.map_err(|error| down(&error))?;
        let person = self.person.clone();
        let who = Identity::Delegated(Delegation { key: self.key.clone(), scopes: SCOPES.to_owned(), person });
        let token = at.jwt.google.token(http, &who, at.cx.now()).await?;
        let mut url = Url::parse(&format!("{}/admin/directory/v1", self.endpoint)).map_err(|error| down(&error))?;
        // The parts are foreign text: they stay one part each.
        url.path_segments_mut().map_err(|()| down(&"custom_endpoint is no address"))?.extend(path);
        url.query_pairs_mut().extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        let ask = Ask::get(url.as_str()).header("Authorization", format!("Bearer {}", token.expose()));
        let answer = http.send(ask).await.map_err(|error| down(&error))?;
        if matches!(answer.status, 401 | 403) {
            at.jwt.google.forget().await;
        }
        if matches!(answer.status, 400..=499) {
            return Err(failed(format!("Google's Directory API refuses: status {}", answer.status)));
        }
        Answer::ok(answer).and_then(|answer| answer.json()).map_err(|error| down(&error))
    }
    /// The groups of a person or group, page by page.
    async fn groups_of(&self, at: &AtHand<'_>, member: &str) -> Result<Vec<String>> {
        let (mut found, mut page) = (Vec::new(), String::new());
        loop {
            let query = [
                ("userKey", member),
                ("domain", &self.domain),
                ("pageToken", &page),
                ("fields", "nextPageToken,groups(email)"),
            ];
            let answer: Page = self.ask(at, &["groups"], &query).await?;
            found.extend(answer.groups.into_iter().map(|group| group.email));
            page = answer.next;
            if page.is_empty() || found.len() > MOST {
                return Ok(found);
            }
        }
    }
    async fn all_groups(&self, at: &AtHand<'_>, person: &str) -> Result<BTreeSet<String>> {
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut level = vec![person.to_owned()];
        for _ in 0..=self.depth {
            let mut next = Vec::new();
            for member in &level {
                let found = self.groups_of(at, member).await?;
                next.extend(found.into_iter().filter(|group| known.insert(group.clone())));
                if known.len() > MOST {
                    return Err(failed(format!("the person is in more than {MOST} groups")));
                }
            }
            level = next;
        }
        Ok(known)
    }
    /// The addresses of the person's groups; `None` where they are not asked for.
    pub(super) async fn groups(&self, at: &AtHand<'_>, role: &Role, claims: &Claims) -> Result<Option<Value>> {
        if !self.fetch_groups {
            return Ok(None);
        }
        let person = person(role, claims)?;
        Ok(Some(json!(in_time(self.all_groups(at, person)).await?)))
    }
    /// Adds the person's custom schemas to the claims.
    pub(super) async fn add_facts(&self, at: &AtHand<'_>, role: &Role, claims: &mut Claims) -> Result<()> {
        if !self.fetch_user_info || self.schemas.is_empty() {
            return Ok(());
        }
        let person = person(role, claims)?.to_owned();
        let query = [("projection", "custom"), ("customFieldMask", self.schemas.as_str()), ("fields", "customSchemas")];
        let answer: Facts = in_time(self.ask(at, &["users", &person], &query)).await?;
        // What the provider signed stays what it is.
        let signed =
            |name: &str| matches!(name, "iss" | "sub" | "aud" | "exp" | "nbf" | "iat") || name == role.user_claim;
        claims.extend(answer.custom_schemas.into_iter().filter(|(name, _)| !signed(name)));
        Ok(())
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    groups: Vec<Group>,
    #[serde(default, rename = "nextPageToken")]
    next: String,
}

#[derive(Deserialize)]
struct Group {
    email: String,
}

#[derive(Deserialize)]
struct Facts {
    #[serde(default, rename = "customSchemas")]
    custom_schemas: Map<String, Value>,
}

fn person<'a>(role: &Role, claims: &'a Claims) -> Result<&'a str> {
    let found = claim(claims, &role.user_claim).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.ok_or_else(|| failed(format!("unable to locate {:?} in claims", role.user_claim)))
}

async fn in_time<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    let slow = || Error::Unavailable(format!("Google's Directory API is too slow: {PATIENCE:?} are over"));
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err(slow()))
}
