//! The TLS keys of a listener.
use super::Fault;
use super::value::{duration, flag, list, text};
use lessor_hcl::Body;
use rustls::{ProtocolVersion, SupportedCipherSuite};
use std::path::PathBuf;
use std::time::Duration;

/// TLS of one listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and the chain behind it, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The versions that are spoken.
    pub versions: Versions,
    /// Names of the suites, as Go's library spells them; empty is every one that is safe.
    pub cipher_suites: Vec<String>,
    /// What is asked of clients.
    pub clients: ClientCertificates,
    /// How often the files are looked at for a new certificate, beside SIGHUP.
    pub reload_every: Option<Duration>,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 and 1.3.
    Both,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

/// What is asked of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing.
    Off,
    /// A certificate if they have one; whose it is, auth methods decide.
    Requested,
    /// A certificate of these authorities.
    Required(PathBuf),
}

pub(super) fn tls(body: &Body) -> Result<Tls, Fault> {
    let (Some(certificate), Some(key)) = (text(body, "tls_cert_file")?, text(body, "tls_key_file")?) else {
        let text = "listener: 'tls_cert_file' and 'tls_key_file' must be set, or tls_disable = true";
        return Err(Fault::Value(text.into()));
    };
    let cipher_suites = list(body, "tls_cipher_suites")?;
    if let Some(name) = cipher_suites.iter().find(|name| !ignored_suite(name) && suite(name).is_none()) {
        return Err(Fault::Value(format!("tls_cipher_suites: unsupported cipher '{name}': use ECDHE suites with GCM")));
    }
    let every = duration(body, "tls_auto_reload_interval")?.unwrap_or(Duration::from_secs(30));
    Ok(Tls {
        certificate: certificate.into(),
        key: key.into(),
        versions: versions(body)?,
        cipher_suites,
        clients: clients(body)?,
        reload_every: flag(body, "tls_auto_reload")?.then_some(every.max(Duration::from_secs(1))),
    })
}

/// Versions as a half-open range: below TLS 1.2 nothing is spoken.
fn versions(body: &Body) -> Result<Versions, Fault> {
    let version = |name: &str, default: u8| match text(body, name)?.as_deref() {
        None | Some("") => Ok(default),
        Some("tls10" | "tls11") => Ok(1),
        Some("tls12") => Ok(2),
        Some("tls13") => Ok(3),
        Some(other) => Err(Fault::Value(format!("{name}: unknown version '{other}': use tls12 or tls13"))),
    };
    match (version("tls_min_version", 2)?, version("tls_max_version", 3)?) {
        (_, 1) => Err(Fault::Value("tls_max_version: TLS below 1.2 is not spoken: use tls12 or tls13".into())),
        (3, 2) => Err(Fault::Value("tls_max_version must be greater than or equal to tls_min_version".into())),
        (3, _) => Ok(Versions::Only13),
        (_, 2) => Ok(Versions::Only12),
        _ => Ok(Versions::Both),
    }
}

fn clients(body: &Body) -> Result<ClientCertificates, Fault> {
    let required = flag(body, "tls_require_and_verify_client_cert")?;
    let off = flag(body, "tls_disable_client_certs")?;
    let authorities = text(body, "tls_client_ca_file")?.filter(|path| !path.is_empty());
    match (off, required, authorities) {
        (true, true, _) => Err(Fault::Value(
            "'tls_disable_client_certs' and 'tls_require_and_verify_client_cert' are mutually exclusive".into(),
        )),
        (true, false, _) => Ok(ClientCertificates::Off),
        (false, true, Some(path)) => Ok(ClientCertificates::Required(path.into())),
        (false, true, None) => Err(Fault::Value(
            "tls_require_and_verify_client_cert needs 'tls_client_ca_file', the authorities to verify with".into(),
        )),
        (false, false, _) => Ok(ClientCertificates::Requested),
    }
}

/// The suite of a name as Go's library spells it.
pub(crate) fn suite(name: &str) -> Option<SupportedCipherSuite> {
    // rustls writes TLS13_ where Go writes TLS_.
    let ours = |suite: &SupportedCipherSuite| {
        let spelled = format!("{:?}", suite.suite());
        let go = if suite.version().version == ProtocolVersion::TLSv1_3 {
            spelled.replacen("TLS13_", "TLS_", 1)
        } else {
            spelled
        };
        go == name || go.strip_suffix("_SHA256") == Some(name)
    };
    rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES.iter().copied().find(|suite| ours(suite))
}

/// Suites with CBC or without forward secrecy: a list that names them loses them.
fn ignored_suite(name: &str) -> bool {
    name.contains("_CBC_") || name.starts_with("TLS_RSA_") || name.contains("_RC4_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Tls, String> {
        let text = format!("tls_cert_file = \"c\"\n tls_key_file = \"k\"\n {text}");
        tls(&lessor_hcl::parse(&text).unwrap()).map_err(|fault| match fault {
            Fault::Value(text) => text,
            Fault::Syntax(error) => error.to_string(),
        })
    }

    #[test]
    fn versions_below_1_2_are_never_spoken() {
        assert_eq!(read("").unwrap().versions, Versions::Both);
        assert_eq!(read("tls_min_version = \"tls10\"").unwrap().versions, Versions::Both);
        assert_eq!(read("tls_min_version = \"tls13\"").unwrap().versions, Versions::Only13);
        assert_eq!(read("tls_max_version = \"tls12\"").unwrap().versions, Versions::Only12);
        assert!(read("tls_max_version = \"tls11\"").unwrap_err().contains("below 1.2"));
        assert!(read("tls_min_version = \"tls13\"\n tls_max_version = \"tls12\"").is_err());
        assert!(read("tls_min_version = \"ssl3\"").unwrap_err().contains("use tls12 or tls13"));
    }

    #[test]
    fn suites_carry_gos_names() {
        assert!(suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256").is_some());
        assert!(suite("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305").is_some());
        assert!(suite("TLS_AES_256_GCM_SHA384").is_some());
        assert!(read("tls_cipher_suites = \"TLS_FROBNICATE\"").unwrap_err().contains("TLS_FROBNICATE"));
        assert!(read("tls_cipher_suites = \"TLS_RSA_WITH_AES_128_CBC_SHA\"").is_ok());
    }

    #[test]
    fn requiring_a_client_certificate_needs_authorities() {
        assert_eq!(read("").unwrap().clients, ClientCertificates::Requested);
        assert!(read("tls_require_and_verify_client_cert = true").unwrap_err().contains("tls_client_ca_file"));
        assert!(read("tls_require_and_verify_client_cert = 1\n tls_disable_client_certs = 1").is_err());
    }
}
