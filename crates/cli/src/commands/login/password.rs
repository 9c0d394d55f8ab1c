//! Methods that check a name and a password, and those that need one secret.

use lessor_client::Request;
use serde_json::{Map, Value};

use super::methods::Login;
use crate::context::Ctx;
use crate::failure::Failure;

const WHAT: &str = "Error authenticating";

/// `auth/<mount>/login/<username>` with a password.
pub fn userpass(ctx: &mut Ctx, mount: String, data: Map<String, Value>) -> Login<'_> {
    Box::pin(with_password(ctx, mount, data, None, None))
}

/// The same; the name of the person at the terminal and `VAULT_LDAP_PASSWORD` fill in.
pub fn ldap(ctx: &mut Ctx, mount: String, data: Map<String, Value>) -> Login<'_> {
    let name = ctx.env.plain("LOGNAME").or_else(|| ctx.env.plain("USER")).map(str::to_owned);
    let password = ctx.env.get("LDAP_PASSWORD").map(str::to_owned);
    Box::pin(with_password(ctx, mount, data, name, password))
}

async fn with_password(
    ctx: &mut Ctx,
    mount: String,
    mut data: Map<String, Value>,
    default_name: Option<String>,
    default_password: Option<String>,
) -> Result<Value, Failure> {
    let given = data.remove("username").and_then(|name| name.as_str().map(str::to_owned));
    let Some(name) = given.or(default_name).filter(|name| !name.is_empty()) else {
        return Err(Failure::remote(format!("{WHAT}: 'username' must be specified")));
    };
    if !data.contains_key("password") {
        let password = match default_password {
            Some(password) => password,
            None => ctx.io.ask("Password (will be hidden): ")?,
        };
        data.insert("password".into(), Value::String(password));
    }
    ctx.expect(WHAT, Request::put(&format!("auth/{mount}/login/{name}"), Value::Object(data))).await
}

/// A personal access token, from `token=`, `VAULT_AUTH_GITHUB_TOKEN` or the terminal.
pub fn github(ctx: &mut Ctx, mount: String, mut data: Map<String, Value>) -> Login<'_> {
    Box::pin(async move {
        if !data.contains_key("token") {
            let token = match ctx.env.get("AUTH_GITHUB_TOKEN").map(str::to_owned) {
                Some(token) => token,
                None => ctx.io.ask("GitHub Personal Access Token (will be hidden): ")?,
            };
            data.insert("token".into(), Value::String(token));
        }
        plain(ctx, &mount, data).await
    })
}

/// The client certificate of the connection; `name=` picks one certificate role.
pub fn cert(ctx: &mut Ctx, mount: String, data: Map<String, Value>) -> Login<'_> {
    Box::pin(async move {
        if ctx.config().tls.client_cert.is_none() {
            return Err(Failure::local(format!("{WHAT}: -client-cert and -client-key must be given")));
        }
        plain(ctx, &mount, data).await
    })
}

async fn plain(ctx: &mut Ctx, mount: &str, data: Map<String, Value>) -> Result<Value, Failure> {
    ctx.expect(WHAT, Request::put(&format!("auth/{mount}/login"), Value::Object(data))).await
}
