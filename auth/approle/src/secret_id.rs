//! A secret id's record, and the ways it is made, found, used and ended. Each is one guarded commit.
use crate::role::{self, Role};
use crate::{Approle, is_conflict};
use ipnet::IpNet;
use lessor_engine::{Changes, Context, Error, Result, Timestamp};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What is stored under `secret-id/<role's id>/<hmac of the secret id>`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SecretId {
    pub(crate) accessor: String,
    /// Logins that are left; 0 for no limit (the last one deletes the record).
    pub(crate) num_uses: u32,
    /// Seconds it was made for; 0 for ever.
    pub(crate) ttl: u64,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) metadata: BTreeMap<String, String>,
    /// Blocks that may log in with it; empty for the role's.
    pub(crate) cidrs: Vec<IpNet>,
    /// Blocks of the tokens made with it; empty for the role's.
    pub(crate) token_cidrs: Vec<IpNet>,
}

/// Where a secret id lies.
pub(crate) struct Place {
    role: String,
    hashed: String,
}

impl Place {
    pub(crate) fn new(role: &Role, hashed: String) -> Self {
        Self { role: role.id.clone(), hashed }
    }
    fn key(&self) -> String {
        format!("{}{}", folder(&self.role), self.hashed)
    }
    fn due_key(&self, expires: Timestamp) -> String {
        // Zeros in front keep the keys in the order of time.
        format!("{DUE}{:015}/{}/{}", expires.as_millisecond(), self.role, self.hashed)
    }
}

/// Below it, in the order of time, what expires.
pub(crate) const DUE: &str = "due/";

pub(crate) fn folder(role_id: &str) -> String {
    format!("secret-id/{role_id}/")
}

pub(crate) fn accessors(role_id: &str) -> String {
    format!("accessor/{role_id}/")
}

/// The moment and the record's key of a key below [`DUE`].
pub(crate) fn due(key: &str) -> Option<(Timestamp, String)> {
    let (millis, rest) = key.strip_prefix(DUE)?.split_once('/')?;
    let when = Timestamp::from_millisecond(millis.parse().ok()?).ok()?;
    Some((when, format!("secret-id/{rest}")))
}

impl SecretId {
    fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
    pub(crate) fn show(&self) -> Value {
        let texts = |blocks: &[IpNet]| blocks.iter().map(IpNet::to_string).collect::<Vec<_>>();
        // Go's zero time stands for "never".
        let expires = self.expires.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |at| at.to_string());
        json!({
            "cidr_list": texts(&self.cidrs),
            "creation_time": self.created.to_string(),
            "expiration_time": expires,
            "last_updated_time": self.updated.to_string(),
            "metadata": self.metadata,
            "secret_id_accessor": self.accessor,
            "secret_id_num_uses": self.num_uses,
            "secret_id_ttl": self.ttl,
            "token_bound_cidrs": texts(&self.token_cidrs),
        })
    }
}

fn without(changes: Changes, place: &Place, secret_id: &SecretId) -> Changes {
    let changes = changes.delete(&place.key());
    let changes = changes.delete(&format!("{}{}", accessors(&place.role), secret_id.accessor));
    match secret_id.expires {
        Some(expires) => changes.delete(&place.due_key(expires)),
        None => changes,
    }
}

impl Approle {
    /// Where the secret id of this text lies in this role.
    pub(crate) async fn place(&self, cx: &Context, role: &Role, text: &str) -> Result<Place> {
        Ok(Place::new(role, self.hasher(cx).await?.name(text)))
    }
    /// Stores a new secret id, provided that the role is still the one it was made for.
    ///
    /// # Errors
    /// A conflict when the role changed or there is such a secret id already.
    pub(crate) async fn keep(
        &self,
        cx: &Context,
        (name, version): (&str, Version),
        place: &Place,
        new: &SecretId,
    ) -> Result<()> {
        let accessor = format!("{}{}", accessors(&place.role), new.accessor);
        let changes = Changes::new()
            .put(&place.key(), new)?
            .put(&accessor, &place.hashed)?
            .expect(&role::key(name), Some(version))
            .expect(&place.key(), None);
        let changes = match new.expires {
            Some(expires) => changes.put(&place.due_key(expires), &())?,
            None => changes,
        };
        cx.view.commit(changes).await
    }
    /// The secret id, if it is there and not over.
    pub(crate) async fn find(&self, cx: &Context, place: &Place) -> Result<Option<SecretId>> {
        let found: Option<SecretId> = cx.view.get(&place.key()).await?;
        Ok(found.filter(|secret_id| !secret_id.is_over(cx.now())))
    }
    /// Where the secret id with this accessor lies.
    pub(crate) async fn place_of_accessor(&self, cx: &Context, role: &Role, accessor: &str) -> Result<Option<Place>> {
        let hashed: Option<String> = cx.view.get(&format!("{}{accessor}", accessors(&role.id))).await?;
        Ok(hashed.map(|hashed| Place::new(role, hashed)))
    }
    /// Takes one use of the secret id. `None` when there is none, or it is over; the last use ends it.
    ///
    /// # Errors
    /// When `check` refuses it (then nothing is used up).
    pub(crate) async fn spend(
        &self,
        cx: &Context,
        place: &Place,
        check: impl Fn(&SecretId) -> Result<()> + Send,
    ) -> Result<Option<SecretId>> {
        let _turn = self.turn(&place.hashed).await;
        loop {
            let read = cx.view.get_versioned::<SecretId>(&place.key()).await?;
            let Some((secret_id, version)) = read else { return Ok(None) };
            let guarded = Changes::new().expect(&place.key(), Some(version));
            let over = secret_id.is_over(cx.now());
            if !over {
                check(&secret_id)?;
                if secret_id.num_uses == 0 {
                    return Ok(Some(secret_id));
                }
            }
            let changes = if over || secret_id.num_uses == 1 {
                without(guarded, place, &secret_id)
            } else {
                let left = secret_id.num_uses - 1;
                guarded.put(&place.key(), &SecretId { num_uses: left, updated: cx.now(), ..secret_id.clone() })?
            };
            match cx.view.commit(changes).await {
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok((!over).then_some(secret_id)),
            }
        }
    }
    /// Ends a secret id; whether there was one.
    pub(crate) async fn end(&self, cx: &Context, place: &Place) -> Result<bool> {
        let _turn = self.turn(&place.hashed).await;
        loop {
            let read = cx.view.get_versioned::<SecretId>(&place.key()).await?;
            let Some((secret_id, version)) = read else { return Ok(false) };
            let changes = without(Changes::new().expect(&place.key(), Some(version)), place, &secret_id);
            match cx.view.commit(changes).await {
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(true),
            }
        }
    }
}

/// Whether `address` lies in one of the blocks; everybody does where there are none.
pub(crate) fn admits(blocks: &[IpNet], address: Option<IpAddr>) -> bool {
    blocks.is_empty() || address.is_some_and(|address| blocks.iter().any(|block| block.contains(&address)))
}

/// Refuses blocks that reach beyond those of the role.
pub(crate) fn within(role: &[IpNet], sent: &[IpNet]) -> Result<()> {
    let inside = |block: &IpNet| role.iter().any(|outer| outer.contains(block));
    if role.is_empty() || sent.iter().all(inside) {
        return Ok(());
    }
    let texts = |blocks: &[IpNet]| blocks.iter().map(IpNet::to_string).collect::<Vec<_>>();
    Err(Error::invalid(format!(
        "failed to verify subset relationship between CIDR blocks on the role {:?} and CIDR blocks on the secret ID {:?}",
        texts(role),
        texts(sent)
    )))
}
