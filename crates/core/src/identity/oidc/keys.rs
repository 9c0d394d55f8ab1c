//! Named signing keys. A key rotates when it is used after its time, or by hand; the next one is published a period
//! ahead, and a retired one stays published for its verification TTL.
use super::roles::Role;
use crate::identity::paths::Endpoints;
use crate::identity::tx::Tx;
use crate::identity::{Identity, Open};
use crate::jwt::{Algorithm, Material, Public};
use jiff::{SignedDuration, Timestamp};
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result, Seconds};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<Endpoints>) -> Paths<Endpoints> {
    paths
        .path("oidc/key", "Lists the signing keys.", |path| path.list(list))
        .path("oidc/key/{name}/rotate", "Replaces a signing key now.", |path| path.write(rotate))
        .path("oidc/key/{name}", "Writes, reads and deletes a signing key.", |path| {
            path.read(read).write(write).delete(delete).exists(exists)
        })
}

/// The key that is always there.
pub(super) const DEFAULT: &str = "default";
const DAY: u64 = 86_400;

/// A retired public key.
#[derive(Clone, Serialize, Deserialize)]
struct Retired {
    id: String,
    algorithm: Algorithm,
    public: Public,
    expires: Timestamp,
}

/// A named key.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct NamedKey {
    pub algorithm: Algorithm,
    /// Seconds.
    pub rotation_period: u64,
    /// Seconds.
    pub verification_ttl: u64,
    pub allowed_client_ids: Vec<String>,
    /// Made with the first use.
    signing: Option<Material>,
    next: Option<Material>,
    retired: Vec<Retired>,
    rotates: Timestamp,
}

fn key(name: &str) -> String {
    format!("oidc/key/{name}")
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX)
}

async fn generate(algorithm: Algorithm) -> Result<Material> {
    let made = tokio::task::spawn_blocking(move || Material::generate(algorithm)).await;
    made.map_err(|_| Error::Internal("the key was not made".to_owned()))?
}

impl NamedKey {
    fn fresh(allowed: &[&str]) -> Self {
        Self {
            algorithm: Algorithm::RS256,
            rotation_period: DAY,
            verification_ttl: DAY,
            allowed_client_ids: allowed.iter().map(|id| (*id).to_owned()).collect(),
            signing: None,
            next: None,
            retired: Vec::new(),
            rotates: Timestamp::MIN,
        }
    }
    pub fn allows(&self, client_id: &str) -> bool {
        self.allowed_client_ids.iter().any(|id| id == "*" || id == client_id)
    }
    /// The pair that signs.
    pub fn signing(&self) -> Result<&Material> {
        self.signing.as_ref().ok_or_else(|| Error::Internal("a signing key has no key pair".to_owned()))
    }
    /// Id, algorithm and public half of everything that may have signed, or will.
    pub fn published(&self, now: Timestamp) -> Vec<(&str, Algorithm, &Public)> {
        let live = self.signing.iter().chain(&self.next).map(|key| (key.id.as_str(), key.algorithm, &key.public));
        let old = self.retired.iter().filter(|key| key.expires > now);
        live.chain(old.map(|key| (key.id.as_str(), key.algorithm, &key.public))).collect()
    }
    async fn turn(&mut self, now: Timestamp, verification_ttl: u64) -> Result<()> {
        self.retired.retain(|key| key.expires > now);
        if let Some(old) = self.signing.take() {
            let expires = later(now, verification_ttl);
            self.retired.push(Retired { id: old.id, algorithm: old.algorithm, public: old.public, expires });
        }
        let waiting = self.next.take().filter(|key| key.algorithm == self.algorithm);
        self.signing = Some(match waiting {
            Some(next) => next,
            None => generate(self.algorithm).await?,
        });
        self.next = Some(generate(self.algorithm).await?);
        self.rotates = later(now, self.rotation_period);
        Ok(())
    }
}

impl Tx {
    /// The key of that name, as it is stored.
    pub(super) async fn oidc_key(&mut self, name: &str) -> Result<Option<NamedKey>> {
        let stored = self.get(&key(name)).await?;
        Ok(stored.or_else(|| (name == DEFAULT).then(|| NamedKey::fresh(&["*"]))))
    }
    /// The names of all keys.
    pub(super) async fn oidc_keys(&self) -> Result<Vec<String>> {
        let mut names = self.names("oidc/key/").await?;
        if !names.iter().any(|name| name == DEFAULT) {
            names.push(DEFAULT.to_owned());
            names.sort_unstable();
        }
        Ok(names)
    }
}

impl Identity {
    /// The key of that name with a pair whose time has not come.
    pub(super) async fn usable_key(&self, namespace: &str, name: &str) -> Result<Option<NamedKey>> {
        let mut tries = 0;
        loop {
            let mut tx = self.begin(namespace);
            let Some(mut found) = tx.oidc_key(name).await? else { return Ok(None) };
            if found.signing.is_some() && found.rotates > tx.now {
                return Ok(Some(found));
            }
            let (now, ttl) = (tx.now, found.verification_ttl);
            found.turn(now, ttl).await?;
            tx.put(key(name), &found)?;
            if tx.commit(&mut tries).await? {
                return Ok(Some(found));
            }
        }
    }
}

#[derive(Params)]
struct Named {
    /// Name of the key.
    name: String,
}

#[derive(Params)]
struct Write {
    /// Name of the key.
    name: String,
    /// How often a new key pair is made; at least one minute.
    rotation_period: Option<Seconds>,
    /// How long a retired public key stays published; at most ten rotation periods.
    verification_ttl: Option<Seconds>,
    /// RS256, RS384, RS512, ES256, ES384, ES512 or EdDSA.
    algorithm: Option<String>,
    /// Client ids of the roles and clients that may sign with it; `*` for all.
    allowed_client_ids: Option<CommaList>,
}

async fn write(at: Arc<Endpoints>, cx: Context, write: Write) -> Result<Reply> {
    let open = at.open()?;
    let mut tries = 0;
    loop {
        let mut tx = open.begin(&cx.namespace);
        let stored = tx.oidc_key(&write.name).await?;
        let mut named = stored.unwrap_or_else(|| NamedKey::fresh(&[]));
        let before = named.algorithm;
        if let Some(Seconds(seconds)) = write.rotation_period {
            named.rotation_period = seconds;
        }
        if let Some(Seconds(seconds)) = write.verification_ttl {
            named.verification_ttl = seconds;
        }
        if let Some(word) = &write.algorithm {
            named.algorithm = Algorithm::parse(word)?;
        }
        if let Some(ids) = &write.allowed_client_ids {
            named.allowed_client_ids.clone_from(&ids.0);
        }
        if named.rotation_period < 60 {
            return Err(Error::invalid("rotation_period must be at least one minute"));
        }
        if named.verification_ttl > named.rotation_period.saturating_mul(10) {
            return Err(Error::invalid("verification_ttl cannot be longer than 10x rotation_period"));
        }
        if named.signing.is_none() || named.algorithm != before {
            let (now, ttl) = (tx.now, named.verification_ttl);
            named.turn(now, ttl).await?;
        } else {
            named.rotates = named.rotates.min(later(tx.now, named.rotation_period));
        }
        tx.put(key(&write.name), &named)?;
        if tx.commit(&mut tries).await? {
            return Ok(Reply::empty());
        }
    }
}

async fn exists(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<bool> {
    Ok(at.open()?.begin(&cx.namespace).oidc_key(&named.name).await?.is_some())
}

async fn read(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    let Some(found) = at.open()?.begin(&cx.namespace).oidc_key(&named.name).await? else { return Ok(Reply::missing()) };
    Ok(Reply::data(json!({
        "algorithm": found.algorithm.word(),
        "allowed_client_ids": found.allowed_client_ids,
        "rotation_period": found.rotation_period,
        "verification_ttl": found.verification_ttl,
    })))
}

async fn list(at: Arc<Endpoints>, cx: Context, (): ()) -> Result<Reply> {
    Ok(Reply::list(at.open()?.begin(&cx.namespace).oidc_keys().await?))
}

async fn delete(at: Arc<Endpoints>, cx: Context, named: Named) -> Result<Reply> {
    if named.name == DEFAULT {
        return Err(Error::invalid("deletion of key \"default\" not allowed"));
    }
    let open = at.open()?;
    let mut tx = open.begin(&cx.namespace);
    let name = &named.name;
    let in_use = |what: &str, names: Vec<String>| match names.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "unable to delete key {name:?} because it is currently referenced by these {what}: {}",
            names.join(", ")
        ))),
    };
    let roles = tx.all::<Role>("oidc/role/").await?;
    in_use("roles", roles.into_iter().filter(|(_, role)| role.key == *name).map(|(name, _)| name).collect())?;
    let clients = tx.all::<super::clients::Client>("oidc/client/").await?;
    in_use("clients", clients.into_iter().filter(|(_, client)| client.key == *name).map(|(name, _)| name).collect())?;
    tx.delete(key(name));
    tx.commit(&mut 0).await?;
    Ok(Reply::empty())
}

#[derive(Params)]
struct Rotate {
    /// Name of the key.
    name: String,
    /// How long the retired public key stays published; the key's own where it is left out.
    verification_ttl: Option<Seconds>,
}

async fn rotate(at: Arc<Endpoints>, cx: Context, rotate: Rotate) -> Result<Reply> {
    let open = at.open()?;
    let mut tries = 0;
    loop {
        let mut tx = open.begin(&cx.namespace);
        let found = tx.oidc_key(&rotate.name).await?;
        let mut named = found.ok_or_else(|| Error::invalid(format!("no named key found at {:?}", rotate.name)))?;
        let (now, ttl) = (tx.now, rotate.verification_ttl.map_or(named.verification_ttl, |ttl| ttl.0));
        named.turn(now, ttl).await?;
        tx.put(key(&rotate.name), &named)?;
        if tx.commit(&mut tries).await? {
            return Ok(Reply::empty());
        }
    }
}

/// A JSON Web Key set of the keys with these names.
pub(super) async fn key_set(open: &Open, namespace: &str, names: &[String]) -> Result<Value> {
    let mut tx = open.begin(namespace);
    let mut keys = Vec::new();
    for name in names {
        if let Some(found) = tx.oidc_key(name).await? {
            let now = tx.now;
            keys.extend(found.published(now).into_iter().map(|(id, algorithm, public)| public.jwk(id, algorithm)));
        }
    }
    Ok(json!({ "keys": keys }))
}
