//! What operators do with ACME: keys for bindings, and looking after accounts.
use super::jws::encode;
use super::session::Asked;
use super::store::{
    ACCOUNTS, Account, EABS, EabKey, Identifier, Order, account_at, eab_at, order_at, orders_at, thumb_at,
};
use crate::Engine;
use crate::acme::jws::Jwk;
use crate::encode::rfc3339;
use crate::roles::Page;
use crate::tidy::Options;
use aws_lc_rs::rand;
use lessor_engine::{Changes, Context, Error, Params, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Params)]
pub(crate) struct KeyId {
    /// Id of the key.
    key_id: String,
}

#[derive(Params)]
pub(crate) struct AccountId {
    /// Id of the account.
    keyid: String,
}

#[derive(Params)]
pub(crate) struct SetStatus {
    /// Id of the account.
    keyid: String,
    /// revoked or valid.
    status: String,
}

#[derive(Params)]
pub(crate) struct NewEab {
    /// Reference (name or id) to the issuer.
    issuer_ref: String,
    /// Name of the role.
    role: String,
}

fn directory(asked: &NewEab) -> String {
    match (asked.issuer_ref.as_str(), asked.role.as_str()) {
        ("", "") => "acme".to_owned(),
        ("", role) => format!("roles/{role}/acme"),
        (issuer, "") => format!("issuer/{issuer}/acme"),
        (issuer, role) => format!("issuer/{issuer}/roles/{role}/acme"),
    }
}

pub(crate) async fn new_eab(_: Arc<Engine>, cx: Context, asked: NewEab) -> Result<Reply> {
    let mut bytes = zeroize::Zeroizing::new(b"vault-eab-0-".to_vec());
    let mut chance = zeroize::Zeroizing::new([0; 32]);
    rand::fill(chance.as_mut()).map_err(|_| Error::Internal("the system gives no randomness".to_owned()))?;
    bytes.extend_from_slice(chance.as_ref());
    let key = EabKey {
        id: crate::ca::new_id(),
        key: Secret::new(encode(&bytes)),
        directory: directory(&asked),
        created: cx.now().as_second(),
    };
    cx.view.put(&eab_at(&key.id), &key).await?;
    Ok(Reply::data(json!({
        "acme_directory": format!("{}/directory", key.directory),
        "created_on": rfc3339(key.created),
        "id": key.id,
        "key": key.key.expose(),
        "key_type": "hs",
    })))
}

pub(crate) async fn list_eabs(_: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    let ids = page.of(cx.view.list(EABS).await?);
    if ids.is_empty() {
        return Ok(Reply::missing());
    }
    let mut info = Map::new();
    for id in &ids {
        if let Some(key) = cx.view.get::<EabKey>(&eab_at(id)).await? {
            let about = json!({
                "acme_directory": format!("{}/directory", key.directory),
                "created_on": rfc3339(key.created),
                "key_type": "hs",
            });
            info.insert(id.clone(), about);
        }
    }
    Ok(Reply::data(json!({ "key_info": info, "keys": ids })))
}

pub(crate) async fn delete_eab(_: Arc<Engine>, cx: Context, at: KeyId) -> Result<Reply> {
    if uuid::Uuid::parse_str(&at.key_id).is_err() {
        return Ok(Reply::missing());
    }
    if cx.view.version(&eab_at(&at.key_id)).await?.is_none() {
        return Ok(Reply::empty().warn(format!("No key id found with id: {}", at.key_id)));
    }
    cx.view.delete(&eab_at(&at.key_id)).await?;
    Ok(Reply::empty())
}

pub(crate) async fn list_accounts(_: Arc<Engine>, cx: Context, page: Page) -> Result<Reply> {
    Ok(Reply::list(page.of(cx.view.list(ACCOUNTS).await?)))
}

async fn show(cx: &Context, account: &Account) -> Result<Value> {
    let mut orders = Vec::new();
    for id in cx.view.list(&orders_at(&account.id)).await? {
        let Some(order) = cx.view.get::<Order>(&order_at(&account.id, &id)).await? else { continue };
        let time = |at: i64| if at > 0 { rfc3339(at) } else { String::new() };
        orders.push(json!({
            "cert_expiry": time(order.cert_expires),
            "cert_serial_number": crate::issue::serial_text(&order.serial),
            "identifiers": order.identifiers.iter().map(Identifier::name).collect::<Vec<_>>(),
            "order_expiry": time(order.expires),
            "order_id": order.id,
            "status": order.status,
        }));
    }
    let eab = account.eab.as_ref().map(|eab| {
        json!({
            "created_time": rfc3339(eab.created),
            "directory": eab.directory,
            "eab_id": eab.id,
            "key_type": "hs",
        })
    });
    Ok(json!({
        "contacts": account.contacts,
        "created_time": rfc3339(account.created),
        "directory": account.directory,
        "eab": eab,
        "key_id": account.id,
        "orders": orders,
        "revoked_time": if account.ended > 0 { rfc3339(account.ended) } else { String::new() },
        "status": account.status,
    }))
}

pub(crate) async fn read_account(_: Arc<Engine>, cx: Context, at: AccountId) -> Result<Reply> {
    match cx.view.get::<Account>(&account_at(&at.keyid)).await? {
        Some(account) => Ok(Reply::data(show(&cx, &account).await?)),
        None => Ok(Reply::missing()),
    }
}

pub(crate) async fn set_status(_: Arc<Engine>, cx: Context, asked: SetStatus) -> Result<Reply> {
    let Some(mut account) = cx.view.get::<Account>(&account_at(&asked.keyid)).await? else {
        return Ok(Reply::missing());
    };
    match asked.status.as_str() {
        "revoked" => {
            account.ended = if account.status == "valid" { cx.now().as_second() } else { account.ended };
            "revoked".clone_into(&mut account.status);
        }
        "valid" => {
            account.ended = 0;
            "valid".clone_into(&mut account.status);
        }
        other => return Err(Error::invalid(format!("invalid status {other:?}: use revoked or valid"))),
    }
    cx.view.put(&account_at(&account.id), &account).await?;
    Ok(Reply::data(show(&cx, &account).await?))
}

impl Engine {
    /// Throws away orders that are over, accounts that nobody uses, and keys nobody took.
    pub(crate) async fn tidy_acme(&self, cx: &Context, options: &Options) -> Result<()> {
        let now = cx.now().as_second();
        let buffer = options.acme_account_safety_buffer;
        for id in cx.view.list(ACCOUNTS).await? {
            let Some(mut account) = cx.view.get::<Account>(&account_at(&id)).await? else { continue };
            let mut left = 0;
            let mut deleted = 0;
            for order_id in cx.view.list(&orders_at(&id)).await? {
                let Some(order) = cx.view.get::<Order>(&order_at(&id, &order_id)).await? else { continue };
                let end = if order.cert_expires > 0 { order.cert_expires } else { order.expires };
                if end.saturating_add(options.safety_buffer) >= now {
                    left += 1;
                    continue;
                }
                let changes =
                    Changes::new().delete(&order_at(&id, &order_id)).delete(&super::store::issued_at(&order.serial));
                let gone =
                    order.authorizations.iter().map(|authorization| super::store::authorization_at(&id, authorization));
                cx.view.commit(gone.fold(changes, |changes, at| changes.delete(&at))).await?;
                deleted += 1;
            }
            let (mut ended, mut dropped) = (0, 0);
            if left == 0 && account.status == "valid" && account.created.saturating_add(buffer) < now {
                "revoked".clone_into(&mut account.status);
                account.ended = now;
                cx.view.put(&account_at(&id), &account).await?;
                ended = 1;
            } else if left == 0 && account.status != "valid" && account.ended.saturating_add(buffer) < now {
                let thumb =
                    Jwk::read(&Value::Object(account.jwk.clone())).map(|key| key.thumbprint()).unwrap_or_default();
                let changes = Changes::new().delete(&account_at(&id));
                cx.view.commit(changes.delete(&thumb_at(&account.directory, &thumb))).await?;
                dropped = 1;
            }
            self.tidy.count_acme(1, dropped, ended, deleted);
        }
        for id in cx.view.list(EABS).await? {
            let key: Option<EabKey> = cx.view.get(&eab_at(&id)).await?;
            if key.is_some_and(|key| key.created.saturating_add(buffer) < now) {
                cx.view.delete(&eab_at(&id)).await?;
            }
        }
        Ok(())
    }
}

/// `directory` and `new-nonce`.
pub(crate) async fn show_directory(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    let directory = match engine.directory(&cx, &asked).await {
        Ok(directory) => directory,
        Err(fault) => return engine.acme_answer(&cx, None, Err(fault)).await,
    };
    let base = &directory.base;
    let needed = directory.ca.record.acme.eab() != super::config::Eab::NotRequired;
    let body = json!({
        "keyChange": format!("{base}/key-change"),
        "meta": { "externalAccountRequired": needed },
        "newAccount": format!("{base}/new-account"),
        "newNonce": format!("{base}/new-nonce"),
        "newOrder": format!("{base}/new-order"),
        "revokeCert": format!("{base}/revoke-cert"),
    });
    Ok(Reply::raw("application/json", serde_json::to_vec(&body)?))
}

pub(crate) async fn new_nonce(engine: Arc<Engine>, cx: Context, asked: Asked) -> Result<Reply> {
    let directory = match engine.directory(&cx, &asked).await {
        Ok(directory) => directory,
        Err(fault) => return engine.acme_answer(&cx, None, Err(fault)).await,
    };
    let reply = Reply::empty().header("cache-control", "no-store");
    engine.acme_answer(&cx, Some(&directory.base), Ok(reply)).await
}
