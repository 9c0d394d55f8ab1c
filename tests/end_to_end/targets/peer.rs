//! OpenBao's server in dev mode, as the reference that the same requests are sent to.
use super::tool;
use crate::lessor::free_port;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running peer with the root token `root`. Killed when dropped.
pub struct Peer {
    child: Child,
    pub address: String,
}

impl Peer {
    pub fn start() -> Self {
        let listen = format!("127.0.0.1:{}", free_port());
        let child = Command::new(tool("bao-2.7.2", "bao"))
            .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address={listen}"))
            .env("HOME", "/nonexistent")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let peer = Self { child, address: format!("http://{listen}") };
        let end = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(&listen).is_err() {
            assert!(Instant::now() < end, "the peer does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        peer
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
