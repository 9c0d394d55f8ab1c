//! `creds/<role>`: the plan of an account. Nothing of it touches the directory.
use crate::config::Config;
use crate::dynamic::{AccountPlan, Plan, TARGET};
use crate::names::Named;
use crate::recipes::{self, Values};
use crate::roles::{Role, key};
use crate::{Engine, naming, passwords};
use lessor_engine::{Context, Error, Grant, Issue, Reply, Result};
use std::sync::Arc;

pub(crate) async fn read(engine: Arc<Engine>, cx: Context, at: Named) -> Result<Reply> {
    let name = at.name.to_lowercase();
    let Some(role) = cx.view.get::<Role>(&key(&name)).await? else { return Ok(Reply::missing()) };
    let (config, _) = Config::load(&cx).await?;
    let template = naming::parse(naming::template(&role.username_template, config.schema))?;
    let account = naming::username(&cx, &template, &name)?;
    let password = passwords::generate(&cx, engine.flavour, &config, &role.password_policy).await?;
    let values = Values {
        username: &account.text,
        password: &password,
        display_name: &cx.caller.display_name,
        role: &name,
        issued: cx.now(),
        expires: cx.now() + role.ttl(&cx),
    };
    let creation = recipes::render("creation_ldif", &role.creation_ldif, &values)?;
    let deletion = recipes::render("deletion_ldif", &role.deletion_ldif, &values)?;
    let rollback = match role.rollback_ldif.trim() {
        "" => None,
        _ => Some(recipes::render("rollback_ldif", &role.rollback_ldif, &values)?),
    };
    // What cannot be read is refused before anything is promised.
    let made = recipes::records("creation_ldif", &creation)?;
    for (field, text) in [("deletion_ldif", Some(&deletion)), ("rollback_ldif", rollback.as_ref())] {
        text.map(|text| recipes::records(field, text)).transpose()?;
    }
    let told = naming::is_of(&cx.mount.uuid, &account.text) && role.place(&name).is_some();
    if !account.unique && crate::dynamic::is_made(&cx, &account.text).await? {
        return Err(Error::invalid(format!(
            "there is an account {:?} already: let username_template draw by chance",
            account.text
        )));
    }
    let plan = AccountPlan {
        role: name,
        password: Some(password),
        creation: Some(creation),
        rollback,
        deletion,
        names: made.into_iter().map(|record| record.dn).collect(),
        unique: account.unique,
        told,
        id: passwords::letters(20),
    };
    let data = serde_json::to_value(Plan::Account(plan))?;
    let grant = Grant { target: TARGET.to_owned(), name: account.text, data, revocable: true };
    Ok(Reply::issue(Issue { grant, terms: role.terms(), ttl: None, renewable: true }))
}
