use lessor_client::{Request, Token};
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, flag};
use crate::output::lookup_field;
use crate::token_store::TokenStore;

pub static COMMAND: Command = Command {
    name: "login",
    usage: "[TOKEN | key=value ...]",
    about: "Authenticate and store the token. Without -method a token is checked; other methods send their key=value pairs to auth/<path>/login.",
    example: "lessor login -method=userpass username=alice",
    flags: &[
        flag("method", Kind::Text, "Auth method, token when not given."),
        flag("path", Kind::Text, "Where the auth method is mounted, when not at its name."),
        flag("field", Kind::Text, "Print only this field."),
        flag("no-print", Kind::Bool, "Store the token without printing it."),
        flag("no-store", Kind::Bool, "Print the token without storing it."),
        flag("token-only", Kind::Bool, "Print nothing but the token and do not store it."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    let method = args.text("method").unwrap_or("token").to_lowercase();
    let token_only = args.is("token-only");
    let keep = !args.is("no-store") && !token_only;
    let wrapped = ctx.config().wrap_ttl.is_some();
    let secret = if method == "token" {
        ctx.take_wrap_ttl();
        token_login(ctx, args).await?
    } else {
        let secret = method_login(ctx, args, &method).await?;
        match secret["wrap_info"]["token"].as_str() {
            // -token-only with -wrap-ttl hands the wrapping token on.
            Some(wrapping) if !(token_only && wrapped) => unwrap(ctx, wrapping).await?,
            _ => secret,
        }
    };
    if token_only {
        let field = if secret["wrap_info"].is_object() { "wrapping_token" } else { "token" };
        return match lookup_field(&secret, field) {
            Some(token) => {
                ctx.io.raw(token.as_str().unwrap_or_default().as_bytes());
                Ok(0)
            }
            None => Err(Failure::remote("The server answered without a token")),
        };
    }
    let Some(token) = secret["auth"]["client_token"].as_str().filter(|t| !t.is_empty()) else {
        // A second factor is asked for: the answer says which.
        ctx.show_secret(&secret);
        return Ok(0);
    };
    if keep {
        let store = TokenStore::find(&ctx.env).map_err(Failure::local)?;
        store
            .store(&Token::new(token))
            .await
            .map_err(|error| Failure::local(format!("Error storing token: {error}")))?;
        if let Some(name) = ctx.env.source("TOKEN") {
            ctx.warn(&format!(
                "WARNING! The {name} environment variable is set! The value of this variable\nwill take precedence; if this is unwanted please unset {name} or update\nits value accordingly.\n"
            ));
        }
    } else if ctx.is_table() && args.text("field").is_none() {
        ctx.say("The token was not stored in the token helper. Set the VAULT_TOKEN environment\nvariable or pass the token below with each request.\n");
    }
    if let Some(field) = args.text("field") {
        return ctx.show_field(&secret, field);
    }
    if args.is("no-print") {
        return Ok(0);
    }
    if ctx.is_table() {
        if keep {
            ctx.say(&format!(
                "Success! You are now authenticated. The token information displayed below is\nalready stored in the token helper. You do NOT need to run \"{} login\" again.\nFuture requests will automatically use this token.\n",
                ctx.program.clone()
            ));
        } else {
            ctx.say("Success! You are now authenticated. The token information is displayed below.\n");
        }
    }
    ctx.show_secret(&secret);
    Ok(0)
}

async fn token_login(ctx: &mut Ctx, args: &Args) -> Result<Value, Failure> {
    let given = match args.rest.as_slice() {
        [] => None,
        [one] => Some(one.strip_prefix("token=").unwrap_or(one).to_owned()),
        _ => return Err(Failure::local(format!("Too many arguments (expected 0-1, got {})", args.rest.len()))),
    };
    let text = match given.as_deref() {
        Some("-") => ctx.io.read_input()?,
        Some(text) => text.to_owned(),
        None if ctx.io.input_is_terminal && ctx.interactive => ctx.io.ask("Token (will be hidden): ")?,
        None => return Err(Failure::local("Must supply a token: as an argument, or - for stdin")),
    };
    let token = Token::new(&text);
    if token.is_empty() {
        return Err(Failure::local("Error authenticating: a token must be passed to auth"));
    }
    ctx.set_token(Some(token.clone()));
    let request = Request::get("auth/token/lookup-self");
    let answer = ctx.expect("Error authenticating: error looking up token", request).await?;
    let data = &answer["data"];
    Ok(json!({
        "request_id": answer["request_id"],
        "warnings": answer["warnings"],
        "auth": {
            "client_token": token.expose(),
            "accessor": data["accessor"],
            "policies": merge_policies(data),
            "token_policies": data["policies"],
            "identity_policies": data["identity_policies"],
            "metadata": data["meta"],
            "orphan": data["orphan"],
            "entity_id": data["entity_id"],
            "lease_duration": data["ttl"],
            "renewable": data["renewable"].as_bool().unwrap_or(false),
        },
    }))
}

fn merge_policies(data: &Value) -> Value {
    let mut all: Vec<String> = ["policies", "identity_policies"]
        .iter()
        .flat_map(|key| data[*key].as_array().into_iter().flatten())
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    all.sort_unstable();
    all.dedup();
    json!(all)
}

async fn method_login(ctx: &mut Ctx, args: &Args, method: &str) -> Result<Value, Failure> {
    let mut data: Map<String, Value> = ctx.parse_data(&args.rest)?;
    let mount = clean(args.text("path").unwrap_or(method));
    let mount = mount.strip_prefix("auth/").unwrap_or(&mount).to_owned();
    let mut path = format!("auth/{mount}/login");
    if matches!(method, "userpass" | "ldap" | "radius" | "okta") {
        let name = match data.remove("username").and_then(|name| name.as_str().map(str::to_owned)) {
            Some(name) => name,
            None if method == "ldap" => {
                ctx.env.plain("LOGNAME").or_else(|| ctx.env.plain("USER")).unwrap_or_default().to_owned()
            }
            None => String::new(),
        };
        if name.is_empty() {
            return Err(Failure::local(format!("Error authenticating: 'username' must be specified for {method}")));
        }
        if !data.contains_key("password") {
            let known = (method == "ldap").then(|| ctx.env.get("LDAP_PASSWORD")).flatten();
            let password = match known {
                Some(password) => password.to_owned(),
                None => ctx.io.ask("Password (will be hidden): ")?,
            };
            data.insert("password".into(), Value::String(password));
        }
        path = format!("{path}/{name}");
    } else if method == "github"
        && !data.contains_key("token")
        && let Some(token) = ctx.env.get("AUTH_GITHUB_TOKEN")
    {
        data.insert("token".into(), token.into());
    }
    // A login is anonymous: an old token could only make it fail.
    ctx.set_token(None);
    ctx.expect("Error authenticating", Request::put(&path, Value::Object(data))).await
}

async fn unwrap(ctx: &mut Ctx, wrapping: &str) -> Result<Value, Failure> {
    ctx.take_wrap_ttl();
    let request = Request::put("sys/wrapping/unwrap", Value::Null).token(Token::new(wrapping));
    ctx.expect("Error unwrapping token", request).await
}
