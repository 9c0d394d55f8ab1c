//! `sys/capabilities` and its kin, and `sys/internal/ui/resultant-acl`.
use super::System;
use crate::policy::{Acl, Permissions};
use crate::token::Token;
use lessor_engine::{CommaList, Context, Error, Params, Paths, Reply, Result, Secret};
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn declare(paths: Paths<System>) -> Paths<System> {
    paths
        .path("capabilities", "Shows what a token may do.", |path| path.write(of_token))
        .path("capabilities-accessor", "Shows what the token of an accessor may do.", |path| path.write(of_accessor))
        .path("capabilities-self", "Shows what the caller may do.", |path| path.write(of_caller))
        .path("internal/ui/resultant-acl", "Shows every rule that holds for the caller.", |path| path.read(resultant))
}

#[derive(Params)]
struct Asked {
    /// The token; the caller's own counts at `capabilities-self`.
    #[param(secret)]
    token: Secret,
    /// The token's accessor.
    accessor: String,
    /// Paths to tell about.
    paths: CommaList,
    /// Legacy name of `paths`.
    path: CommaList,
}

async fn of_token(system: Arc<System>, cx: Context, asked: Asked) -> Result<Reply> {
    if asked.token.is_empty() {
        return Err(Error::invalid("no token found"));
    }
    let active = system.active()?;
    let found = active.tokens.find(asked.token.expose(), active.now()).await?;
    let found = found.ok_or_else(|| Error::invalid("invalid token"))?;
    answer(&system, &cx, &found.token, &asked).await
}

async fn of_accessor(system: Arc<System>, cx: Context, asked: Asked) -> Result<Reply> {
    if asked.accessor.is_empty() {
        return Err(Error::invalid("missing accessor"));
    }
    let active = system.active()?;
    let found = active.tokens.by_accessor(&asked.accessor, active.now()).await?;
    let (token, _) = found.ok_or_else(|| Error::invalid("invalid accessor"))?;
    answer(&system, &cx, &token, &asked).await
}

async fn of_caller(system: Arc<System>, cx: Context, asked: Asked) -> Result<Reply> {
    let token = system.caller(&cx).await?;
    answer(&system, &cx, &token, &asked).await
}

async fn answer(system: &System, cx: &Context, token: &Token, asked: &Asked) -> Result<Reply> {
    let paths = if asked.paths.is_empty() { &asked.path } else { &asked.paths };
    if paths.is_empty() {
        return Err(Error::invalid("paths must be supplied"));
    }
    let active = system.active()?;
    let subject = match token.entity_id.as_str() {
        "" => None,
        entity => active.identity.subject(&token.namespace, entity).await?,
    };
    let acl = active.acl(token, subject.as_deref()).await?;
    let mut data = Map::new();
    for path in paths.iter() {
        let whole = format!("{}{}", cx.namespace, path.trim_start_matches('/'));
        let granted = json!(acl.capabilities(&whole));
        if paths.len() == 1 {
            data.insert("capabilities".to_owned(), granted.clone());
        }
        data.insert(path.clone(), granted);
    }
    Ok(Reply::data(data.into()))
}

async fn resultant(system: Arc<System>, cx: Context, (): ()) -> Result<Reply> {
    let acl: Arc<Acl> = system.acl(&cx).await?;
    if acl.root().is_some() {
        return Ok(Reply::data(json!({ "root": true })));
    }
    let shown = |(path, permissions): (String, &Permissions)| (path, show(permissions));
    let exact: Map<String, Value> = acl.exact().map(shown).collect();
    let globs: Map<String, Value> = acl.globs().map(shown).collect();
    Ok(Reply::data(json!({ "root": false, "exact_paths": exact, "glob_paths": globs })))
}

fn show(permissions: &Permissions) -> Value {
    let mut shown = Map::from_iter([("capabilities".to_owned(), json!(permissions.capabilities.words()))]);
    for (name, bound) in
        [("min_wrapping_ttl", permissions.min_wrapping), ("max_wrapping_ttl", permissions.max_wrapping)]
    {
        if let Some(bound) = bound {
            shown.insert(name.to_owned(), json!(bound.as_secs()));
        }
    }
    for (name, parameters) in [("allowed_parameters", &permissions.allowed), ("denied_parameters", &permissions.denied)]
    {
        if !parameters.is_empty() {
            shown.insert(name.to_owned(), parameters.shown());
        }
    }
    if !permissions.required.is_empty() {
        shown.insert("required_parameters".to_owned(), json!(permissions.required));
    }
    Value::Object(shown)
}
