//! A role's record and how it is changed: always read, changed and written back under a guard.
use crate::{Approle, hash, is_conflict};
use ipnet::IpNet;
use lessor_engine::{Changes, Context, Error, Result, TokenRole};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

const LONGEST_NAME: usize = 4096;

/// What is stored under `role/<name>`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Role {
    /// Names the role's secret ids in storage; never shown, never used again.
    pub(crate) id: String,
    pub(crate) role_id: String,
    pub(crate) bind_secret_id: bool,
    pub(crate) local_secret_ids: bool,
    pub(crate) secret_id_bound_cidrs: Vec<IpNet>,
    /// Logins with one secret id; 0 for no limit.
    pub(crate) secret_id_num_uses: u32,
    /// Seconds; 0 for ever.
    pub(crate) secret_id_ttl: u64,
    pub(crate) token: TokenRole,
}

/// `role-id/<hmac of the role id>` tells whose it is.
#[derive(Serialize, Deserialize)]
struct Owner {
    name: String,
}

pub(crate) fn key(name: &str) -> String {
    format!("role/{name}")
}

fn owner_key(hashed: &str) -> String {
    format!("role-id/{hashed}")
}

/// The name as it is stored.
pub(crate) fn name(sent: &str) -> Result<String> {
    if sent.len() > LONGEST_NAME {
        return Err(Error::invalid(format!("role_name exceeds maximum length of {LONGEST_NAME} bytes")));
    }
    Ok(sent.to_lowercase())
}

pub(crate) fn unknown(name: &str) -> Error {
    Error::NotFound(format!("role {name:?} does not exist"))
}

impl Role {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            id: hash::uuid()?,
            role_id: hash::uuid()?,
            bind_secret_id: true,
            local_secret_ids: false,
            secret_id_bound_cidrs: Vec::new(),
            secret_id_num_uses: 0,
            secret_id_ttl: 0,
            token: TokenRole::default(),
        })
    }
    pub(crate) fn check(&self) -> Result<()> {
        if self.bind_secret_id || !self.secret_id_bound_cidrs.is_empty() || !self.token.settings.bound_cidrs.is_empty()
        {
            return Ok(());
        }
        let text = "at least one constraint should be enabled on the role: \
                    bind_secret_id, secret_id_bound_cidrs or token_bound_cidrs";
        Err(Error::invalid(text))
    }
    /// As it is read. Null where no block is set, as Vault answers here (and only here).
    pub(crate) fn show(&self) -> Map<String, Value> {
        let mut shown = self.token.show();
        shown.insert("bind_secret_id".to_owned(), json!(self.bind_secret_id));
        shown.insert("local_secret_ids".to_owned(), json!(self.local_secret_ids));
        shown.insert("secret_id_bound_cidrs".to_owned(), show_blocks(&self.secret_id_bound_cidrs));
        shown.insert("secret_id_num_uses".to_owned(), json!(self.secret_id_num_uses));
        shown.insert("secret_id_ttl".to_owned(), json!(self.secret_id_ttl));
        shown.sort_keys();
        shown
    }
}

pub(crate) fn show_blocks(blocks: &[IpNet]) -> Value {
    if blocks.is_empty() { Value::Null } else { json!(blocks.iter().map(IpNet::to_string).collect::<Vec<_>>()) }
}

/// Blocks with their length; a plain address is none here, other than in `token_bound_cidrs`.
pub(crate) fn blocks(texts: &[String], of: &str) -> Result<Vec<IpNet>> {
    let parse = |text: &String| {
        let text = text.trim();
        text.parse().map_err(|_| {
            Error::invalid(format!(
                "failed to validate {of}: invalid CIDR address: {text}: use 10.0.0.0/8 or 10.0.0.1/32"
            ))
        })
    };
    texts.iter().map(parse).collect()
}

impl Approle {
    pub(crate) async fn role(&self, cx: &Context, name: &str) -> Result<Option<Role>> {
        cx.view.get(&key(name)).await
    }
    pub(crate) async fn role_versioned(&self, cx: &Context, name: &str) -> Result<(Role, Version)> {
        cx.view.get_versioned(&key(name)).await?.ok_or_else(|| unknown(name))
    }
    /// The role with this role id, and its name.
    pub(crate) async fn role_by_id(&self, cx: &Context, role_id: &str) -> Result<Option<(String, Role)>> {
        let hashed = self.hasher(cx).await?.name(role_id);
        let Some(owner) = cx.view.get::<Owner>(&owner_key(&hashed)).await? else { return Ok(None) };
        Ok(self.role(cx, &owner.name).await?.filter(|role| role.role_id == role_id).map(|role| (owner.name, role)))
    }
    /// Changes a role; `change` is called again when another node was faster. It gets `None` for the present role
    /// where there is none.
    pub(crate) async fn change(
        &self,
        cx: &Context,
        name: &str,
        change: impl Fn(Option<Role>) -> Result<Role> + Send,
    ) -> Result<()> {
        let _turn = self.turn(name).await;
        loop {
            let read: Option<(Role, Version)> = cx.view.get_versioned(&key(name)).await?;
            let (old, version) = read.map_or((None, None), |(role, version)| (Some(role), Some(version)));
            let new = change(old.clone())?;
            new.check()?;
            let mut changes = Changes::new().put(&key(name), &new)?.expect(&key(name), version);
            if old.as_ref().is_none_or(|old| old.role_id != new.role_id) {
                let hasher = self.hasher(cx).await?;
                let owner = owner_key(&hasher.name(&new.role_id));
                if cx.view.get::<Owner>(&owner).await?.is_some() {
                    return Err(Error::invalid("role_id already in use"));
                }
                changes = changes.put(&owner, &Owner { name: name.to_owned() })?.expect(&owner, None);
                if let Some(old) = &old {
                    changes = changes.delete(&owner_key(&hasher.name(&old.role_id)));
                }
            }
            match cx.view.commit(changes).await {
                Err(error) if is_conflict(&error) => {}
                done => return done,
            }
        }
    }
    /// Ends the role and all of its secret ids in one commit.
    pub(crate) async fn end_role(&self, cx: &Context, name: &str) -> Result<()> {
        let _turn = self.turn(name).await;
        loop {
            let read = cx.view.get_versioned::<Role>(&key(name)).await?;
            let Some((role, version)) = read else { return Ok(()) };
            let owner = owner_key(&self.hasher(cx).await?.name(&role.role_id));
            let changes = Changes::new().delete(&key(name)).delete(&owner).expect(&key(name), Some(version));
            match cx.view.commit(crate::tidy::left_behind(changes, &role.id)?).await {
                Err(error) if is_conflict(&error) => {}
                Err(error) => return Err(error),
                Ok(()) => return crate::tidy::clear_role(&cx.view, &role.id).await,
            }
        }
    }
}
