//! ssh at work.
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use zeroize::Zeroizing;

use crate::command::Outcome;
use crate::data::reason;
use crate::failure::Failure;

/// What ssh answers with when it is not the command on the host that failed; also taken when a signal ended it.
const BROKEN: i32 = 255;

/// How ssh is started.
pub struct Session {
    pub program: String,
    pub strict: String,
    pub known_hosts: Option<PathBuf>,
    pub interactive: bool,
    /// The user's own options, host and command, unchanged.
    pub words: Vec<String>,
}

/// A path as a value of one of ssh's options, which splits at white space.
pub fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

impl Session {
    /// Runs ssh with these options in front of the user's own, a password typed by the program that comes with it, and
    /// returns its exit code.
    pub async fn run(&self, options: Vec<String>, typed: Option<(PathBuf, Zeroizing<String>)>) -> Outcome {
        let mut command = match &typed {
            Some((program, password)) => {
                let mut command = Command::new(program);
                command.arg("-e").arg(&self.program).env("SSHPASS", password.as_str());
                command
            }
            None => Command::new(&self.program),
        };
        command.args(options).arg("-o").arg(format!("StrictHostKeyChecking={}", self.strict));
        if let Some(path) = &self.known_hosts {
            command.arg("-o").arg(format!("UserKnownHostsFile={}", quoted(path)));
        }
        command.args(&self.words);
        if !self.interactive {
            command.stdin(Stdio::null());
        }
        let failed =
            |error: std::io::Error| Failure::remote(format!("failed to run {}: {}", self.program, reason(&error)));
        let mut child = command.spawn().map_err(failed)?;
        loop {
            tokio::select! {
                ended = child.wait() => return Ok(ended.map_err(failed)?.code().unwrap_or(BROKEN)),
                // Meant for ssh, which got it too; what was made for the session is cleared away after it.
                interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failed)?,
            }
        }
    }
}
