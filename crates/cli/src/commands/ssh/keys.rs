//! Which key pair of the user is signed.
use std::path::{Path, PathBuf};

use crate::context::Ctx;
use crate::flags::Args;

/// What ssh-keygen calls the keys it makes, best first.
const NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// Files of a key pair.
#[derive(Debug, PartialEq, Eq)]
pub struct Pair {
    pub public: PathBuf,
    pub private: PathBuf,
}

/// `~/x` below the home directory, everything else as it is.
pub fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

fn with_pub(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// The pair the flags name; one of both tells the other, and without any the usual ones are looked for.
///
/// # Errors
/// When a half is missing.
pub fn find(ctx: &Ctx, args: &Args) -> Result<Pair, String> {
    let home = ctx.env.home();
    let given =
        |flag: &str| args.text(flag).filter(|path| !path.is_empty()).map(|path| expanded(path, home.as_deref()));
    choose(given("public-key-path"), given("private-key-path"), home.as_deref())
}

fn choose(public: Option<PathBuf>, private: Option<PathBuf>, home: Option<&Path>) -> Result<Pair, String> {
    let (public, private) = match (public, private) {
        (None, None) => {
            let all = NAMES.iter().filter_map(|name| Some(home?.join(".ssh").join(name)));
            match all.into_iter().find(|key| key.exists() && with_pub(key).exists()) {
                Some(key) => (Some(with_pub(&key)), Some(key)),
                None => (None, None),
            }
        }
        (None, Some(private)) => (Some(with_pub(&private)).filter(|path| path.exists()), Some(private)),
        (Some(public), None) => {
            let private = public.to_str().and_then(|path| path.strip_suffix(".pub")).map(PathBuf::from);
            (Some(public), private.filter(|path| path.exists()))
        }
        both => both,
    };
    let public = public.ok_or("no SSH public key was found: name one with -public-key-path")?;
    let private = private.ok_or("no SSH private key was found: name it with -private-key-path")?;
    Ok(Pair { public, private })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_half_of_a_pair_tells_the_other_and_the_best_is_taken_without_any() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(".ssh").join(name);
        let pair = |name: &str| Pair { public: with_pub(&at(name)), private: at(name) };
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        assert!(choose(None, None, Some(home.path())).unwrap_err().contains("public"));
        for name in ["id_rsa", "id_rsa.pub", "id_ecdsa", "other", "other.pub", "lone.pub"] {
            std::fs::write(at(name), "").unwrap();
        }
        assert_eq!(choose(None, None, Some(home.path())), Ok(pair("id_rsa")), "id_ecdsa has no public half");
        assert_eq!(choose(Some(at("other.pub")), None, None), Ok(pair("other")));
        assert_eq!(choose(None, Some(at("other")), None), Ok(pair("other")));
        assert!(choose(Some(at("lone.pub")), None, None).unwrap_err().contains("private"));
        assert!(choose(None, Some(at("id_ecdsa")), None).unwrap_err().contains("public"));
        assert_eq!(expanded("~/x", Some(Path::new("/h"))), PathBuf::from("/h/x"));
    }
}
