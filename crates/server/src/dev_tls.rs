//! The certificate of `-dev-tls`, and the authority that signs it.
use crate::config::{ClientCertificates, Tls, Versions};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Names of the files, as Vault calls them.
pub const CA: &str = "vault-ca.pem";
const CERTIFICATE: &str = "vault-cert.pem";
const KEY: &str = "vault-key.pem";

/// Makes an authority and a certificate for this host and `names`, and writes them to `folder`.
///
/// # Errors
/// What cannot be made or written.
pub fn generate(folder: &Path, names: &[String]) -> Result<Tls, String> {
    let (authority, certificate, key) = make(names).map_err(|error| format!("-dev-tls: {error}"))?;
    let write = |name: &str, text: &str| write(&folder.join(name), text);
    write(CA, &authority)
        .and_then(|_| write(CERTIFICATE, &certificate))
        .and_then(|_| write(KEY, &key))
        .map_err(|error| format!("-dev-tls: {}: {error}", folder.display()))?;
    Ok(Tls {
        certificate: folder.join(CERTIFICATE),
        key: folder.join(KEY),
        versions: Versions::Both,
        cipher_suites: Vec::new(),
        clients: ClientCertificates::Requested,
        reload_every: None,
    })
}

fn make(names: &[String]) -> Result<(String, String, String), rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Lessor dev CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    hosts.extend(nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()));
    hosts.extend(names.iter().filter(|name| !name.is_empty()).cloned());
    let mut certificate = CertificateParams::new(hosts)?;
    certificate.distinguished_name.push(DnType::CommonName, "localhost");
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let signed = certificate.signed_by(&key, &issuer)?;
    Ok((authority_pem, signed.pem(), key.serialize_pem()))
}

fn write(path: &PathBuf, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
