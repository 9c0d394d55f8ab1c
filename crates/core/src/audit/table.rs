//! The enabled devices.
use super::device::Device;
use super::record::{Line, Shape, hash};
use crate::audit::headers::Headers;
use crate::metrics::Timer;
use crate::mount::entry::folder;
use aws_lc_rs::hmac;
use jiff::Timestamp;
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect, Storage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::Mutex;

const TABLE: &str = "core/audit";

static REQUEST: Timer = Timer::new("audit.log_request");
static RESPONSE: Timer = Timer::new("audit.log_response");

/// What is kept of a device.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

struct Open {
    entry: DeviceEntry,
    device: Device,
    salt: hmac::Key,
    shape: Shape,
}

/// All devices.
pub struct Audit {
    storage: Arc<dyn Storage>,
    devices: RwLock<Arc<Vec<Arc<Open>>>>,
    change: Mutex<()>,
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
        let audit = Self { storage, devices: RwLock::default(), change: Mutex::default(), headers };
        let devices: Vec<Arc<Open>> =
            audit.read().await?.0.into_iter().map(|entry| Open::new(entry).map(Arc::new)).collect::<Result<_>>()?;
        audit.install(devices);
        Ok(audit)
    }
    async fn read(&self) -> Result<(Vec<DeviceEntry>, Expect)> {
        Ok(match self.storage.get(TABLE).await? {
            Some(stored) => (serde_json::from_slice(&stored.value)?, Expect::Version(stored.version)),
            None => (Vec::new(), Expect::Absent),
        })
    }
    fn install(&self, devices: Vec<Arc<Open>>) {
        *self.devices.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(devices);
    }
    fn devices(&self) -> Arc<Vec<Arc<Open>>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// The enabled devices.
    pub fn entries(&self) -> Vec<DeviceEntry> {
        self.devices().iter().map(|open| open.entry.clone()).collect()
    }
    async fn store(&self, devices: &[Arc<Open>], expect: Expect) -> Result<()> {
        let entries: Vec<&DeviceEntry> = devices.iter().map(|open| &open.entry).collect();
        let batch = Batch::new().expect(TABLE, expect).put(TABLE, serde_json::to_vec(&entries)?);
        Ok(self.storage.commit(batch).await?)
    }
    /// Enables a device that takes a first line; its salt is made here.
    ///
    /// # Errors
    /// When the path is taken, or the device cannot be opened or written to.
    pub async fn enable(&self, mut entry: DeviceEntry, now: Timestamp) -> Result<()> {
        let _one = self.change.lock().await;
        let mut devices = self.devices().to_vec();
        if devices.iter().any(|open| open.entry.path == entry.path) {
            return Err(Error::invalid(format!("path already in use: {}", entry.path)));
        }
        entry.salt = hex::encode(crate::barrier::Key::random()?.expose());
        let probe = entry.options.get("skip_test").is_none_or(|skip| !matches!(skip.as_str(), "true" | "1"));
        let open = Open::new(entry)?;
        if probe {
            let written = open.write(&Line::probe(now)).await;
            written.map_err(|error| Error::invalid(format!("audit device failed its test line: {error}")))?;
        }
        devices.push(Arc::new(open));
        let (_, expect) = self.read().await?;
        self.store(&devices, expect).await?;
        self.install(devices);
        Ok(())
    }
    /// Makes the declared devices exactly these; devices that were enabled through the API stay. A device that is
    /// declared as before keeps its salt and its open file.
    ///
    /// # Errors
    /// When a path is taken, a file cannot be opened, or storage fails: then nothing changes.
    pub async fn declare(&self, declared: &[Declared]) -> Result<()> {
        let _one = self.change.lock().await;
        let before = self.devices();
        let mut devices: Vec<Arc<Open>> = before.iter().filter(|open| !open.entry.declared).cloned().collect();
        for device in declared {
            if devices.iter().any(|open| open.entry.path == folder(&device.path)) {
                return Err(Error::invalid(format!("audit device {}: path already in use", folder(&device.path))));
            }
            devices.push(match before.iter().find(|open| open.entry.declared && device.is(&open.entry)) {
                Some(open) => Arc::clone(open),
                None => Arc::new(Open::new(device.entry(hex::encode(crate::barrier::Key::random()?.expose())))?),
            });
        }
        let unchanged = devices.len() == before.len()
            && devices.iter().all(|open| before.iter().any(|other| Arc::ptr_eq(open, other)));
        if unchanged {
            return Ok(());
        }
        let (_, expect) = self.read().await?;
        self.store(&devices, expect).await?;
        self.install(devices);
        Ok(())
    }
    /// Disables a device; unknown is success.
    ///
    /// # Errors
    /// When it is declared in the configuration file, or storage fails.
    pub async fn disable(&self, path: &str) -> Result<()> {
        let _one = self.change.lock().await;
        let mut devices = self.devices().to_vec();
        if devices.iter().any(|open| open.entry.path == path && open.entry.declared) {
            return Err(Error::invalid("the device is declared in the configuration file: remove it there"));
        }
        devices.retain(|open| open.entry.path != path);
        let (_, expect) = self.read().await?;
        self.store(&devices, expect).await?;
        self.install(devices);
        Ok(())
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
