//! Accounts: made, looked up, changed, ended.
use super::config::Eab;
use super::jws::{Jwk, Signed};
use super::problem::{Outcome, malformed, problem, refuse};
use super::session::{Asked, Session, json_reply};
use super::store::{Account, Binding, EabKey, account_at, eab_at, orders_at, thumb_at};
use crate::Engine;
use lessor_engine::{Changes, Context, Error, Reply, Result};
use serde_json::{Value, json};
use std::sync::Arc;

fn show(base: &str, account: &Account) -> Value {
    let mut shown = json!({
        "status": account.status,
        "contact": account.contacts,
        "termsOfServiceAgreed": account.terms_agreed,
        "orders": format!("{base}/orders"),
    });
    if let Some(eab) = &account.eab {
        shown["externalAccountBinding"] = eab.shown.clone();
    }
    shown
}

fn location(base: &str, account: &Account) -> String {
    format!("{base}/account/{}", account.id)
}

fn contacts(session: &Session) -> Outcome<Option<Vec<String>>> {
    let Some(given) = session.body.as_ref().and_then(|body| body.get("contact")) else { return Ok(None) };
    let list = given.as_array().ok_or_else(|| malformed("contact has to be a list of URLs"))?;
    let mut all = Vec::new();
    for contact in list {
        let text = contact.as_str().ok_or_else(|| malformed("contact has to be a list of URLs"))?;
        let Some(address) = text.strip_prefix("mailto:") else {
            return refuse("unsupportedContact", format!("the contact {text:?} is no mailto: URL"));
        };
        let fine = address.split_once('@').is_some_and(|(who, host)| {
            !who.is_empty() && crate::names::is_host_name(host) && !address.contains([',', '?', ' '])
        });
        if !fine {
            return refuse("invalidContact", format!("the contact {text:?} is no single e-mail address"));
        }
        all.push(text.to_owned());
    }
    Ok(Some(all))
}

impl Engine {
    async fn account_of_key(&self, cx: &Context, directory: &str, thumbprint: &str) -> Result<Option<Account>> {
        match cx.view.get::<String>(&thumb_at(directory, thumbprint)).await? {
            Some(id) => cx.view.get(&account_at(&id)).await,
            None => Ok(None),
        }
    }

    /// Checks the binding to an external account; `None` where none is needed and none is given.
    async fn binding(&self, cx: &Context, session: &Session) -> Outcome<Option<(Binding, EabKey)>> {
        let given = session.body.as_ref().and_then(|body| body.get("externalAccountBinding"));
        let policy = session.directory.ca.record.acme.eab();
        let Some(given) = given.filter(|given| !given.is_null()) else {
            if policy == Eab::NotRequired {
                return Ok(None);
            }
            return refuse("externalAccountRequired", "an external account binding is needed: get a key at new-eab");
        };
        let signed = Signed::of(given).ok_or_else(|| malformed("externalAccountBinding is no flattened JWS"))?;
        let header = signed.header()?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        let outer = session.header.get("url").and_then(Value::as_str).unwrap_or_default();
        if text("url") != outer {
            return refuse("malformed", "the url of the binding is not that of the request");
        }
        let bound = signed.body()?.ok_or_else(|| malformed("the binding has no payload"))?;
        if Jwk::read(&Value::Object(bound))?.thumbprint() != session.key.thumbprint() {
            return refuse("malformed", "the binding is of another key than the account's");
        }
        let unknown =
            || problem("unauthorized", "the binding's key is not known, was used, or is for another directory");
        let id = text("kid");
        if id.is_empty() || id.contains('/') {
            return Err(unknown().into());
        }
        let key: Option<EabKey> = cx.view.get(&eab_at(id)).await?;
        let key = key.filter(|key| key.directory == session.directory.path).ok_or_else(unknown)?;
        let bytes = super::jws::decode(key.key.expose()).ok_or_else(unknown)?;
        signed.verify_mac(text("alg"), &bytes)?;
        let binding = Binding {
            id: key.id.clone(),
            directory: key.directory.clone(),
            created: key.created,
            shown: given.clone(),
        };
        Ok(Some((binding, key)))
    }

    async fn new_account_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        if session.account.is_some() {
            return refuse("malformed", "a new account is asked for with jwk, not kid");
        }
        let (base, path) = (&session.directory.base, &session.directory.path);
        let thumbprint = session.key.thumbprint();
        if let Some(known) = self.account_of_key(cx, path, &thumbprint).await? {
            if known.status != "valid" {
                return refuse("unauthorized", format!("the account of this key is {}", known.status));
            }
            return Ok(json_reply(200, &show(base, &known))?.header("location", location(base, &known)));
        }
        let flag = |name: &str| session.body.as_ref().and_then(|body| body.get(name)).and_then(Value::as_bool);
        if flag("onlyReturnExisting") == Some(true) {
            return refuse("accountDoesNotExist", "there is no account of this key");
        }
        let contacts = contacts(&session)?.unwrap_or_default();
        let binding = self.binding(cx, &session).await?;
        let account = Account {
            id: crate::ca::new_id(),
            status: "valid".to_owned(),
            contacts,
            terms_agreed: flag("termsOfServiceAgreed").unwrap_or_default(),
            jwk: session.key.members.clone(),
            directory: path.clone(),
            created: cx.now().as_second(),
            ended: 0,
            eab: binding.as_ref().map(|(binding, _)| binding.clone()),
        };
        let at = thumb_at(path, &thumbprint);
        let mut changes =
            Changes::new().expect(&at, None).put(&at, &account.id)?.put(&account_at(&account.id), &account)?;
        if let Some((_, key)) = &binding {
            // Used with the account or not at all; of two that race for it, one gets it.
            let at = eab_at(&key.id);
            let version = cx.view.version(&at).await?;
            let version = version.ok_or_else(|| problem("unauthorized", "the binding's key was used"))?;
            changes = changes.expect(&at, Some(version)).delete(&at);
        }
        match cx.view.commit(changes).await {
            Ok(()) => {}
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => {
                // Another request of this key, or for this binding, was first.
                let known = self.account_of_key(cx, path, &thumbprint).await?;
                let known = known.ok_or_else(|| problem("unauthorized", "the binding's key was used"))?;
                return Ok(json_reply(200, &show(base, &known))?.header("location", location(base, &known)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(json_reply(201, &show(base, &account))?.header("location", location(base, &account)))
    }

    async fn account_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let account = session.account()?;
        if account.id != asked.kid {
            return refuse("unauthorized", "the request is signed by another account");
        }
        let mut account = account.clone();
        if session.body.is_some() {
            if let Some(contacts) = contacts(&session)? {
                account.contacts = contacts;
            }
            match session.text("status") {
                "" | "valid" => {}
                "deactivated" => {
                    "deactivated".clone_into(&mut account.status);
                    account.ended = cx.now().as_second();
                }
                other => return refuse("malformed", format!("an account cannot be made {other:?}")),
            }
            cx.view.put(&account_at(&account.id), &account).await?;
        }
        let base = &session.directory.base;
        Ok(json_reply(200, &show(base, &account))?.header("location", location(base, &account)))
    }

    async fn key_change_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let account = session.account()?;
        let base = &session.directory.base;
        let inner = session.body.clone().map(Value::Object).and_then(|body| Signed::of(&body));
        let inner = inner.ok_or_else(|| malformed("the payload is no flattened JWS signed by the new key"))?;
        let header = inner.header()?;
        let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        let new = Jwk::read(header.get("jwk").unwrap_or(&Value::Null))?;
        new.verify(text("alg"), &inner)?;
        if text("url") != session.header.get("url").and_then(Value::as_str).unwrap_or_default() {
            return refuse("malformed", "inner and outer url differ");
        }
        let body = inner.body()?.ok_or_else(|| malformed("the inner payload is empty"))?;
        if body.get("account").and_then(Value::as_str) != Some(location(base, account).as_str()) {
            return refuse("malformed", "the inner payload names another account");
        }
        let old = Jwk::read(body.get("oldKey").unwrap_or(&Value::Null))?;
        if old.thumbprint() != session.key.thumbprint() {
            return refuse("malformed", "oldKey is not the account's key");
        }
        let directory = &session.directory.path;
        let (old_at, new_at) = (thumb_at(directory, &old.thumbprint()), thumb_at(directory, &new.thumbprint()));
        if let Some(other) = self.account_of_key(cx, directory, &new.thumbprint()).await? {
            let reply = json_reply(409, &problem("malformed", "the new key is another account's").show())?;
            return Ok(reply.header("location", location(base, &other)));
        }
        let changed = Account { jwk: new.members, ..account.clone() };
        let changes = Changes::new().expect(&new_at, None).put(&new_at, &changed.id)?;
        cx.view.commit(changes.delete(&old_at).put(&account_at(&changed.id), &changed)?).await?;
        json_reply(200, &show(base, &changed))
    }

    async fn orders_reply(&self, cx: &Context, asked: &Asked) -> Outcome<Reply> {
        let session = self.session(cx, asked).await?;
        let account = session.account()?;
        let ids = cx.view.list(&orders_at(&account.id)).await?;
        let orders: Vec<String> = ids.iter().map(|id| format!("{}/order/{id}", session.directory.base)).collect();
        json_reply(200, &json!({ "orders": orders }))
    }
}

/// Declares a handler around a method that answers.
macro_rules! handlers {
    ($($name:ident => $method:ident;)*) => { $(
        pub(crate) async fn $name(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
            let base = engine.directory(&cx, &asked).await.ok().map(|directory| directory.base);
            let done = engine.$method(&cx, &asked).await;
            engine.acme_answer(&cx, base.as_deref(), done).await
        }
    )* };
}
pub(crate) use handlers;

handlers! {
    new_account => new_account_reply;
    account => account_reply;
    key_change => key_change_reply;
    orders => orders_reply;
}
