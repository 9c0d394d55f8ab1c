//! New passwords for the bind account and static roles, in two phases.
use crate::account::{self, Whom};
use crate::config::{self, Config};
use crate::directory::{Directory, Login};
use crate::dynamic::TARGET;
use crate::managed::{self, Managed};
use crate::static_roles::{self, StaticRole};
use crate::{Engine, Flavour, ad, passwords, schema};
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Secret, Timestamp, Works};
use lessor_storage::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The bind password.
pub(crate) const ROOT: &str = "root";

/// Both secrets of an account.
#[derive(Serialize, Deserialize)]
struct Passwords {
    username: String,
    dn: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    old: Secret,
    #[serde(with = "lessor_engine::secret::at_rest")]
    new: Secret,
}

/// Whose password it is.
enum Subject<'a> {
    Root,
    Static(&'a str),
}

fn subject(text: &str) -> Result<Subject<'_>> {
    match text.split_once('/') {
        None if text == ROOT => Ok(Subject::Root),
        Some(("static", name)) => Ok(Subject::Static(name)),
        _ => Err(Error::Internal(format!("{text:?} is nothing that is rotated here"))),
    }
}

/// The role, or the one that is being made.
async fn find_role(cx: &Context, name: &str) -> Result<Option<(StaticRole, String, Version)>> {
    for key in [static_roles::key(name), static_roles::draft_key(name)] {
        if let Some((role, version)) = cx.view.get_versioned(&key).await? {
            return Ok(Some((role, key, version)));
        }
    }
    Ok(None)
}

async fn role(cx: &Context, name: &str) -> Result<StaticRole> {
    let found = find_role(cx, name).await?.map(|(role, ..)| role);
    found.ok_or_else(|| Error::NotFound(format!("role {name:?} doesn't exist")))
}

/// Whether the account is the role's still: a creation that failed keeps nobody else from it.
async fn is_owned(cx: &Context, name: &str, username: &str) -> Result<bool> {
    let (owner, _) = managed::load(cx, username).await?;
    Ok(matches!(owner, Some(Managed::Static { role }) if role == name))
}

impl Engine {
    async fn rotated(&self, cx: &Context, rotation: &Rotation) -> Result<(Config, Arc<dyn Directory>, Passwords)> {
        let (config, directory) = self.directory(cx).await?;
        Ok((config, directory, rotation.read()?))
    }
    /// The account's distinguished name, which it logs in by.
    async fn dn_of(
        &self,
        directory: &dyn Directory,
        config: &Config,
        of: &Subject<'_>,
        passwords: &Passwords,
    ) -> Result<String> {
        match of {
            Subject::Root => Ok(config.bind_name()),
            Subject::Static(_) if config.self_managed => Ok(passwords.dn.clone()),
            Subject::Static(_) => {
                let whom = Whom { username: &passwords.username, dn: &passwords.dn };
                Ok(account::find(directory, config, &whom, &["1.1"]).await?.dn)
            }
        }
    }
    async fn set(
        &self,
        cx: &Context,
        directory: &dyn Directory,
        config: &Config,
        of: &Subject<'_>,
        passwords: &Passwords,
    ) -> Result<()> {
        match of {
            Subject::Root => {
                let own = account::find_own(directory, config).await?;
                account::reset(directory, config, &own.dn, &passwords.new, false).await?;
                directory.adopt(&passwords.new);
                Ok(())
            }
            Subject::Static(name) => {
                let unlock = role(cx, name).await?.auto_unlock.unwrap_or(config.auto_unlock);
                let dn = self.dn_of(directory, config, of, passwords).await?;
                if config.self_managed {
                    let change = schema::change(config.schema, &dn, &passwords.old, &passwords.new);
                    return directory.apply_as(&dn, &passwords.old, &change).await;
                }
                account::reset(directory, config, &dn, &passwords.new, unlock).await
            }
        }
    }
    /// Neither the role nor a draft of it is there, or the account became another's meanwhile.
    async fn is_gone(&self, cx: &Context, of: &Subject<'_>, passwords: &Passwords) -> Result<bool> {
        match of {
            Subject::Root => {
                // Whoever wrote another bind password since then has decided.
                let config: Option<Config> = cx.view.get(config::KEY).await?;
                Ok(config.is_none_or(|config| config.bindpass != passwords.old && config.bindpass != passwords.new))
            }
            Subject::Static(name) => {
                let found = find_role(cx, name).await?;
                Ok(found.is_none() || !is_owned(cx, name, &passwords.username).await?)
            }
        }
    }
}

#[async_trait]
impl Rotating for Engine {
    async fn plan(&self, cx: &Context, text: &str) -> Result<Rotation> {
        let (config, _) = Config::load(cx).await?;
        let passwords = match subject(text)? {
            Subject::Root => {
                let new = passwords::generate(cx, self.flavour, &config, "").await?;
                Passwords { username: config.bind_name(), dn: String::new(), old: config.bindpass, new }
            }
            Subject::Static(name) => {
                let role = role(cx, name).await?;
                let new = passwords::generate(cx, self.flavour, &config, &role.password_policy).await?;
                Passwords { username: role.username, dn: role.dn, old: role.password, new }
            }
        };
        let data = serde_json::to_value(passwords)?;
        Ok(Rotation { subject: text.to_owned(), target: TARGET.to_owned(), data })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let (config, directory, passwords) = self.rotated(cx, rotation).await?;
        self.set(cx, directory.as_ref(), &config, &subject(&rotation.subject)?, &passwords).await?;
        Ok(rotation.data.clone())
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let (config, directory, passwords) = self.rotated(cx, rotation).await?;
        let of = subject(&rotation.subject)?;
        let dn = self.dn_of(directory.as_ref(), &config, &of, &passwords).await?;
        match directory.login(&dn, &passwords.new).await? {
            // An account that may not log in at all took its password all the same.
            Login::Accepted | Login::Unknown => Ok(()),
            Login::Wrong => Err(Error::Refused {
                status: 500,
                message: format!("the new password of {:?} does not work", passwords.username),
            }),
        }
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let passwords: Passwords = rotation.read()?;
        match subject(&rotation.subject)? {
            Subject::Root => {
                let (mut config, version) = Config::load(cx).await?;
                config.previous_bindpass = std::mem::replace(&mut config.bindpass, passwords.new);
                config.last_bind_password_rotation = Some(cx.now());
                Changes::new().expect(config::KEY, Some(version)).put(config::KEY, &config)
            }
            Subject::Static(name) => {
                let found = find_role(cx, name).await?;
                let (mut role, key, version) =
                    found.ok_or_else(|| Error::NotFound(format!("role {name:?} doesn't exist")))?;
                role.last_password = std::mem::replace(&mut role.password, passwords.new);
                role.last_rotation = cx.now();
                role.rotated = true;
                let draft = static_roles::draft_key(name);
                Ok(Changes::new().expect(&key, Some(version)).delete(&draft).put(&static_roles::key(name), &role)?)
            }
        }
    }

    /// A directory keeps one password per account: setting the new one ended the old one.
    async fn retire(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        let of = subject(&rotation.subject)?;
        let passwords: Passwords = rotation.read()?;
        if self.is_gone(cx, &of, &passwords).await? {
            return Ok(Works::Old);
        }
        let (config, directory) = self.directory(cx).await?;
        if matches!(of, Subject::Root) {
            // From here on either of them opens connections.
            return settle_root(directory.as_ref(), &config, &passwords).await;
        }
        let dn = match self.dn_of(directory.as_ref(), &config, &of, &passwords).await {
            Ok(dn) => dn,
            Err(error) if error.target_is_down() => return Err(error),
            // It is not found: nothing was changed, or somebody removed it.
            Err(_) => return Ok(Works::Old),
        };
        let new = directory.login(&dn, &passwords.new).await?;
        if new == Login::Accepted {
            return Ok(Works::New);
        }
        if passwords.old.is_empty() && new == Login::Wrong {
            return Ok(Works::Old);
        }
        if !passwords.old.is_empty() && directory.login(&dn, &passwords.old).await? == Login::Accepted {
            return Ok(Works::Old);
        }
        // Neither is known to work: locked, disabled, or changed by somebody else. Setting the new one decides it.
        match self.set(cx, directory.as_ref(), &config, &of, &passwords).await {
            Ok(()) => Ok(Works::New),
            Err(error) if error.target_is_down() => Err(error),
            Err(_) => Ok(Works::Old),
        }
    }

    async fn is_due(&self, cx: &Context, text: &str) -> Result<bool> {
        let Subject::Static(name) = subject(text)? else { return Ok(true) };
        let role = role(cx, name).await?;
        match self.flavour {
            Flavour::Ldap => Ok(role.is_due_at_read(&Config::load(cx).await?.0, cx.now())),
            Flavour::Ad => ad::is_due(self, cx, &role).await,
        }
    }

    async fn present(&self, cx: &Context, text: &str) -> Result<Map<String, Value>> {
        let Subject::Static(name) = subject(text)? else { return Ok(Map::new()) };
        let role = role(cx, name).await?;
        Ok(match self.flavour {
            Flavour::Ldap => role.credential(cx.now()),
            Flavour::Ad => ad::credential(&role),
        })
    }

    async fn policy(&self, cx: &Context, text: &str) -> Result<String> {
        match subject(text)? {
            Subject::Root => {
                let config: Option<Config> = cx.view.get(config::KEY).await?;
                Ok(config.map(|config| config.rotation_policy).unwrap_or_default())
            }
            Subject::Static(name) => {
                Ok(find_role(cx, name).await?.map(|(role, ..)| role.rotation_policy).unwrap_or_default())
            }
        }
    }

    fn path(&self, text: &str) -> String {
        match (subject(text), self.flavour) {
            (Ok(Subject::Root), _) => config::KEY.to_owned(),
            (Ok(Subject::Static(name)), Flavour::Ldap) => format!("static-role/{name}"),
            (Ok(Subject::Static(name)), Flavour::Ad) => format!("roles/{name}"),
            (Err(_), _) => text.to_owned(),
        }
    }

    async fn next(&self, cx: &Context, text: &str) -> Result<Option<Timestamp>> {
        match subject(text)? {
            Subject::Root => {
                let config: Option<Config> = cx.view.get(config::KEY).await?;
                Ok(config.and_then(|config| config.next_rotation(cx.now())))
            }
            Subject::Static(name) => {
                let role: Option<StaticRole> = cx.view.get(&static_roles::key(name)).await?;
                Ok(role.and_then(|role| role.next(cx.now())))
            }
        }
    }
}

/// Which of both bind passwords works. Where neither does, the account may be locked for a while: nothing is decided,
/// and the question is asked again.
async fn settle_root(directory: &dyn Directory, config: &Config, passwords: &Passwords) -> Result<Works> {
    let name = config.bind_name();
    let new = directory.login(&name, &passwords.new).await?;
    if new == Login::Accepted {
        directory.adopt(&passwords.new);
        return Ok(Works::New);
    }
    match directory.login(&name, &passwords.old).await? {
        Login::Accepted => Ok(Works::Old),
        Login::Wrong if new == Login::Unknown => {
            directory.adopt(&passwords.new);
            Ok(Works::New)
        }
        Login::Wrong | Login::Unknown => Err(Error::Refused {
            status: 500,
            message:
                "neither the old nor the new bind password works: both are kept and tried again; to decide by hand, \
                      write bindpass"
                    .to_owned(),
        }),
    }
}
