//! An STS of our own in Python, which verifies identity tokens with an independent library and the published keys.
use super::tool;
use crate::lessor::free_port;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running stand-in, stopped when dropped.
pub struct Sts {
    child: Child,
    said: BufReader<ChildStdout>,
    pub endpoint: String,
}

impl Sts {
    /// One whose only role trusts the tokens of `issuer`.
    pub fn trusting(issuer: &str) -> Self {
        let port = free_port();
        let mut child = Command::new(tool("pyjwt-2", "python"))
            .args(["-c", include_str!("sts.py"), &port.to_string(), issuer])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut sts = Self { child, said, endpoint: format!("http://127.0.0.1:{port}") };
        assert_eq!(sts.line(), "ready");
        sts
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// The session name and the claims of the next token that was accepted.
    pub fn accepted(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Sts {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
