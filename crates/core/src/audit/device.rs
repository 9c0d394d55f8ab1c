//! A file that lines are appended to, by a thread of its own: the disk blocks nobody else.
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

const BOUND: usize = 1024;

enum Job {
    Line(Vec<u8>, oneshot::Sender<std::io::Result<()>>),
    Reopen,
}

/// An open audit file.
pub struct Device {
    jobs: mpsc::Sender<Job>,
}

fn open(path: &Path, mode: u32) -> std::io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(mode).open(path)
}

impl Device {
    /// Opens (or creates, with `mode`) the file.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: PathBuf, mode: u32) -> std::io::Result<Self> {
        let mut file = open(&path, mode)?;
        let (jobs, mut queue) = mpsc::channel(BOUND);
        std::thread::Builder::new().name("audit".into()).spawn(move || {
            while let Some(job) = queue.blocking_recv() {
                match job {
                    // The asker may be gone; the line is written all the same.
                    Job::Line(line, done) => drop(done.send(file.write_all(&line))),
                    Job::Reopen => match open(&path, mode) {
                        Ok(fresh) => file = fresh,
                        Err(error) => tracing::error!(path = %path.display(), %error, "the audit file stays as it is"),
                    },
                }
            }
        })?;
        Ok(Self { jobs })
    }
    /// Appends one line.
    ///
    /// # Errors
    /// When the file does not take it.
    pub async fn write(&self, line: Vec<u8>) -> std::io::Result<()> {
        let (done, written) = oneshot::channel();
        let gone = || std::io::Error::other("the audit thread has ended");
        self.jobs.send(Job::Line(line, done)).await.map_err(|_| gone())?;
        written.await.map_err(|_| gone())?
    }
    /// Opens the path anew, after a log rotation.
    pub async fn reopen(&self) {
        // A thread that has ended fails the next write, which tells.
        let _ = self.jobs.send(Job::Reopen).await;
    }
}
