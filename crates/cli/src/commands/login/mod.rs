//! `login`: one way a file; this file stores and prints what they give.

mod aws;
mod methods;
mod oidc;
mod password;
mod token;

use lessor_client::{Request, Token};
use serde_json::{Value, json};

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::{lookup_field, wrap};
use crate::token_store::TokenStore;

pub use methods::{METHODS, Method};

pub static COMMAND: Command = Command {
    name: "login",
    usage: "[TOKEN | key=value ...]",
    about: "Authenticate and store the token. Without -method a token is checked; \"lessor auth help <method>\" lists the key=value pairs of the other methods.",
    example: "lessor login -method=userpass username=alice",
    flags: &[
        flag(
            "method",
            Kind::Text,
            "token, userpass, ldap, oidc, cert, github, aws, radius or okta; token when not given.",
        ),
        flag("path", Kind::Text, "Where the auth method is mounted, when not at its name."),
        flag("field", Kind::Text, "Print only this field."),
        flag("no-print", Kind::Bool, "Store the token without printing it."),
        flag("no-store", Kind::Bool, "Print the token without storing it."),
        flag("token-only", Kind::Bool, "Print nothing but the token and do not store it."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let token_only = args.is("token-only");
    let store = !args.is("no-store") && !token_only;
    let secret = authenticate(ctx, args).await?;
    let secret = match secret["wrap_info"]["token"].as_str() {
        Some(wrapping) if store => unwrap(ctx, wrapping).await?,
        _ => secret,
    };
    if token_only {
        return print_token(ctx, &secret);
    }
    if secret["wrap_info"].is_object() {
        return ctx.show_secret_or_field(&secret, args.text("field"));
    }
    let Some(token) = secret["auth"]["client_token"].as_str().filter(|token| !token.is_empty()) else {
        // A second factor is asked for: the answer says which.
        ctx.show_secret(&secret);
        return Ok(0);
    };
    if store {
        keep(ctx, token).await?;
    } else if ctx.is_table() && args.text("field").is_none() {
        let text = "The token was not stored in token helper. Set the VAULT_TOKEN environment variable or pass the token below with each request to Vault.";
        ctx.warn(&format!("{}\n", wrap(text, 78)));
    }
    if let Some(field) = args.text("field") {
        return ctx.show_field(&secret, field);
    }
    if args.is("no-print") {
        return Ok(0);
    }
    if ctx.is_table() {
        let program = ctx.program.clone();
        ctx.say(&format!(
            "Success! You are now authenticated. The token information displayed below is\nalready stored in the token helper. You do NOT need to run \"{program} login\" again.\nFuture Vault requests will automatically use this token.\n"
        ));
    }
    ctx.show_secret(&secret);
    Ok(0)
}

async fn authenticate(ctx: &mut Ctx, args: &Args) -> Result<Value, Failure> {
    let name = args.text("method").unwrap_or("token").to_lowercase();
    if name == "token" {
        return token::login(ctx, args).await;
    }
    let Some(method) = METHODS.iter().find(|method| method.name == name) else {
        let text = format!(
            "Unknown auth method: {name}. Use \"{} auth list\" to see the complete list of auth methods. Additionally, some auth methods are only available via the HTTP API.",
            ctx.program
        );
        return Err(Failure::local(wrap(&text, 78))
            .hint(format!("\"lessor write auth/{name}/login ...\" logs in over the HTTP API")));
    };
    let mut data =
        ctx.parse_pairs(&args.rest).map_err(|why| Failure::local(format!("Error parsing configuration: {why}")))?;
    let given = data.remove("mount").and_then(|mount| mount.as_str().map(str::to_owned));
    let mount = clean(given.as_deref().or(args.text("path")).unwrap_or(method.name));
    let mount = mount.strip_prefix("auth/").unwrap_or(&mount).to_owned();
    // A login is anonymous: an old token could only make it fail.
    ctx.set_token(None);
    (method.login)(ctx, mount, data).await
}

async fn unwrap(ctx: &mut Ctx, wrapping: &str) -> Result<Value, Failure> {
    ctx.take_wrap_ttl();
    let request = Request::put("sys/wrapping/unwrap", Value::Null).token(Token::new(wrapping));
    ctx.expect("Error unwrapping token", request).await
}

fn print_token(ctx: &mut Ctx, secret: &Value) -> Outcome {
    let field = if secret["wrap_info"].is_object() { "wrapping_token" } else { "token" };
    match lookup_field(secret, field) {
        Some(token) => {
            ctx.io.raw(token.as_str().unwrap_or_default().as_bytes());
            Ok(0)
        }
        None => Err(Failure::remote("The server answered without a token")),
    }
}

async fn keep(ctx: &mut Ctx, token: &str) -> Result<(), Failure> {
    let store = TokenStore::find(&ctx.env).map_err(Failure::local)?;
    store.store(&Token::new(token)).await.map_err(|error| Failure::local(format!("Error storing token: {error}")))?;
    if let Some(name) = ctx.env.source("TOKEN") {
        let text = format!(
            "WARNING! The {name} environment variable is set! The value of this variable will take precedence; if this is unwanted please unset {name} or update its value accordingly."
        );
        ctx.warn(&format!("{}\n", wrap(&text, 78)));
    }
    Ok(())
}

/// What a login through the API answers, told from a token's own data.
fn secret_of(token: &Token, data: &Value) -> Value {
    json!({
        "request_id": "",
        "auth": {
            "client_token": token.expose(),
            "accessor": data["accessor"],
            "policies": merged_policies(data),
            "token_policies": data["policies"],
            "identity_policies": data["identity_policies"],
            "metadata": data["meta"],
            "lease_duration": data["ttl"].as_i64().unwrap_or(0),
            "renewable": data["renewable"].as_bool().unwrap_or(false),
        },
    })
}

fn merged_policies(data: &Value) -> Value {
    let mut all: Vec<String> = ["policies", "identity_policies"]
        .iter()
        .flat_map(|key| data[*key].as_array().into_iter().flatten())
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    all.sort_unstable();
    all.dedup();
    json!(all)
}
