//! Where lines go, by a thread of its own for each device: a disk or a peer that hangs blocks nobody else.
mod file;
mod socket;
mod syslog;

use std::collections::BTreeMap;
use std::io;
use tokio::sync::{mpsc, oneshot};

const BOUND: usize = 1024;

/// One destination; called by its device's thread only, so it may block.
trait Sink: Send {
    /// Takes one line, its newline included. Network calls are bound by the sink itself, a disk that hangs by the bound
    /// of the request that waits.
    fn write(&mut self, line: &[u8]) -> io::Result<()>;
    /// Opens the destination anew, after a log rotation.
    fn reopen(&mut self);
}

/// A device that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such type.
    #[error("unknown backend type: {0:?}: use file, syslog or socket")]
    Kind(String),
    /// An option that is missing or makes no sense.
    #[error("{0}")]
    Option(String),
    /// The destination cannot be opened.
    #[error("sanity check failed; unable to open {target:?} for writing: {source}")]
    Open {
        /// Which.
        target: String,
        /// Why.
        source: io::Error,
    },
}

type Options = BTreeMap<String, String>;

enum Job {
    Line(Vec<u8>, oneshot::Sender<io::Result<()>>),
    Reopen,
}

/// An open device.
pub struct Device {
    jobs: mpsc::Sender<Job>,
}

impl Device {
    /// Opens a device of that type.
    ///
    /// # Errors
    /// When the options make no sense or the destination cannot be opened.
    pub fn open(kind: &str, options: &Options) -> Result<Self, DeviceError> {
        let sink: Box<dyn Sink> = match kind {
            "file" => file::open(options)?,
            "syslog" => Box::new(syslog::Syslog::open(options)?),
            "socket" => Box::new(socket::Socket::open(options)?),
            other => return Err(DeviceError::Kind(other.to_owned())),
        };
        Self::start(sink).map_err(|source| DeviceError::Open { target: kind.to_owned(), source })
    }
    fn start(mut sink: Box<dyn Sink>) -> io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel(BOUND);
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                match job {
                    // The asker may be gone; the line is written all the same.
                    Job::Line(line, done) => drop(done.send(sink.write(&line))),
                    Job::Reopen => sink.reopen(),
                }
            }
        })?;
        Ok(Self { jobs })
    }
    /// Writes one line.
    ///
    /// # Errors
    /// When the destination does not take it.
    pub async fn write(&self, line: Vec<u8>) -> io::Result<()> {
        let gone = || io::Error::other("the audit thread has ended");
        let (done, written) = oneshot::channel();
        self.jobs.send(Job::Line(line, done)).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
    /// Opens the destination anew, after a log rotation.
    pub async fn reopen(&self) {
        // A thread that has ended fails the next write, which tells.
        let _ = self.jobs.send(Job::Reopen).await;
    }
}
