//! The command line beside the field's: every line of the files in `against_bao/` is run by OpenBao's
//! own program and by this one, and exit code, stdout and stderr must be the same.
//!
//! Each program talks to a server of its own, both of OpenBao, started alike, because most commands
//! change what the next one sees. Before comparing, ids, times, ports and the name of the product are
//! replaced, JSON is compared as values, and white space on stderr does not count. What differs on
//! purpose is marked in the files and listed in `docs/compatibility.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may block its own thread and say why it skips"
)]
mod harness;

use harness::bao::{Bao, Server};
use harness::scenario::compare;

/// Two servers of the same kind, one for each program.
fn servers(bao: &Bao, flags: &[&str]) -> [Server; 2] {
    let [a, b] = [bao.start(flags), bao.start(flags)];
    [a.ready(), b.ready()]
}

async fn run(name: &str, script: &str, flags: &[&str]) {
    let Some(bao) = Bao::find() else { return };
    compare(&bao, servers(&bao, flags), name, script).await;
}

#[tokio::test]
async fn reading_writing_and_key_value_secrets() {
    run("secrets", include_str!("against_bao/secrets.txt"), &[]).await;
}

#[tokio::test]
async fn logins_tokens_wrapping_and_global_flags() {
    run("tokens", include_str!("against_bao/tokens.txt"), &[]).await;
}

#[tokio::test]
async fn mounts_policies_plugins_and_namespaces() {
    run("mounts", include_str!("against_bao/mounts.txt"), &[]).await;
}

#[tokio::test]
async fn operators_commands_on_a_running_server() {
    run("operator", include_str!("against_bao/operator.txt"), &[]).await;
}

#[tokio::test]
async fn initializing_a_server() {
    run("init", include_str!("against_bao/init.txt"), &["-dev-skip-init"]).await;
}

#[tokio::test]
async fn importing_transit_keys() {
    run("transit", include_str!("against_bao/transit.txt"), &[]).await;
}

#[tokio::test]
async fn logging_in_by_ssh_mounts() {
    run("ssh", include_str!("against_bao/ssh.txt"), &[]).await;
}

#[tokio::test]
async fn making_comparing_and_judging_authorities() {
    run("pki", include_str!("against_bao/pki.txt"), &[]).await;
}
