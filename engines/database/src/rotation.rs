//! New passwords for root accounts and static roles, in two phases.
use crate::Engine;
use crate::config::{self, Config};
use crate::passwords;
use crate::plugin::{Connection, Login};
use crate::static_roles::{self, StaticRole};
use async_trait::async_trait;
use lessor_engine::{Changes, Context, Error, Result, Rotating, Rotation, Secret, Timestamp, Works};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

const STILL_THE_OLD: &str =
    "unable to finish rotating credentials; the present ones go on working and it is safe to retry";

/// Both secrets of an account.
#[derive(Serialize, Deserialize)]
struct Change {
    username: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    old: Secret,
    #[serde(with = "lessor_engine::secret::at_rest")]
    new: Secret,
}

/// Whose password it is.
enum Subject<'a> {
    Root(&'a str),
    Static(&'a str),
}

fn subject(text: &str) -> Result<Subject<'_>> {
    match text.split_once('/') {
        Some(("root", name)) => Ok(Subject::Root(name)),
        Some(("static", name)) => Ok(Subject::Static(name)),
        _ => Err(Error::Internal(format!("{text:?} is nothing that is rotated here"))),
    }
}

/// The role, or the one that is being made.
async fn static_role(cx: &Context, name: &str) -> Result<StaticRole> {
    let role: Option<StaticRole> = match cx.view.get(&static_roles::key(name)).await? {
        Some(role) => Some(role),
        None => cx.view.get(&static_roles::draft_key(name)).await?,
    };
    role.ok_or_else(|| Error::NotFound("no static role found for role name".to_owned()))
}

impl Engine {
    async fn rotated(&self, cx: &Context, rotation: &Rotation) -> Result<(Config, Arc<dyn Connection>, Change)> {
        let (config, connection) = self.connection(cx, &rotation.target).await?;
        Ok((config, connection, rotation.read()?))
    }
}

#[async_trait]
impl Rotating for Engine {
    async fn plan(&self, cx: &Context, text: &str) -> Result<Rotation> {
        let (target, change) = match subject(text)? {
            Subject::Root(name) => {
                let (config, _) = Config::load(cx, name).await?;
                let new = passwords::generate(cx, &config.password_policy).await?;
                let (username, old) = (config.text("username").to_owned(), Secret::new(config.text("password")));
                (name.to_owned(), Change { username, old, new })
            }
            Subject::Static(name) => {
                let role = static_role(cx, name).await?;
                let (config, _) = Config::load(cx, &role.db_name).await?;
                config.check_allowed(name)?;
                let own = role.credential_config.get("password_policy");
                let new = passwords::generate(cx, own.unwrap_or(&config.password_policy)).await?;
                (role.db_name, Change { username: role.username, old: role.password, new })
            }
        };
        Ok(Rotation { subject: text.to_owned(), target, data: serde_json::to_value(change)? })
    }

    async fn apply(&self, cx: &Context, rotation: &Rotation) -> Result<Value> {
        let (config, connection, change) = self.rotated(cx, rotation).await?;
        match subject(&rotation.subject)? {
            Subject::Root(_) => {
                let statements = &config.root_rotation_statements;
                connection.change_password(&change.username, &change.new, statements, None).await?;
                connection.adopt_password(&change.new);
            }
            Subject::Static(name) => {
                let role = static_role(cx, name).await?;
                let own = config.is_self_managed().then_some(&change.old);
                let doing = if role.rotated { STILL_THE_OLD } else { "error setting credentials" };
                let known = own.is_some() || connection.user_exists(&change.username).await?;
                if !known {
                    let message = format!("{doing}: there is no account {:?}", change.username);
                    return Err(Error::Refused { status: 500, message });
                }
                let statements = &role.rotation_statements;
                let changed = connection.change_password(&change.username, &change.new, statements, own).await;
                changed.map_err(|error| match error {
                    Error::Refused { message, .. } => {
                        Error::Refused { status: 500, message: format!("{doing}: {message}") }
                    }
                    other => other,
                })?;
            }
        }
        Ok(rotation.data.clone())
    }

    async fn verify(&self, cx: &Context, rotation: &Rotation) -> Result<()> {
        let (_, connection, change) = self.rotated(cx, rotation).await?;
        match connection.login_check(&change.username, &change.new).await? {
            // An account that may not log in at all took its password all the same.
            Login::Accepted | Login::Unknown => Ok(()),
            Login::Wrong => Err(Error::Refused {
                status: 500,
                message: format!("the new password of {:?} does not work", change.username),
            }),
        }
    }

    async fn commit(&self, cx: &Context, rotation: &Rotation) -> Result<Changes> {
        let change: Change = rotation.read()?;
        match subject(&rotation.subject)? {
            Subject::Root(name) => {
                let (mut config, version) = Config::load(cx, name).await?;
                config.details.insert("password".to_owned(), json!(change.new.expose()));
                config.last_rotation = Some(cx.now());
                Changes::new().expect(&config::key(name), Some(version)).put(&config::key(name), &config)
            }
            Subject::Static(name) => {
                let mut role = static_role(cx, name).await?;
                role.password = change.new;
                role.last_rotation = cx.now();
                role.rotated = true;
                Ok(Changes::new().put(&static_roles::key(name), &role)?.delete(&static_roles::draft_key(name)))
            }
        }
    }

    /// The platform keeps one password per account: setting the new one ended the old one.
    async fn retire(&self, _: &Context, _: &Rotation) -> Result<()> {
        Ok(())
    }

    async fn settle(&self, cx: &Context, rotation: &Rotation) -> Result<Works> {
        let (_, connection, change) = self.rotated(cx, rotation).await?;
        let works = match connection.login_check(&change.username, &change.new).await? {
            Login::Accepted => Works::New,
            Login::Wrong => Works::Old,
            Login::Unknown if change.old.is_empty() => Works::Old,
            Login::Unknown => match connection.login_check(&change.username, &change.old).await? {
                Login::Wrong => Works::New,
                Login::Accepted | Login::Unknown => Works::Old,
            },
        };
        if works == Works::New && matches!(subject(&rotation.subject)?, Subject::Root(_)) {
            connection.adopt_password(&change.new);
        }
        Ok(works)
    }

    async fn policy(&self, cx: &Context, text: &str) -> Result<String> {
        let Subject::Root(name) = subject(text)? else { return Ok(String::new()) };
        let config: Option<Config> = cx.view.get(&config::key(name)).await?;
        Ok(config.map(|config| config.rotation_policy).unwrap_or_default())
    }

    fn path(&self, text: &str) -> String {
        match subject(text) {
            Ok(Subject::Root(name)) => config::key(name),
            Ok(Subject::Static(name)) => format!("static-roles/{name}"),
            Err(_) => text.to_owned(),
        }
    }

    async fn next(&self, cx: &Context, text: &str) -> Result<Option<Timestamp>> {
        match subject(text)? {
            Subject::Root(name) => {
                let config: Option<Config> = cx.view.get(&config::key(name)).await?;
                Ok(config.and_then(|config| config.next_rotation(cx.now())))
            }
            Subject::Static(name) => {
                let role: Option<StaticRole> = cx.view.get(&static_roles::key(name)).await?;
                Ok(role.and_then(|role| role.timing.next(role.last_rotation, cx.now())))
            }
        }
    }
}
