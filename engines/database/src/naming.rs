//! Names of accounts, and how a mount knows its own again: the `Random` of a name ends in a check of the rest of it
//! with the mount's uuid. Names of templates without it are told by a marker beside the account.
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::template::Template;
use lessor_engine::{Context, Error, Result};
use rand::Rng;
use serde_json::json;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 13;
const CHECK: usize = 7;

fn letters(bytes: impl Iterator<Item = u8>) -> String {
    bytes.map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])).collect()
}

fn check(mount: &str, random: &str) -> String {
    let hash = digest(&SHA256, format!("{mount}:{random}").as_bytes());
    letters(hash.as_ref()[..CHECK].iter().copied())
}

/// Twenty letters and digits: thirteen by chance (77 bits), seven by the mount.
fn random(mount: &str) -> String {
    let mut source = rand::rng();
    let random: String = (0..RANDOM).map(|_| char::from(ALPHABET[source.random_range(0..62)])).collect();
    let check = check(mount, &random);
    random + &check
}

/// Whether a name's parts hold a `Random` of that mount. Platforms that fold names are asked in their own case.
pub(crate) fn is_of(mount: &str, name: &str) -> bool {
    name.split(['-', '_']).filter(|part| part.len() == RANDOM + CHECK && part.is_ascii()).any(|part| {
        let (random, tail) = part.split_at(RANDOM);
        check(mount, random) == tail
    })
}

/// The mark of a mount beside accounts whose names do not tell.
pub(crate) fn marker(mount: &str) -> String {
    format!("made by lessor mount {mount}")
}

/// A fresh name.
pub(crate) struct Name {
    /// As the platform gets it.
    pub(crate) text: String,
    /// Whether chance keeps others from bearing it.
    pub(crate) unique: bool,
}

/// Renders the template of a configuration, or the plugin's own.
pub(crate) fn username(cx: &Context, template: &str, role: &str) -> Result<Name> {
    let template = parse(template)?;
    let data = json!({
        "DisplayName": safe(&cx.caller.display_name),
        "RoleName": role,
        "Random": random(&cx.mount.uuid),
    });
    let text = template.render_at(cx.now(), &data)?;
    if text.is_empty() {
        return Err(Error::invalid("invalid username template: it renders to nothing"));
    }
    let unique = is_of(&cx.mount.uuid, &text) || template.draws_random();
    Ok(Name { text, unique })
}

/// Reads a template and renders it on trial.
pub(crate) fn parse(source: &str) -> Result<Template> {
    let template = Template::parse(source)
        .map_err(|error| Error::invalid(format!("unable to initialize username template: {error}")))?;
    let data = json!({ "DisplayName": "", "RoleName": "", "Random": "" });
    template.render(&data).map_err(|error| Error::invalid(format!("invalid username template: {error}")))?;
    Ok(template)
}

fn safe(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_knows_its_own_names_and_no_others() {
        let name = format!("v-token-app-{}-1790000000", random("uuid-1"));
        assert!(is_of("uuid-1", &name));
        assert!(!is_of("uuid-2", &name));
        assert!(!is_of("uuid-1", "postgres"));
        assert!(!is_of("uuid-1", "v-token-app-0123456789abcdefghij-1790000000"));
    }
}
