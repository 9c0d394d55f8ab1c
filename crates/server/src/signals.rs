//! What the process is told from outside.
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals the server listens to.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    look: Signal,
}

/// What a signal means.
pub enum Told {
    /// SIGINT or SIGTERM.
    Stop,
    /// SIGHUP.
    Reload,
    /// SIGUSR2, by which Vault writes down what it is doing; left alone it would end the process.
    Look,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            look: signal(SignalKind::user_defined2())?,
        })
    }
    /// Waits for the next one.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.terminate.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
            _ = self.look.recv() => Told::Look,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_signal_means_something_and_none_of_them_kills() {
        let mut signals = Signals::new().unwrap();
        let me = std::process::id().to_string();
        for name in ["-USR2", "-HUP", "-USR2", "-TERM"] {
            let sent = tokio::process::Command::new("kill").args([name, &me]).status().await.unwrap();
            assert!(sent.success());
            let told = signals.next().await;
            assert!(
                matches!((name, told), ("-USR2", Told::Look) | ("-HUP", Told::Reload) | ("-TERM", Told::Stop)),
                "{name}"
            );
        }
    }
}
