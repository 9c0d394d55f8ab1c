//! The enabled devices.
use super::device::Device;
use super::record::{Line, Shape, hash};
use crate::audit::headers::Headers;
use crate::metrics::Timer;
use crate::mount::entry::folder;
use crate::record::Record;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use lessor_storage::Storage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

const TABLE: &str = "core/audit";

static REQUEST: Timer = Timer::new("audit.log_request");
static RESPONSE: Timer = Timer::new("audit.log_response");

/// What is kept of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// With a trailing slash.
    pub path: String,
    /// `file`, `syslog` or `socket`.
    pub kind: String,
    /// For people.
    pub description: String,
    /// Where it writes, and how.
    pub options: BTreeMap<String, String>,
    /// Shown.
    pub local: bool,
    /// The key of its hashes, hexadecimal.
    pub salt: String,
    /// Stands in the configuration file, and can be changed there alone.
    #[serde(default)]
    pub declared: bool,
}

/// A device that the configuration file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// With or without a trailing slash.
    pub path: String,
    /// `file`.
    pub kind: String,
    /// For people.
    pub description: String,
    /// `file_path`, `mode`, `log_raw`.
    pub options: BTreeMap<String, String>,
}

impl Declared {
    fn entry(&self, salt: String) -> DeviceEntry {
        DeviceEntry {
            path: folder(&self.path),
            kind: self.kind.clone(),
            description: self.description.clone(),
            options: self.options.clone(),
            local: false,
            salt,
            declared: true,
        }
    }
    fn is(&self, entry: &DeviceEntry) -> bool {
        let same = self.kind == entry.kind && self.description == entry.description && self.options == entry.options;
        same && folder(&self.path) == entry.path
    }
}

/// Whether nobody has the entry's path.
fn free<'a>(mut entries: impl Iterator<Item = &'a DeviceEntry>, entry: &DeviceEntry) -> Result<()> {
    let taken = entries.any(|other| other.path == entry.path);
    if taken { Err(Error::invalid(format!("path already in use: {}", entry.path))) } else { Ok(()) }
}

struct Open {
    entry: DeviceEntry,
    device: Device,
    salt: hmac::Key,
    shape: Shape,
}

/// All devices.
pub struct Audit {
    record: Record<Vec<DeviceEntry>>,
    devices: RwLock<Arc<Vec<Arc<Open>>>>,
    /// Request headers that lines show.
    pub headers: Headers,
}

impl Open {
    fn new(entry: DeviceEntry) -> Result<Self> {
        let shape = Shape::read(&entry.options)?;
        let device = Device::open(&entry.kind, &entry.options).map_err(|error| Error::invalid(error.to_string()))?;
        let salt = hex::decode(&entry.salt).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self { salt: hmac::Key::new(hmac::HMAC_SHA256, &salt), entry, device, shape })
    }
    async fn write(&self, line: &Line) -> std::io::Result<()> {
        self.device.write(line.bytes(&self.salt, &self.shape)).await
    }
}

impl Audit {
    /// Opens every enabled device.
    ///
    /// # Errors
    /// When storage fails or a device cannot be opened: then nothing may be served.
    pub async fn load(storage: Arc<dyn Storage>) -> Result<Self> {
        let headers = Headers::load(Arc::clone(&storage)).await?;
        let audit = Self { record: Record::new(storage, TABLE), devices: RwLock::default(), headers };
        audit.reload().await?;
        Ok(audit)
    }
    /// Reads the tables again.
    ///
    /// # Errors
    /// As [`Audit::load`].
    pub async fn reload(&self) -> Result<()> {
        self.headers.reload().await?;
        self.record.reload(async |entries| self.install(entries, Vec::new())).await
    }
    /// What is enabled as before stays open, and so does what was opened for it.
    fn install(&self, entries: Vec<DeviceEntry>, mut open: Vec<Arc<Open>>) -> Result<()> {
        open.extend(self.devices().iter().cloned());
        let find = |entry: DeviceEntry| match open.iter().find(|open| open.entry == entry) {
            Some(open) => Ok(Arc::clone(open)),
            None => Open::new(entry).map(Arc::new),
        };
        let devices = entries.into_iter().map(find).collect::<Result<Vec<_>>>()?;
        *self.devices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(devices);
        Ok(())
    }
    fn devices(&self) -> Arc<Vec<Arc<Open>>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The enabled devices.
    pub fn entries(&self) -> Vec<DeviceEntry> {
        self.devices().iter().map(|open| open.entry.clone()).collect()
    }
    /// Enables a device that takes a first line; its salt is made here.
    ///
    /// # Errors
    /// When the path is taken, or the device cannot be opened or written to.
    pub async fn enable(&self, mut entry: DeviceEntry, now: Timestamp) -> Result<()> {
        free(self.devices().iter().map(|open| &open.entry), &entry)?;
        entry.salt = hex::encode(crate::barrier::Key::random()?.expose());
        let probe = entry.options.get("skip_test").is_none_or(|skip| !matches!(skip.as_str(), "true" | "1"));
        let open = Arc::new(Open::new(entry)?);
        if probe {
            let written = open.write(&Line::probe(now)).await;
            written.map_err(|error| Error::invalid(format!("audit device failed its test line: {error}")))?;
        }
        let add = |entries: &mut Vec<DeviceEntry>| {
            free(entries.iter(), &open.entry)?;
            entries.push(open.entry.clone());
            Ok(())
        };
        self.record.change(add, async |entries| self.install(entries, vec![Arc::clone(&open)])).await
    }
    /// Makes the declared devices exactly these; devices that were enabled through the API stay. A device that is
    /// declared as before keeps its salt and its open file.
    ///
    /// # Errors
    /// When a path is taken, a file cannot be opened, or storage fails: then nothing changes.
    pub async fn declare(&self, declared: &[Declared]) -> Result<()> {
        let before = self.devices();
        let mut opened = Vec::new();
        for (at, device) in declared.iter().enumerate() {
            let path = folder(&device.path);
            let twice = declared[..at].iter().any(|other| folder(&other.path) == path);
            if twice || before.iter().any(|open| !open.entry.declared && open.entry.path == path) {
                return Err(Error::invalid(format!("audit device {path}: path already in use")));
            }
            opened.push(match before.iter().find(|open| open.entry.declared && device.is(&open.entry)) {
                Some(open) => Arc::clone(open),
                None => Arc::new(Open::new(device.entry(hex::encode(crate::barrier::Key::random()?.expose())))?),
            });
        }
        let stands = before.iter().filter(|open| open.entry.declared);
        if stands.clone().count() == opened.len()
            && stands.zip(&opened).all(|(before, opened)| Arc::ptr_eq(before, opened))
        {
            return Ok(());
        }
        let declare = |entries: &mut Vec<DeviceEntry>| {
            entries.retain(|entry| !entry.declared);
            for open in &opened {
                free(entries.iter(), &open.entry)?;
                entries.push(open.entry.clone());
            }
            Ok(())
        };
        self.record.change(declare, async |entries| self.install(entries, opened.clone())).await
    }
    /// Disables a device; unknown is success.
    ///
    /// # Errors
    /// When it is declared in the configuration file, or storage fails.
    pub async fn disable(&self, path: &str) -> Result<()> {
        let remove = |entries: &mut Vec<DeviceEntry>| {
            if entries.iter().any(|entry| entry.path == path && entry.declared) {
                return Err(Error::invalid("the device is declared in the configuration file: remove it there"));
            }
            entries.retain(|entry| entry.path != path);
            Ok(())
        };
        self.record.change(remove, async |entries| self.install(entries, Vec::new())).await
    }
    /// The hash that the device at `path` writes for `text`.
    pub fn hash(&self, path: &str, text: &str) -> Option<String> {
        self.devices().iter().find(|open| open.entry.path == path).map(|open| hash(&open.salt, text))
    }
    /// Opens every file anew.
    pub async fn reopen(&self) {
        for open in self.devices().iter() {
            open.device.reopen().await;
        }
    }
    /// Writes to every device; one that takes the line is enough.
    ///
    /// # Errors
    /// When devices are enabled and none took it.
    pub async fn write(&self, line: impl FnOnce() -> Line) -> Result<()> {
        let devices = self.devices();
        if devices.is_empty() {
            return Ok(());
        }
        let line = line();
        let _time = if line.is_request() { REQUEST.start() } else { RESPONSE.start() };
        let mut written = false;
        for open in devices.iter() {
            match open.write(&line).await {
                Ok(()) => written = true,
                Err(error) => tracing::error!(device = open.entry.path, %error, "audit device failed"),
            }
        }
        if !written {
            let request = line.is_request();
            let failures = if request { "audit.log_request_failure" } else { "audit.log_response_failure" };
            metrics::counter!(failures).increment(1);
        }
        if written { Ok(()) } else { Err(Error::Internal("no audit device took the record: not served".into())) }
    }
}
