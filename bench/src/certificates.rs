//! Certificates of pki and ssh mounts, beside the peer and beside bare signing.
use crate::load::{self, Ask};
use crate::raw::{Algorithm, signatures};
use crate::server::Server;
use crate::{Bench, CLIENTS};
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::path::Path;
use std::process::Command;

/// One line of work: what it is called, what signing it is compared with, path and body.
struct Work {
    name: &'static str,
    algorithm: Algorithm,
    path: &'static str,
    body: String,
}

/// Mounts an authority with this kind of key, and roles for it that store (`app`) and that do not (`quick`).
fn authority(bench: &Bench, mount: &str, kind: &str) -> Result<()> {
    let tuned = json!({ "type": "pki", "config": { "max_lease_ttl": "87600h" } });
    bench.both("POST", &format!("sys/mounts/{mount}"), &tuned)?;
    let root = json!({ "common_name": "Bench", "key_type": kind, "ttl": "87600h" });
    bench.both("POST", &format!("{mount}/root/generate/internal"), &root)?;
    for (role, stored) in [("app", true), ("quick", false)] {
        let fields = json!({ "allow_any_name": true, "key_type": kind, "ttl": "1h", "no_store": !stored });
        bench.both("POST", &format!("{mount}/roles/{role}"), &fields)?;
    }
    Ok(())
}

/// A request for a certificate of an RSA key, as its owner makes it.
fn request(directory: &Path) -> Result<String> {
    let at = directory.join("request.pem");
    let key = directory.join("request.key");
    let made = Command::new("openssl")
        .args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=host.bench.test", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&at)
        .output()?;
    if !made.status.success() {
        return Err(Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
    }
    std::fs::read_to_string(at)
}

fn user_key(directory: &Path) -> Result<String> {
    let at = directory.join("user");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&at).status()?;
    if !made.success() {
        return Err(Error::other("ssh-keygen made no key"));
    }
    std::fs::read_to_string(at.with_extension("pub"))
}

fn ssh(bench: &Bench, mount: &str, kind: &Value) -> Result<()> {
    bench.both("POST", &format!("sys/mounts/{mount}"), &json!({ "type": "ssh" }))?;
    bench.both("POST", &format!("{mount}/config/ca"), kind)?;
    let role = json!({
        "key_type": "ca", "allow_user_certificates": true, "allowed_users": "*", "default_user": "ann", "ttl": "1h",
        "default_extensions": { "permit-pty": "" },
    });
    bench.both("POST", &format!("{mount}/roles/ops"), &role)
}

fn works(bench: &Bench, directory: &Path) -> Result<Vec<Work>> {
    for (mount, kind) in [("ec", "ec"), ("rsa", "rsa"), ("ed", "ed25519")] {
        authority(bench, mount, kind)?;
    }
    ssh(bench, "ssh-ed", &json!({ "key_type": "ed25519" }))?;
    ssh(bench, "ssh-rsa", &json!({ "key_type": "rsa", "key_bits": 2048 }))?;
    let names = json!({ "common_name": "host.bench.test" }).to_string();
    let csr = json!({ "csr": request(directory)?, "common_name": "host.bench.test" }).to_string();
    let public = json!({ "public_key": user_key(directory)? }).to_string();
    let made = json!({ "key_type": "ed25519" }).to_string();
    let work = |name, algorithm, path, body: &String| Work { name, algorithm, path, body: body.clone() };
    Ok(vec![
        work("pki issue, P-256 by P-256", Algorithm::P256, "ec/issue/app", &names),
        work("pki issue, Ed25519 by Ed25519", Algorithm::Ed25519, "ed/issue/app", &names),
        work("pki sign, RSA-2048 by RSA-2048", Algorithm::Rsa2048, "rsa/sign/app", &csr),
        work("the same, not stored", Algorithm::Rsa2048, "rsa/sign/quick", &csr),
        work("ssh sign, Ed25519 by Ed25519", Algorithm::Ed25519, "ssh-ed/sign/ops", &public),
        work("ssh sign, Ed25519 by RSA-2048", Algorithm::Rsa2048, "ssh-rsa/sign/ops", &public),
        work("ssh issue, Ed25519 by Ed25519", Algorithm::Ed25519, "ssh-ed/issue/ops", &made),
    ])
}

/// Measures every work at both, and signing alone right after.
///
/// # Errors
/// When a server or a tool fails.
pub fn run(bench: &Bench, directory: &Path) -> Result<()> {
    let works = works(bench, directory)?;
    println!(
        "\n| certificates | clients | peer: per second / p50 / p99 ms | Lessor | ratio | signatures alone | Lessor / alone |\n|---|---|---|---|---|---|---|"
    );
    for work in &works {
        for clients in CLIENTS {
            let ask: &Ask<'_> = &|_, _| ("POST", work.path.to_owned(), work.body.clone());
            let measure = |server: &Server| load::run(server.port, &server.token, clients, bench.seconds, ask);
            let (peer, lessor) = (measure(&bench.peer)?, measure(&bench.lessor)?);
            let alone = signatures(work.algorithm, clients, bench.seconds)?;
            let (ratio, share) = (lessor.rate / peer.rate, lessor.rate / alone);
            println!("| {} | {clients} | {peer} | {lessor} | {ratio:.2} | {alone:.0} | {share:.2} |", work.name);
        }
    }
    Ok(())
}
