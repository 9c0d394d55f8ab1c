//! Values the shell may offer, asked from the server where it has to know them.

use std::time::Duration;

use lessor_client::Request;
use serde_json::Value;

use crate::commands::login::METHODS;
use crate::context::Ctx;

/// A person waits for the list: a server that does not answer soon is not asked further.
const LIMIT: Duration = Duration::from_secs(2);

/// What a flag takes.
pub async fn of_flag(ctx: &mut Ctx, name: &str, _given: &str) -> Vec<String> {
    let fixed: &[&str] = match name {
        "format" => &["table", "json", "yaml", "pretty", "raw"],
        "log-level" => &["trace", "debug", "info", "warn", "error"],
        "log-format" => &["standard", "json"],
        "target" => &["barrier", "recovery"],
        "type" => &["service", "batch"],
        "method" => {
            let names = METHODS.iter().map(|method| method.name.to_owned());
            return names.chain(["token".to_owned()]).collect();
        }
        "mount" => return mounts(ctx, "secret").await,
        "policy" => return keys(ctx, "sys/policies/acl").await,
        _ => &[],
    };
    fixed.iter().map(|text| (*text).to_owned()).collect()
}

/// What stands at a position behind a command, the first being 0.
pub async fn of_argument(ctx: &mut Ctx, command: &str, position: usize, given: &str) -> Vec<String> {
    match (command, position) {
        ("read" | "write" | "patch" | "delete" | "list" | "path-help", 0) => paths(ctx, given).await,
        ("token capabilities", 0 | 1) => paths(ctx, given).await,
        ("kv enable-versioning" | "secrets disable" | "secrets tune" | "secrets move" | "reconcile", 0) => {
            mounts(ctx, "secret").await
        }
        (name, 0) if name.starts_with("kv ") => kv_paths(ctx, given).await,
        ("auth disable" | "auth tune" | "auth help", 0) => mounts(ctx, "auth").await,
        ("auth move", 0) => mounts(ctx, "auth").await.iter().map(|path| format!("auth/{path}")).collect(),
        ("policy read" | "policy write" | "policy delete", 0) => keys(ctx, "sys/policies/acl").await,
        ("audit disable", 0) => object_keys(&ask(ctx, Request::get("sys/audit")).await["data"]),
        ("secrets enable", 0) => catalog(ctx, "secret").await,
        ("auth enable", 0) => catalog(ctx, "auth").await,
        ("plugin info" | "plugin register" | "plugin deregister" | "plugin list", 0) => {
            ["auth", "database", "secret"].map(str::to_owned).to_vec()
        }
        (name, 0) if name.starts_with("namespace ") => keys(ctx, "sys/namespaces").await,
        _ => Vec::new(),
    }
}

/// The answer, or null: completion has no place for errors.
async fn ask(ctx: &mut Ctx, request: Request) -> Value {
    match tokio::time::timeout(LIMIT, ctx.probe(request.unwrapped())).await {
        Ok(Ok(Ok(response))) => response.json.unwrap_or_default(),
        _ => Value::Null,
    }
}

fn object_keys(value: &Value) -> Vec<String> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

async fn keys(ctx: &mut Ctx, path: &str) -> Vec<String> {
    let answer = ask(ctx, Request::list(path)).await;
    let keys = answer["data"]["keys"].as_array().into_iter().flatten();
    keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()
}

async fn mounts(ctx: &mut Ctx, class: &str) -> Vec<String> {
    let answer = ask(ctx, Request::get("sys/internal/ui/mounts")).await;
    object_keys(&answer["data"][class])
}

async fn catalog(ctx: &mut Ctx, kind: &str) -> Vec<String> {
    let answer = ask(ctx, Request::get("sys/plugins/catalog")).await;
    let names = answer["data"][kind].as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// The folder a path lies in, with its slash.
fn folder(given: &str) -> Option<&str> {
    given.rfind('/').and_then(|at| given.get(..=at))
}

/// Mounts first, then what each folder lists.
async fn paths(ctx: &mut Ctx, given: &str) -> Vec<String> {
    match folder(given) {
        None => {
            let auth = mounts(ctx, "auth").await.into_iter().map(|path| format!("auth/{path}"));
            let mut all: Vec<String> = auth.chain(["sys/".to_owned()]).collect();
            all.extend(mounts(ctx, "secret").await);
            all
        }
        Some("auth/") => mounts(ctx, "auth").await.into_iter().map(|path| format!("auth/{path}")).collect(),
        Some(folder) => {
            let below = keys(ctx, folder.trim_end_matches('/')).await;
            below.into_iter().map(|key| format!("{folder}{key}")).collect()
        }
    }
}

/// As [`paths`], without the `metadata/` that versioned mounts list their secrets below.
async fn kv_paths(ctx: &mut Ctx, given: &str) -> Vec<String> {
    let Some(folder) = folder(given) else { return mounts(ctx, "secret").await };
    let at = format!("sys/internal/ui/mounts/{}", folder.trim_end_matches('/'));
    let mount = ask(ctx, Request::get(&at)).await;
    let listed = match (mount["data"]["path"].as_str(), mount["data"]["options"]["version"].as_str()) {
        (Some(mount), Some("2")) => {
            format!("{mount}metadata/{}", folder.strip_prefix(mount).unwrap_or_default())
        }
        _ => folder.to_owned(),
    };
    let below = keys(ctx, listed.trim_end_matches('/')).await;
    below.into_iter().map(|key| format!("{folder}{key}")).collect()
}
