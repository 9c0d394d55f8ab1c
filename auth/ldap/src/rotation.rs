//! A new bind password, in two phases: it is durable before the directory hears of it, proven by a login, and only then
//! the present one.
use crate::Ldap;
use crate::config::{self, Config, load_versioned};
use async_trait::async_trait;
use lessor_directory::{Account, Bound, Connection, Failure, Login, Mod, Schema, Scope, Search, ldap_escape, letters};
use lessor_engine::{Changes, Context, Error, Reply, Result, Rotating, Rotation, Secret, Timestamp, Works, secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// What is rotated: the bind password.
pub(crate) const ROOT: &str = "root";
/// Where a password lies that the directory may have taken and the configuration does not say yet.
const PENDING: &str = "pending";
const TARGET: &str = "directory";
/// Unless there is a password policy.
const LENGTH: usize = 64;
const INSUFFICIENT_ACCESS_RIGHTS: u32 = 50;

#[derive(Serialize, Deserialize)]
struct Pending(#[serde(with = "secret::at_rest")] Secret);

/// The bind password that a rotation is about to set, while one is.
pub(crate) async fn pending(cx: &Context) -> Result<Option<Secret>> {
    let found: Option<Pending> = cx.view.get(PENDING).await?;
    Ok(found.map(|pending| pending.0))
}

#[derive(Serialize, Deserialize)]
struct Passwords {
    binddn: String,
    #[serde(with = "secret::at_rest")]
    old: Secret,
    #[serde(with = "secret::at_rest")]
    new: Secret,
}

pub(crate) async fn rotate(_: Arc<Ldap>, cx: Context, (): ()) -> Result<Reply> {
    let (config, _) = load_versioned(&cx).await?;
    if !config.has_account() {
        return Err(Error::invalid("auth is not using authenticated search, no root to rotate"));
    }
    Ok(Reply::rotate(ROOT))
}

fn explain(failure: &Failure) -> Error {
    failure.explain("ldap operation failed", 500)
}

/// The account's own entry; `binddn` may be another name that Active Directory takes.
async fn own_entry(connection: &mut Connection, config: &Config, binddn: &str) -> Result<String> {
    if binddn.contains('=') {
        return Ok(binddn.to_owned());
    }
    let filter = format!("(userPrincipalName={})", ldap_escape(binddn));
    let search = Search { base: &config.userdn, scope: Scope::Subtree, filter: &filter, attributes: &["1.1"] };
    let mut found = connection.search(&search).await.map_err(|failure| explain(&failure))?;
    match (found.pop(), found.is_empty()) {
        (Some(entry), true) => Ok(entry.dn),
        _ => Err(Error::refused(
            "binddn is no distinguished name, and exactly one userPrincipalName below userdn is not it",
        )),
    }
}

fn one(value: &[u8]) -> HashSet<Vec<u8>> {
    HashSet::from([value.to_vec()])
}

/// Sets the password as an administrator does; Active Directory lets others change their own, by naming the old one.
async fn set(connection: &mut Connection, config: &Config, dn: &str, passwords: &Passwords) -> Result<(), Failure> {
    let (schema, kind) = (config.rotation.rotation_schema, config.rotation.rotation_credential_type);
    let attributes = schema.password(kind, &passwords.new);
    let replace = attributes.iter().map(|(name, value)| Mod::Replace(name.as_bytes().to_vec(), one(value)));
    let done = connection.modify(dn, replace.collect()).await;
    if schema != Schema::Ad || !done.as_ref().is_err_and(|failure| failure.is(INSUFFICIENT_ACCESS_RIGHTS)) {
        return done;
    }
    let of = |password| one(&lessor_directory::unicode(password));
    let name = || b"unicodePwd".to_vec();
    connection.modify(dn, vec![Mod::Delete(name(), of(&passwords.old)), Mod::Add(name(), of(&passwords.new))]).await
}

async fn forget(cx: &Context) -> Result<Works> {
    cx.view.delete(PENDING).await?;
    Ok(Works::Old)
}

pub(crate) struct Root;

#[async_trait]
impl Rotating for Root {
    async fn plan(&self, cx: &Context, subject: &str) -> Result<Rotation> {
        let (config, _) = load_versioned(cx).await?;
        if !config.has_account() {
            return Err(Error::NotFound("there is no bind password any more".to_owned()));
        }
        let new = match config.rotation.password_policy.as_str() {
            "" => Secret::new(letters(LENGTH)),
            policy => {
                let made = cx.policies.generate(policy).await;
                made.map_err(|error| Error::refused(format!("failed to generate password: {error}")))?
            }
        };
        let data = serde_json::to_value(Passwords { binddn: config.binddn, old: config.bindpass, new })?;
        Ok(Rotation { subject: subject.to_owned(), target: TARGET.to_owned(), data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let (config, _) = load_versioned(cx).await?;
        let passwords: Passwords = rotation.read()?;
        // From the next line on logins know both passwords, on every node.
        cx.view.put(PENDING, &Pending(passwords.new.clone())).await?;
        let mut connection = Connection::open(&config.rotation_settings()).await?;
        let account = Account::Named { dn: &passwords.binddn, password: passwords.old.expose() };
        if let Bound::Refused(_) = connection.bind(account).await.map_err(|failure| explain(&failure))? {
            return Err(Error::refused("ldap operation failed: failed to bind with binddn: wrong bindpass"));
        }
        let dn = own_entry(&mut connection, &config, &passwords.binddn).await?;
        set(&mut connection, &config, &dn, &passwords).await.map_err(|failure| explain(&failure))?;
        Ok(rotation.data.clone())
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let (config, _) = load_versioned(cx).await?;
        let passwords: Passwords = rotation.read()?;
        match Login::with(&config.rotation_settings(), &passwords.binddn, &passwords.new).await? {
            Login::Accepted => Ok(()),
            Login::Wrong | Login::Unknown => Err(Error::Refused {
                status: 500,
                message: format!("the new password of {:?} does not work", passwords.binddn),
            }),
        }
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let (mut config, version) = load_versioned(cx).await?;
        let passwords: Passwords = rotation.read()?;
        config.rotation.previous_bindpass = std::mem::replace(&mut config.bindpass, passwords.new);
        config.rotation.last_bind_password_rotation = Some(cx.now());
        Changes::new().expect(config::KEY, Some(version)).delete(PENDING).put(config::KEY, &config)
    }

    /// A directory keeps one password per account: setting the new one ended the old one.
    async fn retire(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        let passwords: Passwords = rotation.read()?;
        let config: Option<Config> = cx.view.get(config::KEY).await?;
        // Whoever wrote another account or password since then has decided.
        let is_ours = |config: &Config| {
            config.binddn == passwords.binddn && [&passwords.old, &passwords.new].contains(&&config.bindpass)
        };
        let Some(config) = config.filter(is_ours) else { return forget(cx).await };
        let settings = config.rotation_settings();
        let new = Login::with(&settings, &passwords.binddn, &passwords.new).await?;
        if new == Login::Accepted {
            return Ok(Works::New);
        }
        match (Login::with(&settings, &passwords.binddn, &passwords.old).await?, new) {
            (Login::Accepted, _) => forget(cx).await,
            // Locked or expired, but not wrong.
            (Login::Wrong, Login::Unknown) => Ok(Works::New),
            (Login::Wrong | Login::Unknown, _) => Err(Error::Refused {
                status: 500,
                message: "neither the old nor the new bind password works: both are kept and tried again; to decide \
                          by hand, write bindpass"
                    .to_owned(),
            }),
        }
    }

    async fn policy(&self, cx: &Context, _: &str) -> Result<String> {
        let config: Option<Config> = cx.view.get(config::KEY).await?;
        Ok(config.map(|config| config.rotation.rotation_policy).unwrap_or_default())
    }

    fn path(&self, _: &str) -> String {
        config::KEY.to_owned()
    }

    async fn next(&self, cx: &Context, _: &str) -> Result<Option<Timestamp>> {
        let config: Option<Config> = cx.view.get(config::KEY).await?;
        Ok(config.and_then(|config| config.next_rotation(cx.now())))
    }
}
