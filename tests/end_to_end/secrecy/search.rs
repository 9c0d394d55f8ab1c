//! Looking for secrets in what a server leaves behind: as they are, in hexadecimal, and in base64 at any place of it.
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Shorter texts are found by chance.
const SHORTEST: usize = 10;
/// Every spelling is looked up by this many of its first bytes.
const PREFIX: usize = 8;

/// Everything that must not be found.
#[derive(Default)]
pub struct Secrets {
    names: Vec<String>,
    spellings: HashMap<[u8; PREFIX], Vec<(usize, Vec<u8>)>>,
}

impl Secrets {
    /// A secret as text; also what it stands for, where it is base64 or hexadecimal.
    pub fn add(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= SHORTEST, "{name} is too short to be looked for");
        self.names.push(name.to_owned());
        self.spell(secret.as_bytes());
        let decoded = hex::decode(secret).ok();
        if let Some(bytes) = decoded.or_else(|| base64::engine::general_purpose::STANDARD.decode(secret).ok())
            && bytes.len() >= SHORTEST
        {
            self.spell(&bytes);
        }
    }

    fn spell(&mut self, bytes: &[u8]) {
        self.learn(bytes.to_vec());
        self.learn(hex::encode(bytes).into_bytes());
        self.learn(hex::encode_upper(bytes).into_bytes());
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            for before in 0..3 {
                self.learn(inner(&engine, bytes, before));
            }
        }
    }

    fn learn(&mut self, spelling: Vec<u8>) {
        let prefix = spelling[..PREFIX].try_into().unwrap();
        self.spellings.entry(prefix).or_default().push((self.names.len() - 1, spelling));
    }

    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Names of the secrets that stand in these bytes.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<&str> {
        let mut found = Vec::new();
        for (at, window) in bytes.windows(PREFIX).enumerate() {
            let prefix: [u8; PREFIX] = window.try_into().unwrap();
            for (secret, spelling) in self.spellings.get(&prefix).into_iter().flatten() {
                if bytes[at..].starts_with(spelling) && !found.contains(&self.names[*secret].as_str()) {
                    found.push(&self.names[*secret]);
                }
            }
        }
        found
    }
}

/// The characters of a base64 text that depend on `bytes` alone when `before` bytes stand in front of them in its group.
fn inner(engine: &impl Engine, bytes: &[u8], before: usize) -> Vec<u8> {
    let text = engine.encode([&vec![0; before], bytes].concat());
    let start = (before * 8).div_ceil(6);
    let end = (before + bytes.len()) * 8 / 6;
    text.as_bytes()[start..end].to_vec()
}

/// Every file below a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

#[test]
fn a_planted_secret_is_found_in_every_spelling_and_at_every_place() {
    let mut secrets = Secrets::default();
    secrets.add("other", "another-secret-of-somebody");
    secrets.add("planted", "hvs.planted?secret>1");
    let plain = b"hvs.planted?secret>1".as_slice();
    for before in 0..5 {
        let text = [b"xyzuv"[..before].as_ref(), plain, b" and more"].concat();
        let spellings = [
            text.clone(),
            hex::encode(&text).into_bytes(),
            hex::encode_upper(&text).into_bytes(),
            STANDARD_NO_PAD.encode(&text).into_bytes(),
            URL_SAFE_NO_PAD.encode(&text).into_bytes(),
        ];
        for spelling in spellings {
            let file = [b"{\"time\":\"2026\",\"message\":\"".as_slice(), &spelling, b"\"}\n"].concat();
            assert_eq!(secrets.found_in(&file), ["planted"], "{before}: {}", String::from_utf8_lossy(&file));
        }
    }
    assert!(secrets.found_in(b"hvs.planted?secret>2").is_empty());
}
