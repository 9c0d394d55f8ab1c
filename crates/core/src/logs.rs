//! Levels of the log that may be changed while the server runs. Where the log goes is the server's business.
use lessor_engine::{Error, Result};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::Receiver;
use tracing::Level;

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Standard,
    /// One JSON object a line.
    Json,
}

/// Whoever writes the log.
pub trait Logs: Send + Sync + std::fmt::Debug {
    /// The level that the configuration asks for.
    fn configured(&self) -> Level;
    /// Writes what is at least as important as `level`, and of these parts (by module path) what is at least as
    /// important as theirs.
    fn set(&self, level: Level, parts: &BTreeMap<&'static str, Level>);
    /// What is logged from now on and at least as important as `level`, line by line, whatever the log itself leaves
    /// out. Lines that a slow reader leaves behind are lost.
    fn follow(&self, level: Level, form: Form) -> Receiver<Vec<u8>>;
}

/// The parts whose level can be set, and the modules they are.
const PARTS: [(&str, &str); 7] = [
    ("audit", "lessor_core::audit"),
    ("core", "lessor_core"),
    ("expiration", "lessor_core::revocation"),
    ("quotas", "lessor_core::quota"),
    ("rotation", "lessor_core::rotation"),
    ("server", "lessor_server"),
    ("storage", "lessor_storage"),
];

/// What was set since the start.
#[derive(Default)]
pub struct Levels {
    set: Mutex<Set>,
}

#[derive(Clone, Default)]
struct Set {
    all: Option<Level>,
    parts: BTreeMap<&'static str, Level>,
}

/// Reads a level's name.
///
/// # Errors
/// When there is none of that name.
pub fn level(name: &str) -> Result<Level> {
    let lower = name.to_lowercase();
    let known = match lower.as_str() {
        "err" => "error",
        "warning" => "warn",
        "notice" => "info",
        other => other,
    };
    let unknown = |_| Error::invalid(format!("invalid level provided: unknown log level: {name}"));
    // Numbers, which the parser takes too, are nobody's levels.
    let word = if known.bytes().all(|byte| byte.is_ascii_alphabetic()) { known } else { "" };
    Level::from_str(word).map_err(unknown)
}

fn part(name: &str) -> Result<&'static str> {
    let found = PARTS.iter().find(|(known, _)| *known == name).map(|(known, _)| *known);
    found.ok_or_else(|| Error::invalid(format!("logger \"{name}\" not found")))
}

impl Levels {
    /// All parts with their levels.
    pub fn shown(&self, logs: &dyn Logs) -> BTreeMap<&'static str, String> {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let base = set.all.unwrap_or_else(|| logs.configured());
        let level = |name| set.parts.get(name).copied().unwrap_or(base).to_string().to_lowercase();
        PARTS.iter().map(|(name, _)| (*name, level(*name))).collect()
    }
    fn change(&self, logs: &dyn Logs, change: impl FnOnce(&mut Set)) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut set);
        let modules = PARTS.iter().filter_map(|(name, module)| Some((*module, *set.parts.get(name)?))).collect();
        logs.set(set.all.unwrap_or_else(|| logs.configured()), &modules);
    }
    /// Sets the level of everything; `None` puts back what the configuration says.
    pub fn set_all(&self, logs: &dyn Logs, level: Option<Level>) {
        self.change(logs, |set| *set = Set { all: level, parts: BTreeMap::new() });
    }
    /// Sets the level of one part; `None` puts it back.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn set_part(&self, logs: &dyn Logs, name: &str, level: Option<Level>) -> Result<()> {
        let name = part(name)?;
        self.change(logs, |set| match level {
            Some(level) => drop(set.parts.insert(name, level)),
            None => drop(set.parts.remove(name)),
        });
        Ok(())
    }
}
