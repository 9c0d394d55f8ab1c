//! A new root token from a quorum of key shares.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use lessor_client::{Error, Request};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::{Map, Value, json};

use super::pgp;
use crate::command::{Command, Outcome, arity};
use crate::context::Ctx;
use crate::failure::Failure;
use crate::flags::{Args, Kind, aliased, flag};
use crate::output::{plain, show};

pub static COMMAND: Command = Command {
    name: "operator generate-root",
    usage: "[KEY]",
    about: "Make a root token from a quorum of key shares. Begin with -init; then holders of key shares give theirs, with the nonce; -decode turns the result into the token.",
    example: "lessor operator generate-root -init",
    flags: &[
        flag("init", Kind::Bool, "Begin."),
        flag("otp", Kind::Text, "One-time password the token is mixed with; the server makes one when not given."),
        flag("pgp-key", Kind::Text, "File with a public PGP key that encrypts the token instead."),
        flag("nonce", Kind::Text, "Names the operation, as -init showed it."),
        flag("status", Kind::Bool, "Show how it goes."),
        flag("cancel", Kind::Bool, "Forget the shares given so far, and the operation."),
        flag("decode", Kind::Text, "Encoded token to turn into the token, with -otp; - reads it from stdin."),
        flag("generate-otp", Kind::Bool, "Print a one-time password."),
        flag("dr-token", Kind::Bool, "Make a token for a disaster recovery secondary."),
        aliased("recovery-token", "recovery", Kind::Bool, "Make a token for a server in recovery mode."),
    ],
    run: |ctx, args| Box::pin(run(ctx, args)),
};

/// What a status shows, in order, and what stands there when the server leaves it out.
const FIELDS: &[(&str, Value)] = &[
    ("nonce", Value::String(String::new())),
    ("started", Value::Bool(false)),
    ("progress", Value::Null),
    ("required", Value::Null),
    ("complete", Value::Bool(false)),
    ("encoded_token", Value::String(String::new())),
    ("encoded_root_token", Value::String(String::new())),
    ("pgp_fingerprint", Value::String(String::new())),
    ("otp", Value::String(String::new())),
    ("otp_length", Value::Null),
];

/// Length of a one-time password when no server says.
const OTP_LENGTH: u64 = 28;

async fn run(ctx: &mut Ctx, args: &Args) -> Outcome {
    arity(args, 0, 1)?;
    if let Some(encoded) = args.text("decode") {
        return decode(ctx, args, encoded);
    }
    let (base, status) = find(ctx, args).await?;
    if args.is("generate-otp") {
        return generate_otp(ctx, &status);
    }
    if args.is("cancel") {
        ctx.call("Error canceling root token generation", Request::delete(&format!("{base}/attempt"))).await?;
        ctx.say("Success! Root token generation canceled (if it was started)");
        return Ok(0);
    }
    if args.is("init") {
        return begin(ctx, args, &base).await;
    }
    if args.is("status") {
        return show_status(ctx, &status);
    }
    give(ctx, args, &base, &status).await
}

fn inner(answer: Value) -> Value {
    if answer["data"].is_object() { answer["data"].clone() } else { answer }
}

/// Where the server makes root tokens, and how far it is. Servers that closed the path which needs
/// no token have another one.
async fn find(ctx: &mut Ctx, args: &Args) -> Result<(String, Value), Failure> {
    const WHAT: &str = "Error getting root generation status";
    let base = if args.is("dr-token") {
        "sys/replication/dr/secondary/generate-operation-token"
    } else if args.is("recovery-token") {
        "sys/generate-recovery-token"
    } else {
        "sys/generate-root"
    };
    match ctx.send(Request::get(&format!("{base}/attempt"))).await? {
        Ok(response) => {
            let answer = response.into_json().map_err(|error| Failure::remote(format!("{WHAT}: {error}")))?;
            Ok((base.to_owned(), inner(answer)))
        }
        Err(Error::Api(api)) if matches!(api.status, 404 | 405) && base == "sys/generate-root" => {
            let base = "sys/generate-root-token";
            let answer = ctx.expect(WHAT, Request::get(&format!("{base}/attempt"))).await?;
            Ok((base.to_owned(), inner(answer)))
        }
        Err(error) => Err(ctx.failure(WHAT, &error).await),
    }
}

async fn begin(ctx: &mut Ctx, args: &Args, base: &str) -> Outcome {
    let key = pgp::key(args, "pgp-key")?;
    let mut body = Map::new();
    body.insert("otp".into(), json!(args.text("otp").unwrap_or_default()));
    body.insert("pgp_key".into(), json!(key.unwrap_or_default()));
    let request = Request::put(&format!("{base}/attempt"), Value::Object(body));
    let status = inner(ctx.expect("Error initializing root generation", request).await?);
    if status["otp"].as_str().is_some_and(|otp| !otp.is_empty()) && args.text("otp").is_none() {
        ctx.warn(
            "A One-Time-Password has been generated for you and is shown in the OTP field.\n\
             You will need this value to decode the resulting root token, so keep it safe.",
        );
    }
    show_status(ctx, &status)
}

async fn give(ctx: &mut Ctx, args: &Args, base: &str, status: &Value) -> Outcome {
    if status["started"] != true {
        let length = show(&status["otp_length"]);
        return Err(Failure::local(format!(
            "No root generation is in progress. Start a root generation by running \"{} operator generate-root -init\".\n\
             If starting root generation using the OTP method and generating your own OTP, the length of the OTP string \
             needs to be {length} characters in length.",
            ctx.program
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
    let request = Request::put(&format!("{base}/update"), json!({ "key": key, "nonce": nonce }));
    let status = inner(ctx.expect("Error posting unseal key", request).await?);
    show_status(ctx, &status)
}

fn show_status(ctx: &mut Ctx, status: &Value) -> Outcome {
    if !ctx.is_table() {
        let shown: Map<String, Value> = FIELDS
            .iter()
            .map(|(key, missing)| {
                let value = status.get(*key).filter(|value| !value.is_null()).unwrap_or(missing);
                ((*key).to_owned(), value.clone())
            })
            .collect();
        ctx.show_value(&Value::Object(shown));
        return Ok(0);
    }
    let given = |key: &str| status[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let mut rows = vec![
        ("Nonce".to_owned(), given("nonce").unwrap_or_default()),
        ("Started".to_owned(), show(&status["started"])),
        ("Progress".to_owned(), format!("{}/{}", show(&status["progress"]), show(&status["required"]))),
        ("Complete".to_owned(), show(&status["complete"])),
    ];
    let token = given("encoded_token").or_else(|| given("encoded_root_token"));
    let optional = [
        ("PGP Fingerprint", given("pgp_fingerprint")),
        ("Encoded Token", token),
        ("OTP", given("otp")),
        ("OTP Length", status["otp_length"].as_u64().filter(|length| *length > 0).map(|length| length.to_string())),
    ];
    rows.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    ctx.say(&plain(&rows));
    Ok(0)
}

fn generate_otp(ctx: &mut Ctx, status: &Value) -> Outcome {
    let length = status["otp_length"].as_u64().filter(|length| *length > 0).unwrap_or(OTP_LENGTH);
    let otp: String = (0..length).map(|_| char::from(rand::rng().sample(Alphanumeric))).collect();
    if ctx.is_table() {
        ctx.show_bare(&json!(otp))
    } else {
        ctx.show_value(&json!({ "otp": otp, "otp_length": length }));
        Ok(0)
    }
}

fn decode(ctx: &mut Ctx, args: &Args, encoded: &str) -> Outcome {
    let Some(otp) = args.text("otp").filter(|otp| !otp.is_empty()) else {
        return Err(Failure::local("Missing otp: use -otp to supply it"));
    };
    let encoded = if encoded == "-" { ctx.io.read_input()? } else { encoded.to_owned() };
    let token =
        unmix(encoded.trim(), otp).map_err(|why| Failure::local(format!("Error decoding root token: {why}")))?;
    if ctx.is_table() {
        ctx.show_bare(&json!(token))
    } else {
        ctx.show_value(&json!({ "token": token }));
        Ok(0)
    }
}

fn unmix(encoded: &str, otp: &str) -> Result<String, String> {
    let mixed = STANDARD_NO_PAD.decode(encoded.trim_end_matches('=')).map_err(|error| error.to_string())?;
    if mixed.len() != otp.len() {
        return Err(format!(
            "error xoring token: length of byte slices is not equivalent: {} != {}",
            mixed.len(),
            otp.len()
        ));
    }
    let token = mixed.iter().zip(otp.bytes()).map(|(mixed, otp)| mixed ^ otp).collect();
    String::from_utf8(token).map_err(|_| "the result is no token: is the one-time password right?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::unmix;

    #[test]
    fn an_encoded_token_and_its_password_give_the_token_back() {
        let token = unmix("OWQVWTIUZH0mEl4dcnUsJWNwQQRAKQQnfRQ", "JJcjeV01AjiZC9xH02s26y5wKc");
        assert_eq!(token.as_deref(), Ok("s.v3WBTLgx7G1LTmSB26vP1P6w"));
        assert!(unmix("OWQVWTIUZH0mEl4dcnUsJWNwQQRAKQQnfRQ", "short").unwrap_err().contains("26 != 5"));
        assert!(unmix("%%", "ab").is_err());
    }
}
