//! Logins with an instance's identity document.
use crate::Aws;
use crate::access_list::{self, Entry};
use crate::document::{Document, Proof};
use crate::identity::{Ec2Alias, Identity};
use crate::machine::Place;
use crate::nonce::Nonce;
use crate::role::{AuthType, Role};
use crate::role_tag::Tag;
use crate::tags;
use crate::tidy::{self, List};
use lessor_engine::auth::TokenSettings;
use lessor_engine::duration::go_string;
use lessor_engine::{Alias, Changes, Context, Error, Login, Renewed, Reply, Result, Secret, Timestamp};
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// [`Login::renewal`].
#[derive(Serialize, Deserialize)]
pub(crate) struct Origin {
    role: String,
    role_id: String,
    instance: String,
    region: String,
    account: String,
    /// Of the tag; 0 for no bound of its own.
    tag_max_ttl: u64,
}

/// The smallest of the bounds that are set; 0 for none.
fn shortest(bounds: [u64; 2]) -> u64 {
    bounds.into_iter().filter(|bound| *bound > 0).min().unwrap_or_default()
}

/// The end of an entry: no token of the login lives as long.
fn end(cx: &Context, role: &Role, tag_max_ttl: u64) -> Timestamp {
    let longest = cx.mount.max_ttl.as_secs().max(role.token.settings.max_ttl).max(tag_max_ttl);
    cx.now().saturating_add(Duration::from_secs(longest)).unwrap_or(Timestamp::MAX)
}

/// How the token is to be: the tag narrows the role.
fn settings(role: &Role, tag: &Tag) -> TokenSettings {
    let mut settings = role.token.settings.clone();
    if !tag.policies.is_empty() {
        // Whether a token has the default policy is the role's business.
        settings.policies = tag.policies.iter().filter(|name| *name != "default").cloned().collect();
    }
    settings.max_ttl = shortest([settings.max_ttl, tag.max_ttl]);
    settings
}

fn random() -> Secret {
    let bytes = rand::rng().random::<[u8; 16]>();
    Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The entry after this login, and the nonce that the instance is to be told.
struct Next {
    entry: Entry,
    told: Option<Secret>,
}

struct Attempt<'a> {
    role_name: &'a str,
    role: &'a Role,
    tag: &'a Tag,
    document: &'a Document,
    nonce: &'a Nonce,
}

impl Attempt<'_> {
    /// Decides by what is known of the instance.
    fn decide(&self, cx: &Context, before: Option<Entry>) -> Result<Next> {
        let pending = self.document.pending_time;
        if let Some(before) = &before {
            self.nonce.admits(before, pending, self.role.allow_instance_migration)?;
        }
        let disallow_reauthentication = self.role.disallow_reauthentication
            || self.tag.disallow_reauthentication
            || matches!(self.nonce, Nonce::Last);
        let (nonce, told) = match self.nonce {
            _ if disallow_reauthentication => (Secret::default(), None),
            Nonce::Own(nonce) => (nonce.clone(), None),
            Nonce::Wanted | Nonce::Last => {
                let nonce = random();
                (nonce.clone(), Some(nonce))
            }
        };
        let entry = Entry {
            role: self.role_name.to_owned(),
            nonce,
            created: before.map_or(cx.now(), |before| before.created),
            updated: cx.now(),
            expires: end(cx, self.role, self.tag.max_ttl),
            pending,
            disallow_reauthentication,
        };
        Ok(Next { entry, told })
    }
    /// Decides, and keeps what was decided: of two that try at once only one is the first.
    async fn enter(&self, cx: &Context) -> Result<Option<Secret>> {
        let key = access_list::key(&self.document.instance_id);
        loop {
            let (before, version) = cx.view.get_versioned(&key).await?.unzip();
            let next = self.decide(cx, before)?;
            let changes = Changes::new().put(&key, &next.entry)?.expect(&key, version);
            let changes = tidy::begun(cx, List::Access, changes).await?;
            match cx.view.commit(changes).await {
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
                done => return done.map(|()| next.told),
            }
        }
    }
}

pub(crate) async fn login(aws: &Aws, cx: &Context, name: &str, proof: Proof<'_>, nonce: Nonce) -> Result<Reply> {
    let document = Document::verified(cx, proof).await?;
    let name = if name.is_empty() { document.image_id.to_lowercase() } else { name.to_lowercase() };
    let role = Role::of_login(cx, &name, AuthType::Ec2).await?;
    let place = Place { account: &document.account_id, region: &document.region, id: &document.instance_id };
    let instance = aws.running(cx, place).await?;
    aws.check(cx, &role.bounds, place, &instance).await?;
    let tag = match role.role_tag.as_str() {
        "" => Tag::default(),
        key => tags::of_login(cx, &name, &role, &instance.id, instance.tags.get(key)).await?,
    };
    let attempt = Attempt { role_name: &name, role: &role, tag: &tag, document: &document, nonce: &nonce };
    let told = attempt.enter(cx).await?;
    let identity = Identity::load(cx).await?;
    let alias = match identity.ec2_alias {
        Ec2Alias::Role => &role.id,
        Ec2Alias::Instance => &document.instance_id,
        Ec2Alias::Image => &document.image_id,
    };
    let (mut metadata, of_alias) = identity.ec2_metadata.of([
        ("account_id", &document.account_id),
        ("ami_id", &document.image_id),
        ("auth_type", AuthType::Ec2.word()),
        ("instance_id", &document.instance_id),
        ("region", &document.region),
    ]);
    metadata.insert("role".to_owned(), name.clone());
    metadata.insert("role_tag_max_ttl".to_owned(), go_string(Duration::from_secs(tag.max_ttl)));
    if let Some(nonce) = told {
        metadata.insert("nonce".to_owned(), nonce.expose().to_owned());
    }
    let login = Login {
        display_name: document.instance_id.clone(),
        alias: Some(Alias { name: alias.clone(), metadata: of_alias }),
        groups: Vec::new(),
        metadata,
        token: settings(&role, &tag),
        renewal: json!(Origin {
            role: name.clone(),
            role_id: role.id,
            instance: document.instance_id,
            region: document.region,
            account: document.account_id,
            tag_max_ttl: tag.max_ttl,
        }),
        renewable: true,
        role: name,
    };
    Ok(Reply::login(login).reschedule(List::Access.subject()))
}

impl Origin {
    /// What a renewal asks again; the entry of the instance lives on with its token.
    pub(crate) async fn renew(&self, aws: &Aws, cx: &Context) -> Result<Renewed> {
        let role = Role::of_renewal(cx, &self.role, &self.role_id).await?;
        aws.running(cx, Place { account: &self.account, region: &self.region, id: &self.instance }).await?;
        let key = access_list::key(&self.instance);
        loop {
            let (entry, version): (Option<Entry>, _) = cx.view.get_versioned(&key).await?.unzip();
            let gone = || Error::invalid(format!("instance {:?} is not on the access list any more", self.instance));
            let entry = entry.ok_or_else(gone)?;
            let entry = Entry { updated: cx.now(), expires: end(cx, &role, self.tag_max_ttl), ..entry };
            match cx.view.commit(Changes::new().put(&key, &entry)?.expect(&key, version)).await {
                Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {}
                done => break done?,
            }
        }
        let mut token = role.token.settings;
        token.max_ttl = shortest([token.max_ttl, self.tag_max_ttl]);
        Ok(Renewed { token, same_policies: false, groups: None })
    }
}
