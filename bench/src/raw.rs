//! What signing alone takes: `openssl speed` on as many cores as the clients of a row could use.
use std::io::{Error, Result};
use std::process::{Command, Stdio};

/// Algorithms as `openssl speed` calls them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Rsa2048,
    P256,
    Ed25519,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Rsa2048 => "rsa2048",
            Self::P256 => "ecdsap256",
            Self::Ed25519 => "ed25519",
        }
    }
    /// The line with the rates, and the field of it that is signing.
    fn place(self) -> (&'static str, usize) {
        match self {
            Self::Rsa2048 => ("+F2:", 3),
            Self::P256 => ("+F4:", 3),
            Self::Ed25519 => ("+F6:", 4),
        }
    }
}

/// Signatures per second, by the clock on the wall, of `clients` who do nothing else, at most one a core.
///
/// # Errors
/// When there is no openssl.
pub fn signatures(algorithm: Algorithm, clients: usize, seconds: f64) -> Result<f64> {
    let cores = std::thread::available_parallelism()?.get();
    let whole = format!("{:.0}", seconds.max(1.0));
    let spawn = |_| {
        let mut command = Command::new("openssl");
        command.args(["speed", "-mr", "-elapsed", "-seconds", &whole, algorithm.name()]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    };
    let running = (0..clients.min(cores)).map(spawn).collect::<Result<Vec<_>>>()?;
    let (line, field) = algorithm.place();
    let mut sum = 0.0;
    for child in running {
        let output = child.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rate = text.lines().find(|text| text.starts_with(line)).and_then(|line| line.split(':').nth(field));
        sum += rate.and_then(|rate| rate.parse::<f64>().ok()).ok_or_else(|| Error::other(text.clone()))?;
    }
    Ok(sum)
}
