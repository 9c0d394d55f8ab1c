//! A share of a processor for one process: several machines on one, as far as processor time goes.
use std::io::Result;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PERIOD: Duration = Duration::from_millis(20);

/// A control group with a bound. Removed when dropped, once its process has ended.
pub struct Quota {
    group: PathBuf,
}

impl Drop for Quota {
    fn drop(&mut self) {
        // It stays behind, empty, where the process lives a moment longer.
        let _ = std::fs::remove_dir(&self.group);
    }
}

impl Quota {
    /// `share` of one processor; `None` on a machine where groups cannot be made.
    pub fn new(name: &str, share: f64) -> Option<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let period = PERIOD.as_micros();
        let quota = (PERIOD.mul_f64(share)).as_micros();
        // Version 1 has a tree per resource, version 2 one for all.
        let first = root.join("cpu");
        let (tree, files) = if first.is_dir() {
            (first, vec![("cpu.cfs_period_us", period.to_string()), ("cpu.cfs_quota_us", quota.to_string())])
        } else {
            (root.to_owned(), vec![("cpu.max", format!("{quota} {period}"))])
        };
        let group = tree.join(format!("lessor-bench-{}-{name}", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        let made = Self { group };
        files.iter().all(|(file, text)| std::fs::write(made.group.join(file), text).is_ok()).then_some(made)
    }
    /// Puts a process under the bound.
    pub fn hold(&self, process: u32) -> Result<()> {
        std::fs::write(self.group.join("cgroup.procs"), process.to_string())
    }
}
