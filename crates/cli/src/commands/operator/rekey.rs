//! New key shares. `rekey` speaks the older paths, `rotate-keys` the ones that need a token.

use lessor_client::Request;
use serde_json::{Map, Value, json};

use super::pgp;
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Flag, Kind, aliased, flag};
use crate::output::{key_value, show};

static FLAGS: &[Flag] = &[
    flag("init", Kind::Bool, "Begin."),
    aliased("key-shares", "n", Kind::Number, "How many key shares to make, 5 when not given."),
    aliased("key-threshold", "t", Kind::Number, "How many of them unseal, 3 when not given."),
    flag("pgp-keys", Kind::List, "Files with public PGP keys, separated by commas, that encrypt the new shares."),
    flag("nonce", Kind::Text, "Names the operation, as -init showed it."),
    flag("target", Kind::Text, "barrier, or recovery where the seal is automatic; barrier when not given."),
    flag(
        "verify",
        Kind::Bool,
        "With -init: the new shares count only once they were given back; else: about that step.",
    ),
    flag("status", Kind::Bool, "Show how it goes."),
    flag("cancel", Kind::Bool, "Forget the shares given so far, and the operation."),
    flag("backup", Kind::Bool, "With -pgp-keys: the server keeps the encrypted shares."),
    flag("backup-retrieve", Kind::Bool, "Show the encrypted shares the server keeps."),
    flag("backup-delete", Kind::Bool, "Delete them."),
];

pub static COMMAND: Command = Command {
    name: "operator rekey",
    usage: "[KEY]",
    about: "Make new key shares. Begin with -init; then holders of the present shares give theirs, with the nonce.",
    example: "lessor operator rekey -init -key-shares=5 -key-threshold=3",
    flags: FLAGS,
    run: |ctx, args| Box::pin(run(ctx, args, &REKEY)),
};

pub static ROTATE_KEYS: Command = Command {
    name: "operator rotate-keys",
    usage: "[KEY]",
    about: "Make new key shares, by the paths that need a token. Begin with -init; then holders of the present shares give theirs, with the nonce.",
    example: "lessor operator rotate-keys -init -key-shares=5 -key-threshold=3",
    flags: FLAGS,
    run: |ctx, args| Box::pin(run(ctx, args, &ROTATE)),
};

/// In which the two commands differ.
struct Style {
    /// Paths below `sys/` for the barrier and the recovery key.
    paths: [&'static str; 2],
    /// Where their backups lie.
    backups: [&'static str; 2],
    /// The operation in messages: status, cancel, anything else.
    nouns: [&'static str; 3],
    command: &'static str,
    done: &'static str,
}

const REKEY: Style = Style {
    paths: ["rekey", "rekey-recovery-key"],
    backups: ["rekey/backup", "rekey/recovery-key-backup"],
    nouns: ["rekey", "rekeying", "rekey"],
    command: "rekey",
    done: "rekeyed",
};

const ROTATE: Style = Style {
    paths: ["rotate/root", "rotate/recovery"],
    backups: ["rotate/root/backup", "rotate/recovery/backup"],
    nouns: ["rotate", "rotation", "rotation"],
    command: "rotate-keys",
    done: "rotated",
};

/// The operation a command line is about.
struct Operation<'a> {
    style: &'a Style,
    /// Its paths, such as `sys/rekey`.
    base: String,
    backup: String,
    /// `init` and `update`, or `verify` for both.
    verify: bool,
}

impl Operation<'_> {
    fn at(&self, step: &str) -> String {
        format!("{}/{}", self.base, if self.verify { "verify" } else { step })
    }
}

/// Some servers answer in an envelope, some bare.
fn inner(answer: Value) -> Value {
    match answer {
        Value::Object(mut map) if map.get("data").is_some_and(Value::is_object) => {
            map.remove("data").unwrap_or_default()
        }
        other => other,
    }
}

async fn run(ctx: &mut Ctx, args: &Args, style: &Style) -> Outcome {
    arity(args, 0, 1)?;
    let target = match args.text("target").unwrap_or("barrier") {
        "barrier" => 0,
        "recovery" | "hsm" => 1,
        other => return Err(Failure::local(format!("Unknown target: {other}"))),
    };
    let operation = Operation {
        style,
        base: format!("sys/{}", style.paths[target]),
        backup: format!("sys/{}", style.backups[target]),
        verify: args.is("verify") && !args.is("init"),
    };
    if args.is("backup-delete") {
        ctx.call(&format!("Error deleting {} backed up keys", style.nouns[2]), Request::delete(&operation.backup))
            .await?;
        ctx.say("Success! Deleted backed up keys (if they existed)");
        return Ok(0);
    }
    if args.is("backup-retrieve") {
        let what = format!("Error retrieving {} backed up keys", style.nouns[2]);
        let answer = ctx.expect(&what, Request::get(&operation.backup)).await?;
        ctx.show_secret(&answer);
        return Ok(0);
    }
    if args.is("cancel") {
        return cancel(ctx, args, &operation).await;
    }
    if args.is("init") {
        return begin(ctx, args, &operation).await;
    }
    let what = format!("Error reading {} status", style.nouns[0]);
    let status = inner(ctx.expect(&what, Request::get(&operation.at("init"))).await?);
    if args.is("status") {
        return show_status(ctx, &status, operation.verify);
    }
    give(ctx, args, &operation, &status).await
}

async fn cancel(ctx: &mut Ctx, args: &Args, operation: &Operation<'_>) -> Outcome {
    let mut request = Request::delete(&operation.at("init"));
    if let Some(nonce) = args.text("nonce") {
        request = request.body(json!({ "nonce": nonce }));
    }
    ctx.call(&format!("Error canceling {}", operation.style.nouns[2]), request).await?;
    ctx.say(&format!("Success! Canceled {} (if it was started)", operation.style.nouns[1]));
    Ok(0)
}

async fn begin(ctx: &mut Ctx, args: &Args, operation: &Operation<'_>) -> Outcome {
    let keys = pgp::keys(args, "pgp-keys")?;
    let mut body = Map::new();
    body.insert("secret_shares".into(), json!(args.number("key-shares").unwrap_or(5)));
    body.insert("secret_threshold".into(), json!(args.number("key-threshold").unwrap_or(3)));
    body.insert("pgp_keys".into(), json!(keys));
    body.insert("backup".into(), json!(args.is("backup")));
    body.insert("require_verification".into(), json!(args.is("verify")));
    let what = format!("Error initializing {}", operation.style.nouns[2]);
    let request = Request::put(&operation.at("init"), Value::Object(body));
    let status = inner(ctx.expect(&what, request).await?);
    if keys.is_none() && ctx.is_table() {
        ctx.warn(
            "WARNING! If you lose the keys after they are returned, there is no recovery.\n\
             Consider canceling this operation and re-initializing with the -pgp-keys flag\n\
             to protect the returned unseal keys along with -backup to allow recovery of\n\
             the encrypted keys in case of emergency. You can delete the stored keys later\n\
             using the -delete flag.\n",
        );
        ctx.say("");
    }
    show_status(ctx, &status, false)
}

async fn give(ctx: &mut Ctx, args: &Args, operation: &Operation<'_>, status: &Value) -> Outcome {
    let style = operation.style;
    if status["started"] != true {
        return Err(Failure::local(format!(
            "No {} is in progress. Start a {} process by running \"{} operator {} -init\".",
            style.nouns[2], style.nouns[2], ctx.program, style.command
        )));
    }
    let key = match args.rest.first().map(|key| key.trim()) {
        Some("-") => ctx.io.read_input()?.trim().to_owned(),
        Some(key) => key.to_owned(),
        None => {
            let nonce = show(&status["nonce"]);
            ctx.io.ask(&format!("Operation nonce: {nonce}\nUnseal Key (will be hidden): "))?
        }
    };
    // A share from the command line must say which operation it is meant for.
    let nonce = match args.text("nonce") {
        Some(nonce) => nonce.to_owned(),
        None if args.rest.is_empty() => show(&status["nonce"]),
        None => return Err(Failure::local("Missing nonce value: specify it via the -nonce flag")),
    };
    let request = Request::put(&operation.at("update"), json!({ "key": key, "nonce": nonce }));
    let answer = inner(ctx.expect("Error posting unseal key", request).await?);
    if answer["complete"] != true {
        return show_status(ctx, &answer, operation.verify);
    }
    if !ctx.is_table() {
        ctx.show_value(&answer);
        return Ok(0);
    }
    if operation.verify {
        ctx.say(&format!("Success! The new key shares are verified and in use. Operation nonce: {nonce}"));
        return Ok(0);
    }
    show_keys(ctx, operation, status, &answer);
    if answer["verification_required"] == true {
        let request = Request::get(&format!("{}/verify", operation.base));
        let status = inner(ctx.expect("Error reading verification status", request).await?);
        ctx.say("");
        return show_status(ctx, &status, true);
    }
    Ok(0)
}

fn show_keys(ctx: &mut Ctx, operation: &Operation<'_>, status: &Value, answer: &Value) {
    let fingerprints = answer["pgp_fingerprints"].as_array().cloned().unwrap_or_default();
    let keys = answer["keys_base64"].as_array().cloned().unwrap_or_default();
    ctx.say("");
    for (at, key) in keys.iter().enumerate() {
        match fingerprints.get(at) {
            Some(print) => ctx.say(&format!("Key {} fingerprint: {}; value: {}", at + 1, show(print), show(key))),
            None => ctx.say(&format!("Key {}: {}", at + 1, show(key))),
        }
    }
    ctx.say(&format!("\nOperation nonce: {}\n", show(&answer["nonce"])));
    if answer["backup"] == true {
        ctx.say("The encrypted unseal keys are backed up on the server: -backup-retrieve shows them, -backup-delete deletes them.\n");
    }
    let (shares, threshold) = (show(&status["n"]), show(&status["t"]));
    if answer["verification_required"] == true {
        ctx.say(&format!(
            "Vault has created a new unseal key, split into {shares} key shares and a key\nthreshold of {threshold}. \
             These will not be active until after verification is complete.\n\
             Please securely distribute the key shares printed above.\n"
        ));
        ctx.warn(
            "Again, these key shares are _not_ valid until verification is performed.\n\
             Do not lose or discard your current key shares until after verification is\n\
             complete or you will be unable to unseal Vault.\n\
             The current verification status, including initial nonce, is shown below.\n",
        );
    } else {
        ctx.say(&format!(
            "Vault unseal keys {} to {shares} key shares and a key threshold of {threshold}. Please\n\
             securely distribute the key shares printed above. When Vault is re-sealed,\n\
             restarted, or stopped, you must supply at least {threshold} of these keys to unseal it\n\
             before it can start servicing requests.",
            operation.style.done
        ));
    }
}

fn show_status(ctx: &mut Ctx, status: &Value, verify: bool) -> Outcome {
    if !ctx.is_table() {
        ctx.show_value(status);
        return Ok(0);
    }
    let started = status["started"] == true;
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |key: &str, value: String| rows.push((key.to_owned(), value));
    let of = |progress: &Value, required: &Value| format!("{}/{}", show(progress), show(required));
    if verify {
        row("Started", started.to_string());
        row("New Shares", show(&status["n"]));
        row("New Threshold", show(&status["t"]));
        row("Verification Nonce", show(&status["nonce"]));
        row("Verification Progress", of(&status["progress"], &status["t"]));
    } else {
        row("Nonce", status["nonce"].as_str().unwrap_or_default().to_owned());
        row("Started", started.to_string());
        if started {
            row("Progress", of(&status["progress"], &status["required"]));
            row("New Shares", show(&status["n"]));
            row("New Threshold", show(&status["t"]));
            row("Verification Required", show(&status["verification_required"]));
            if let Some(nonce) = status["verification_nonce"].as_str().filter(|nonce| !nonce.is_empty()) {
                row("Verification Nonce", nonce.to_owned());
            }
            if status["pgp_fingerprints"].as_array().is_some_and(|prints| !prints.is_empty()) {
                row("PGP Fingerprints", show(&status["pgp_fingerprints"]));
                row("Backup", show(&status["backup"]));
            }
        }
    }
    ctx.say(&key_value(&rows));
    Ok(0)
}
