use lessor_client::Request;
use serde_json::{Map, Value, json};

use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::duration;
use crate::flags::{Args, Kind, flag};

pub static COMMAND: Command = Command {
    name: "token create",
    usage: "",
    about: "Create a token below the one in use.",
    example: "lessor token create -policy=reader -ttl=1h",
    flags: &[
        flag("id", Kind::Text, "The token itself; needs a root or sudo token."),
        flag("display-name", Kind::Text, "Name in the audit log."),
        flag("ttl", Kind::Duration, "How long it lives without renewal."),
        flag("explicit-max-ttl", Kind::Duration, "How long it lives at most, whatever is renewed."),
        flag("period", Kind::Duration, "Lives for ever when renewed within each period."),
        flag("renewable", Kind::Bool, "May be renewed, true when not given."),
        flag("orphan", Kind::Bool, "Without a parent that would take it along."),
        flag("no-default-policy", Kind::Bool, "Without the policy \"default\"."),
        flag("use-limit", Kind::Number, "How often it can be used; 0 is no limit."),
        flag("role", Kind::Text, "Create it by this token role."),
        flag("type", Kind::Text, "service or batch."),
        flag("metadata", Kind::Map, "Shown in lookups and the audit log, may be repeated."),
        flag("policy", Kind::List, "Policy of the token, may be repeated."),
        flag("entity-alias", Kind::Text, "Entity alias to tie the token to; needs -role."),
        flag("field", Kind::Text, "Print only this field."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    let lives = |flag: &str| json!(duration::full(args.duration(flag).unwrap_or_default()));
    let text = |flag: &str| args.text(flag).unwrap_or_default();
    let mut body: Map<String, Value> = Map::new();
    let mut put = |key: &str, value: Value| {
        body.insert(key.to_owned(), value);
    };
    if let Some(id) = args.text("id") {
        put("id", json!(id));
    }
    let policies = args.list("policy");
    if !policies.is_empty() {
        put("policies", json!(policies));
    }
    let metadata = args.map("metadata");
    if !metadata.is_empty() {
        put("meta", Value::Object(metadata));
    }
    put("ttl", lives("ttl"));
    put("explicit_max_ttl", lives("explicit-max-ttl"));
    put("period", lives("period"));
    if args.is("orphan") {
        put("no_parent", json!(true));
    }
    if args.is("no-default-policy") {
        put("no_default_policy", json!(true));
    }
    put("display_name", json!(text("display-name")));
    put("num_uses", json!(args.number("use-limit").unwrap_or(0)));
    put("renewable", json!(args.boolean("renewable").unwrap_or(true)));
    put("type", json!(args.text("type").unwrap_or("service")));
    put("entity_alias", json!(text("entity-alias")));
    let path = match args.text("role") {
        Some(role) => format!("auth/token/create/{role}"),
        None if args.is("orphan") => "auth/token/create-orphan".to_owned(),
        None => "auth/token/create".to_owned(),
    };
    let request = Request::post(&path, Value::Object(body));
    let answer = ctx.expect("Error creating token", request).await?;
    ctx.show_secret_or_field(&answer, args.text("field"))
}
