//! A key of one's own becomes a key of a transit mount. It travels wrapped: an ephemeral AES key wraps
//! it (RFC 5649), and the mount's public wrapping key encrypts that one (RSA-OAEP with SHA-256). This is
//! the mechanism PKCS#11 calls `CKM_RSA_AES_KEY_WRAP`.

use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_client::Request;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::command::{Command, Outcome, clean};
use crate::context::Ctx;
use crate::data::reason;
use crate::failure::Failure;
use crate::flags::Args;

pub static COMMAND: Command = Command {
    name: "transit import",
    usage: "PATH KEY [key=value ...]",
    about: "Import a key into a transit mount. KEY is base64, or @file with it; symmetric keys are raw, others PKCS#8 in DER.",
    example: "lessor transit import transit/keys/orders @orders.b64 type=aes256-gcm96",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args, "import")),
};

pub static VERSION: Command = Command {
    name: "transit import-version",
    usage: "PATH KEY [key=value ...]",
    about: "Import a key as a new version of a key that was imported before.",
    example: "lessor transit import-version transit/keys/orders @orders-2.b64",
    flags: &[],
    run: |ctx, args| Box::pin(run(ctx, args, "import_version")),
};

async fn run(ctx: &mut Ctx, args: &Args, verb: &str) -> Outcome {
    let [path, key, options @ ..] = args.rest.as_slice() else {
        let count = args.rest.len();
        return Err(Failure::local(format!(
            "Incorrect argument count (expected 2+, got {count}). Wanted PATH to import into and KEY material."
        )));
    };
    let path = clean(path);
    let Some((mount, name)) = path.rsplit_once("/keys/").filter(|(_, name)| !name.is_empty() && !name.contains('/'))
    else {
        return Err(Failure::local("expected transit path and key name in the form :path:/keys/:name:"));
    };
    let key = material(key)?;
    let mut body = ctx.parse_data(options)?;
    ctx.say("Retrieving wrapping key.");
    let answer = ctx.expect("failed to fetch wrapping key", Request::get(&format!("{mount}/wrapping_key"))).await?;
    let wrapping = answer["data"]["public_key"].as_str().unwrap_or_default();
    ctx.say("Wrapping source key with ephemeral key.");
    ctx.say("Encrypting ephemeral key with wrapping key.");
    let ciphertext = wrap(&key, wrapping).map_err(|why| Failure::local(format!("failed to wrap key: {why}")))?;
    body.insert("ciphertext".into(), json!(ciphertext));
    body.entry("hash_function").or_insert_with(|| json!("SHA256"));
    ctx.say("Submitting wrapped key.");
    let request = Request::put(&format!("{mount}/keys/{name}/{verb}"), Value::Object(body));
    // The field's tools tell a refused import apart from other failures by its own code.
    ctx.call("failed to call import", request).await.map_err(|failure| Failure { code: 3, ..failure })?;
    ctx.say("Success!");
    Ok(0)
}

fn material(given: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let text = match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::local(format!("error reading key file: open {path}: {}", reason(&error))))?,
        None => given.to_owned(),
    };
    let text = Zeroizing::new(text);
    STANDARD
        .decode(text.trim())
        .map(Zeroizing::new)
        .map_err(|error| Failure::local(format!("error base64 decoding source key material: {error}")))
}

/// The wrapped ephemeral key and behind it the wrapped key, in base64.
fn wrap(key: &[u8], public_key: &str) -> Result<String, String> {
    let der = public_der(public_key).ok_or("the server's wrapping key is no PEM public key")?;
    let public = PublicEncryptingKey::from_der(&der).map_err(|error| format!("the server's wrapping key: {error}"))?;
    let public = OaepPublicEncryptingKey::new(public).map_err(|error| error.to_string())?;
    let mut ephemeral = Zeroizing::new([0_u8; 32]);
    aws_lc_rs::rand::fill(ephemeral.as_mut_slice()).map_err(|error| error.to_string())?;
    let mut encrypted = vec![0_u8; public.ciphertext_size()];
    let first = public
        .encrypt(&OAEP_SHA256_MGF1SHA256, ephemeral.as_slice(), &mut encrypted, None)
        .map_err(|error| error.to_string())?;
    let kek = AesKek::new(&AES_256, ephemeral.as_slice()).map_err(|error| error.to_string())?;
    // RFC 5649: up to seven bytes of padding and eight in front.
    let mut wrapped = vec![0_u8; key.len() + 15];
    let second = kek.wrap_with_padding(key, &mut wrapped).map_err(|error| error.to_string())?;
    Ok(STANDARD.encode([&*first, &*second].concat()))
}

fn public_der(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    STANDARD.decode(body.split_whitespace().collect::<String>()).ok()
}
