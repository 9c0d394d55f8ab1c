//! What is stored about a path.
use lessor_engine::{Timestamp, duration};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// How many versions are kept when nobody says.
const DEFAULT_MAX_VERSIONS: u64 = 10;

/// The mount's settings.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Config {
    /// 0: not set.
    pub(crate) max_versions: u64,
    pub(crate) cas_required: bool,
    /// Seconds; 0: not set.
    pub(crate) delete_version_after: u64,
    #[serde(default)]
    pub(crate) metadata_cas_required: bool,
}

/// A path's history, without the data.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Meta {
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// The latest version; 0 before the first.
    pub(crate) current: u64,
    /// The oldest that is kept; 0 until something was pruned.
    pub(crate) oldest: u64,
    pub(crate) versions: BTreeMap<u64, VersionMeta>,
    /// 0: not set.
    pub(crate) max_versions: u64,
    pub(crate) cas_required: bool,
    /// Seconds; 0: not set.
    pub(crate) delete_version_after: u64,
    pub(crate) custom: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) metadata_cas_required: bool,
    /// How often the settings were written.
    #[serde(default)]
    pub(crate) metadata_version: u64,
}

/// One version, without its data.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct VersionMeta {
    pub(crate) created: Timestamp,
    /// When it was, or will be, deleted.
    pub(crate) deletion: Option<Timestamp>,
    pub(crate) destroyed: bool,
}

/// The data of one version.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct VersionData {
    /// An object, or null.
    pub(crate) data: Value,
}

impl VersionMeta {
    /// Whether its data may be read at that time.
    pub(crate) fn readable(&self, now: Timestamp) -> bool {
        !self.destroyed && self.deletion.is_none_or(|deletion| deletion > now)
    }
    fn json(&self) -> Value {
        json!({
            "created_time": self.created.to_string(),
            "deletion_time": self.deletion.map(|at| at.to_string()).unwrap_or_default(),
            "destroyed": self.destroyed,
        })
    }
}

impl Meta {
    /// The history of a path that has none.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            created: now,
            updated: now,
            current: 0,
            oldest: 0,
            versions: BTreeMap::new(),
            max_versions: 0,
            cas_required: false,
            delete_version_after: 0,
            custom: None,
            metadata_cas_required: false,
            metadata_version: 0,
        }
    }

    /// Appends a version. Returns its number and the numbers of those that are no longer kept.
    pub(crate) fn append(&mut self, now: Timestamp, config: &Config) -> (u64, Vec<u64>) {
        self.current += 1;
        self.updated = now;
        let after = match (self.delete_version_after, config.delete_version_after) {
            (0, seconds) | (seconds, 0) => seconds,
            (own, mount) => own.min(mount),
        };
        // A lifetime beyond the calendar is no end at all.
        let deletion = (after > 0).then(|| now.checked_add(Duration::from_secs(after)).ok()).flatten();
        self.versions.insert(self.current, VersionMeta { created: now, deletion, destroyed: false });
        let keep = [self.max_versions, config.max_versions].into_iter().find(|max| *max > 0);
        let oldest = (self.current + 1).saturating_sub(keep.unwrap_or(DEFAULT_MAX_VERSIONS));
        let kept = self.versions.split_off(&oldest);
        let pruned: Vec<u64> = std::mem::replace(&mut self.versions, kept).into_keys().collect();
        // From when on the next version will push one out.
        if !pruned.is_empty() || oldest > 0 {
            self.oldest = self.versions.keys().next().copied().unwrap_or(self.current);
        }
        (self.current, pruned)
    }

    fn custom_json(&self) -> Value {
        self.custom.as_ref().filter(|custom| !custom.is_empty()).map_or(Value::Null, |custom| json!(custom))
    }

    /// The `metadata` of an answer about one version.
    pub(crate) fn version_json(&self, number: u64, version: &VersionMeta) -> Map<String, Value> {
        let mut map = Map::new();
        map.insert("created_time".to_owned(), json!(version.created.to_string()));
        map.insert("custom_metadata".to_owned(), self.custom_json());
        map.insert("deletion_time".to_owned(), json!(version.deletion.map(|at| at.to_string()).unwrap_or_default()));
        map.insert("destroyed".to_owned(), json!(version.destroyed));
        map.insert("version".to_owned(), json!(number));
        map
    }

    /// The answer to a read of `metadata/`.
    pub(crate) fn json(&self) -> Value {
        let versions: Map<String, Value> =
            self.versions.iter().map(|(number, version)| (number.to_string(), version.json())).collect();
        json!({
            "cas_required": self.cas_required,
            "created_time": self.created.to_string(),
            "current_metadata_version": self.metadata_version,
            "current_version": self.current,
            "custom_metadata": self.custom_json(),
            "delete_version_after": duration::go_string(Duration::from_secs(self.delete_version_after)),
            "max_versions": self.max_versions,
            "metadata_cas_required": self.metadata_cas_required,
            "oldest_version": self.oldest,
            "updated_time": self.updated.to_string(),
            "versions": versions,
        })
    }
}
