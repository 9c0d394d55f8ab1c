//! `pid_file`.
use std::path::{Path, PathBuf};

/// The file, until it is dropped.
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the process's id.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(path: &Path) -> Result<Self, String> {
        let text = std::process::id().to_string();
        std::fs::write(path, text).map_err(|error| format!("could not open pid file {}: {error}", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // One that is gone already is what is wanted.
        let _ = std::fs::remove_file(&self.0);
    }
}
