//! Names of accounts, and how a mount knows its own again: `.Random` ends in a check of the rest of it with the mount's
//! uuid. Where accounts stand is remembered beside, so that they are found although their role is gone.
use crate::ldif;
use crate::passwords::letters;
use crate::schema::Schema;
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::template::Template;
use lessor_engine::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM: usize = 8;
const CHECK: usize = 4;

const DEFAULT: &str = "v_{{.DisplayName}}_{{.RoleName}}_{{.Random}}_{{unix_time}}";
/// At most twenty characters, which is what Active Directory takes as `sAMAccountName`.
const DEFAULT_AD: &str = "v_{{.RoleName | truncate 5}}_{{.Random}}";
/// At most eight, a letter first.
const DEFAULT_RACF: &str = "V{{random 7 | uppercase}}";

fn check(mount: &str, random: &str) -> String {
    let hash = digest(&SHA256, format!("{mount}:{random}").as_bytes());
    hash.as_ref()[..CHECK].iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

fn random(mount: &str) -> String {
    let random = letters(RANDOM);
    let check = check(mount, &random);
    random + &check
}

/// Whether a name's parts hold a `.Random` of that mount.
pub(crate) fn is_of(mount: &str, name: &str) -> bool {
    name.split(['-', '_', '.']).filter(|part| part.len() == RANDOM + CHECK && part.is_ascii()).any(|part| {
        let (random, tail) = part.split_at(RANDOM);
        check(mount, random) == tail
    })
}

/// Letters, digits, `_`, `-` and `.` of a text; the rest could mean something to a directory.
fn safe(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' }).collect()
}

/// A fresh name.
pub(crate) struct Name {
    pub(crate) text: String,
    /// Whether chance keeps others from bearing it.
    pub(crate) unique: bool,
}

/// The role's template, or the one that goes with the schema.
pub(crate) fn template(own: &str, schema: Schema) -> &str {
    match schema {
        _ if !own.is_empty() => own,
        Schema::OpenLdap => DEFAULT,
        Schema::Ad => DEFAULT_AD,
        Schema::Racf => DEFAULT_RACF,
    }
}

/// Reads a template and renders it on trial.
pub(crate) fn parse(source: &str) -> Result<Template> {
    let template =
        Template::parse(source).map_err(|error| Error::invalid(format!("invalid username_template: {error}")))?;
    let data = json!({ "DisplayName": "display", "RoleName": "role", "Random": "random" });
    template.render(&data).map_err(|error| Error::invalid(format!("invalid username_template: {error}")))?;
    Ok(template)
}

/// Whether names of a template differ by chance.
pub(crate) fn draws(template: &Template) -> bool {
    template.draws_random() || template.source().contains(".Random")
}

pub(crate) fn username(cx: &Context, template: &Template, role: &str) -> Result<Name> {
    let data = json!({
        "DisplayName": safe(&cx.caller.display_name),
        "RoleName": safe(role),
        "Random": random(&cx.mount.uuid),
    });
    let text = template.render_at(cx.now(), &data)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Error::invalid("username_template renders to no name: it is empty or has control characters"));
    }
    Ok(Name { text, unique: draws(template) })
}

/// Where accounts of a role stand: the entry above, and what surrounds their names in the last part of theirs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) parent: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

impl Place {
    /// Reads the distinguished name that was rendered for `username`; `None` where the name is not in its last part, or
    /// not only there.
    pub(crate) fn of(dn: &str, username: &str) -> Option<Self> {
        let parts = ldif::parts(dn);
        let (first, parents) = parts.split_first()?;
        let parent = parents.join(",");
        let (before, after) = first.split_once(username)?;
        let known = before.contains('=') && !parent.is_empty() && !parent.contains(username);
        known.then(|| Self { parent, before: before.to_owned(), after: after.to_owned() })
    }
    /// The attribute of the last part.
    pub(crate) fn attribute(&self) -> &str {
        self.before.split('=').next().unwrap_or_default()
    }
    /// The account's name in a value of that attribute.
    pub(crate) fn name_in<'a>(&self, value: &'a str) -> Option<&'a str> {
        let before = self.before.split_once('=').map_or("", |(_, before)| before);
        value.strip_prefix(before)?.strip_suffix(&self.after)
    }
    /// The account's own entry.
    pub(crate) fn dn(&self, username: &str) -> String {
        format!("{}{username}{},{}", self.before, self.after, self.parent)
    }
    pub(crate) fn key(&self) -> String {
        let text = format!("{}\n{}\n{}", self.parent, self.before, self.after);
        format!("place/{}", hex::encode(digest(&SHA256, text.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_knows_its_own_names_and_no_others() {
        let name = format!("v_token_app_{}_1790000000", random("uuid-1"));
        assert!(is_of("uuid-1", &name));
        assert!(!is_of("uuid-2", &name));
        assert!(!is_of("uuid-1", "v_token_app_0123456789ab_1790000000"));
    }

    #[test]
    fn a_place_is_read_out_of_a_name_and_gives_it_back() {
        let place = Place::of("CN=svc-zz (tmp), OU=Temp,DC=a", "zz").unwrap();
        assert_eq!((place.attribute(), place.parent.as_str()), ("CN", "OU=Temp,DC=a"));
        assert_eq!(place.name_in("svc-bob (tmp)"), Some("bob"));
        assert_eq!(place.dn("bob"), "CN=svc-bob (tmp),OU=Temp,DC=a");
        assert!(Place::of("CN=a,OU=zz,DC=a", "zz").is_none());
        assert!(Place::of("CN=zz,OU=zz,DC=a", "zz").is_none());
    }

    #[test]
    fn texts_of_others_keep_no_character_that_means_something() {
        assert_eq!(safe("ldap-a b,c=d+e@f/g\nü"), "ldap-a-b-c-d-e-f-g--");
    }
}
