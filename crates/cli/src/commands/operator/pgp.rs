//! Public PGP keys as the flags name them and as the server takes them: base64 of the binary form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::data::reason;
use crate::failure::Failure;
use crate::flags::Args;

/// The keys of a comma-separated flag, in its order; `None` when the flag was not given.
pub fn keys(args: &Args, flag: &str) -> Result<Option<Vec<String>>, Failure> {
    if !args.has(flag) {
        return Ok(None);
    }
    let names = args.comma_list(flag);
    let given = args.list(flag).join(",");
    let wrong = |why| Failure::local(format!("invalid value {given:?} for flag -{flag}: {why}"));
    names.iter().map(|name| read(name).map_err(wrong)).collect::<Result<_, _>>().map(Some)
}

/// The key of a flag that takes one.
pub fn key(args: &Args, flag: &str) -> Result<Option<String>, Failure> {
    Ok(keys(args, flag)?.and_then(|keys| keys.into_iter().next()))
}

fn read(name: &str) -> Result<String, String> {
    if name.starts_with("keybase:") {
        return Err(format!("{name}: keys are read from files only; export the key with gpg --export"));
    }
    let path = name.strip_prefix('@').unwrap_or(name);
    let bytes = std::fs::read(path).map_err(|error| format!("open {path}: {}", reason(&error)))?;
    Ok(binary_as_base64(&bytes))
}

/// Armored and base64 texts keep their content; anything else is taken as the binary form.
fn binary_as_base64(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    if let Some(body) = armored(text) {
        return body;
    }
    let packed: String = text.split_whitespace().collect();
    if !packed.is_empty() && STANDARD.decode(&packed).is_ok() {
        return packed;
    }
    STANDARD.encode(bytes)
}

/// The base64 lines between an armor's headers and its checksum (RFC 9580, section 6.2).
fn armored(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("-----BEGIN PGP PUBLIC KEY BLOCK-----")?;
    let (block, _) = rest.split_once("-----END PGP PUBLIC KEY BLOCK-----")?;
    let lines = block.lines().map(str::trim);
    let body = lines.filter(|line| !line.is_empty() && !line.contains(": ") && !line.starts_with('='));
    Some(body.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_armored_a_base64_and_a_binary_key_are_sent_alike() {
        let armored =
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: x\n\nmQGiBA==\n=AbCd\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(binary_as_base64(armored.as_bytes()), "mQGiBA==");
        assert_eq!(binary_as_base64(b"mQGi\nBA==\n"), "mQGiBA==");
        assert_eq!(binary_as_base64(&[0x99, 0x01, 0xa2, 0x04]), "mQGiBA==");
    }
}
