use lessor_client::Request;
use serde_json::{Value, json};

use super::pgp;
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, aliased, flag};
use crate::output::show;

pub static COMMAND: Command = Command {
    name: "operator init",
    usage: "",
    about: "Initialize a server: make its keys and the first root token. They are shown once.",
    example: "lessor operator init -key-shares=5 -key-threshold=3",
    flags: &[
        aliased("key-shares", "n", Kind::Number, "How many key shares to make, 5 when not given."),
        aliased("key-threshold", "t", Kind::Number, "How many of them unseal, 3 when not given."),
        flag("recovery-shares", Kind::Number, "How many recovery key shares to make, with an automatic seal."),
        flag("recovery-threshold", Kind::Number, "How many of them are needed."),
        flag("pgp-keys", Kind::List, "Files with public PGP keys, separated by commas, that encrypt the key shares."),
        flag("recovery-pgp-keys", Kind::List, "The same for the recovery key shares."),
        flag("root-token-pgp-key", Kind::Text, "File with a public PGP key that encrypts the root token."),
        flag("status", Kind::Bool, "Only tell whether the server is initialized: exit code 0 yes, 2 no."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 0)?;
    if args.is("status") {
        return status(ctx).await;
    }
    let seal = ctx.expect("Error initializing", Request::get("sys/seal-status")).await?;
    let automatic = seal["recovery_seal"] == true;
    let number = |flag: &str, default: i64| args.number(flag).unwrap_or(default);
    let (shares, threshold) = if automatic {
        (number("recovery-shares", 5), number("recovery-threshold", 3))
    } else {
        (number("key-shares", 5), number("key-threshold", 3))
    };
    let mut body = if automatic {
        json!({ "recovery_shares": shares, "recovery_threshold": threshold })
    } else {
        json!({ "secret_shares": shares, "secret_threshold": threshold })
    };
    for (flag, key) in [("pgp-keys", "pgp_keys"), ("recovery-pgp-keys", "recovery_pgp_keys")] {
        if let Some(keys) = pgp::keys(args, flag)? {
            body[key] = json!(keys);
        }
    }
    if let Some(key) = pgp::key(args, "root-token-pgp-key")? {
        body["root_token_pgp_key"] = json!(key);
    }
    let made = ctx.expect("Error initializing", Request::put("sys/init", body)).await?;
    if ctx.is_table() {
        let text = text(&made, shares, threshold);
        ctx.say(&text);
    } else {
        let shown = machine(&made, shares, threshold);
        ctx.show_value(&shown);
    }
    Ok(0)
}

async fn status(ctx: &mut Ctx) -> Outcome {
    let answer = ctx.expect("Error checking initialization status", Request::get("sys/init")).await?;
    let initialized = answer["initialized"] == true;
    if ctx.is_table() {
        ctx.say(if initialized { "Vault is initialized" } else { "Vault is not initialized" });
    } else {
        ctx.show_value(&json!({ "Initialized": initialized }));
    }
    if initialized { Ok(0) } else { Err(Failure::quiet(2)) }
}

fn list<'a>(made: &'a Value, name: &str) -> &'a [Value] {
    made[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(made: &Value, shares: i64, threshold: i64) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (name, title) in [("keys_base64", "Unseal Key"), ("recovery_keys_base64", "Recovery Key")] {
        for (at, key) in list(made, name).iter().enumerate() {
            lines.push(format!("{title} {}: {}", at + 1, show(key)));
        }
    }
    lines.push(String::new());
    lines.push(format!("Initial Root Token: {}", show(&made["root_token"])));
    lines.push(String::new());
    if list(made, "recovery_keys_base64").is_empty() {
        lines.push(format!(
            "Vault initialized with {shares} key shares and a key threshold of {threshold}. Please securely\n\
             distribute the key shares printed above. When the server is re-sealed or\n\
             restarted, {threshold} of these keys have to be supplied to unseal it before it can\n\
             answer requests.\n\n\
             The root key is stored nowhere in clear: with fewer than {threshold} key shares the\n\
             server stays sealed for ever."
        ));
    } else {
        lines.push(format!(
            "Success! Vault is initialized\n\nRecovery key initialized with {shares} key shares and a key threshold of {threshold}.\n\
             Please securely distribute the key shares printed above."
        ));
    }
    lines.join("\n")
}

fn machine(made: &Value, shares: i64, threshold: i64) -> Value {
    let recovery = !list(made, "recovery_keys_base64").is_empty();
    let count = |own: bool, number: i64| if own { number } else { 0 };
    json!({
        "unseal_keys_b64": list(made, "keys_base64"),
        "unseal_keys_hex": list(made, "keys"),
        "unseal_shares": count(!recovery, shares),
        "unseal_threshold": count(!recovery, threshold),
        "recovery_keys_b64": list(made, "recovery_keys_base64"),
        "recovery_keys_hex": list(made, "recovery_keys"),
        "recovery_keys_shares": count(recovery, shares),
        "recovery_keys_threshold": count(recovery, threshold),
        "root_token": made["root_token"],
    })
}
