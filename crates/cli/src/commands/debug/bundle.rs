//! The files of a bundle, in memory until they are written together.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value, json};

use crate::duration;

/// More log than this is cut off, so that a talkative server cannot fill the memory.
const LOG_LIMIT: usize = 64 << 20;

/// What was gathered so far.
#[derive(Default)]
pub struct Bundle {
    files: BTreeMap<String, Vec<u8>>,
    samples: BTreeMap<&'static str, Vec<Value>>,
    counts: BTreeMap<String, usize>,
    problems: Vec<String>,
}

impl Bundle {
    /// Sets a file.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), bytes);
    }

    /// Appends to a file, up to the limit of the log.
    pub fn append(&mut self, name: &str, bytes: &[u8]) {
        let file = self.files.entry(name.to_owned()).or_default();
        let room = LOG_LIMIT.saturating_sub(file.len());
        file.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Adds one look at a target.
    pub fn sample(&mut self, target: &'static str, path: &str, mut data: Value) {
        if let Value::Object(map) = &mut data {
            map.insert("captured_from".to_owned(), json!(path));
        }
        self.samples.entry(target).or_default().push(data);
    }

    /// How often this was asked before.
    pub fn count(&mut self, what: &str) -> usize {
        let count = self.counts.entry(what.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Notes what could not be had, once.
    pub fn problem(&mut self, target: &str, why: &str) {
        let text = format!("{target}: {}", why.split_whitespace().collect::<Vec<_>>().join(" "));
        if !self.problems.contains(&text) {
            self.problems.push(text);
        }
    }

    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Says what the bundle holds; turns the samples into files.
    pub fn index(
        &mut self,
        address: &str,
        targets: &[&str],
        length: Duration,
        interval: Duration,
        metrics_interval: Duration,
    ) -> String {
        for (target, samples) in std::mem::take(&mut self.samples) {
            let name = format!("{}.json", target.replace('-', "_"));
            self.add(&name, serde_json::to_vec_pretty(&samples).unwrap_or_default());
        }
        let files: Map<String, Value> =
            self.files.iter().map(|(name, bytes)| (name.clone(), json!({ "bytes": bytes.len() }))).collect();
        let index = json!({
            "version": 1,
            "vault_address": address,
            "client_version": env!("CARGO_PKG_VERSION"),
            "duration": duration::full(length),
            "interval": duration::full(interval),
            "metrics_interval": duration::full(metrics_interval),
            "targets": targets,
            "output": files,
            "errors": self.problems,
        });
        format!("{index:#}\n")
    }

    /// Writes the files into a new directory.
    pub fn directory(&self, path: &Path) -> Result<(), String> {
        std::fs::create_dir_all(path).map_err(|error| error.to_string())?;
        for (name, bytes) in &self.files {
            std::fs::write(path.join(name), bytes).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(())
    }

    /// Writes the files as a `.tar.gz` whose folder is named like the archive.
    pub fn archive(&self, path: &Path) -> Result<(), String> {
        let fail = |error: std::io::Error| error.to_string();
        let folder = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = folder.trim_end_matches(".tar.gz").to_owned();
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(fail)?;
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        for (name, bytes) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, format!("{folder}/{name}"), bytes.as_slice()).map_err(fail)?;
        }
        let file = archive.into_inner().and_then(GzEncoder::finish).map_err(fail)?;
        file.sync_all().map_err(fail)
    }
}
