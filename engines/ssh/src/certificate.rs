//! An OpenSSH certificate: what is in it and how it is written (PROTOCOL.certkeys of OpenSSH).
use crate::pair::{Pair, RsaDigest};
use crate::wire::{put, take};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lessor_engine::{Error, Result};
use std::collections::BTreeMap;

/// Bytes of the nonce, as `ssh-keygen` takes them.
const NONCE: usize = 32;

/// Whom a certificate speaks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    User,
    Host,
}

/// Everything in a certificate but the CA and its signature.
pub(crate) struct Content<'a> {
    /// The blob of the key that is certified: its name, then its numbers.
    pub(crate) key: &'a [u8],
    pub(crate) serial: u64,
    pub(crate) kind: Kind,
    pub(crate) key_id: &'a str,
    pub(crate) principals: &'a [String],
    /// Seconds since 1970.
    pub(crate) valid_after: u64,
    pub(crate) valid_before: u64,
    pub(crate) critical_options: &'a BTreeMap<String, String>,
    pub(crate) extensions: &'a BTreeMap<String, String>,
}

/// The name of the certificates of a kind of key; `None` where OpenSSH has none.
fn certificate_name(key: &str) -> Option<&'static str> {
    Some(match key {
        "ssh-rsa" => "ssh-rsa-cert-v01@openssh.com",
        "ssh-dss" => "ssh-dss-cert-v01@openssh.com",
        "ssh-ed25519" => "ssh-ed25519-cert-v01@openssh.com",
        "ecdsa-sha2-nistp256" => "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        "ecdsa-sha2-nistp384" => "ecdsa-sha2-nistp384-cert-v01@openssh.com",
        "ecdsa-sha2-nistp521" => "ecdsa-sha2-nistp521-cert-v01@openssh.com",
        "sk-ssh-ed25519@openssh.com" => "sk-ssh-ed25519-cert-v01@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com" => "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
        _ => return None,
    })
}

/// Options in the order of their names; a value lies in a string of its own, and no value is nothing.
fn options(map: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in map {
        put(&mut out, name.as_bytes());
        let mut data = Vec::new();
        if !value.is_empty() {
            put(&mut data, value.as_bytes());
        }
        put(&mut out, &data);
    }
    out
}

impl Content<'_> {
    /// The certificate as a line with a line end, signed by `ca`.
    ///
    /// # Errors
    /// When there are no certificates for this kind of key, or the CA cannot sign.
    pub(crate) fn signed_by(&self, ca: &Pair, digest: RsaDigest) -> Result<String> {
        let broken = || Error::invalid("public_key is no SSH key that a certificate can be made for");
        let mut numbers = self.key;
        let name = take(&mut numbers).and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(broken)?;
        let name = certificate_name(name).ok_or_else(broken)?;
        let mut nonce = [0; NONCE];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Error::Internal("the system gives no randomness".to_owned()))?;
        let mut out = Vec::with_capacity(2048);
        put(&mut out, name.as_bytes());
        put(&mut out, &nonce);
        out.extend_from_slice(numbers);
        out.extend_from_slice(&self.serial.to_be_bytes());
        let kind: u32 = if self.kind == Kind::User { 1 } else { 2 };
        out.extend_from_slice(&kind.to_be_bytes());
        put(&mut out, self.key_id.as_bytes());
        let mut principals = Vec::new();
        self.principals.iter().for_each(|principal| put(&mut principals, principal.as_bytes()));
        put(&mut out, &principals);
        out.extend_from_slice(&self.valid_after.to_be_bytes());
        out.extend_from_slice(&self.valid_before.to_be_bytes());
        put(&mut out, &options(self.critical_options));
        put(&mut out, &options(self.extensions));
        put(&mut out, b"");
        put(&mut out, ca.public());
        let signature = ca.sign(&out, digest)?;
        put(&mut out, &signature);
        Ok(format!("{name} {}\n", STANDARD.encode(&out)))
    }
}
