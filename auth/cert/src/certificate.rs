//! What is read out of a certificate, by the people's names for it.
use aws_lc_rs::digest::{SHA256, digest};
use lessor_engine::Timestamp;
use std::collections::BTreeMap;
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, ParsedExtension, X509Certificate};

/// A certificate's names, keys and extensions.
#[derive(Default, Debug)]
pub(crate) struct Certificate {
    pub(crate) common_name: String,
    pub(crate) dns: Vec<String>,
    pub(crate) emails: Vec<String>,
    pub(crate) uris: Vec<String>,
    pub(crate) units: Vec<String>,
    pub(crate) organizations: Vec<String>,
    /// Decimal.
    pub(crate) serial: String,
    /// Hex pairs with colons; empty where there is none.
    pub(crate) subject_key_id: String,
    /// As [`Certificate::subject_key_id`].
    pub(crate) authority_key_id: String,
    /// SHA-256 of the public key, in hex.
    pub(crate) key: String,
    /// Its own name in DER, in hex.
    pub(crate) subject: String,
    /// The issuer's name in DER, in hex.
    pub(crate) issuer: String,
    /// By object identifier: the extension's raw value.
    pub(crate) extensions: BTreeMap<String, Vec<u8>>,
    pub(crate) is_ca: bool,
    /// Whether its extended key usage names client authentication (or any).
    pub(crate) for_clients: bool,
    /// Whether it has an extended key usage at all.
    pub(crate) limited_use: bool,
    valid: (i64, i64),
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

impl Certificate {
    /// `None` for what is no X.509 certificate.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let texts = |names: Vec<Option<&str>>| names.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>();
        let subject = parsed.subject();
        let validity = parsed.validity();
        let mut certificate = Self {
            common_name: subject.iter_common_name().find_map(|name| name.as_str().ok()).unwrap_or_default().to_owned(),
            units: texts(subject.iter_organizational_unit().map(|name| name.as_str().ok()).collect()),
            organizations: texts(subject.iter_organization().map(|name| name.as_str().ok()).collect()),
            serial: parsed.tbs_certificate.serial.to_string(),
            key: hex::encode(digest(&SHA256, parsed.public_key().raw)),
            subject: hex::encode(subject.as_raw()),
            issuer: hex::encode(parsed.issuer().as_raw()),
            is_ca: parsed.is_ca(),
            valid: (validity.not_before.timestamp(), validity.not_after.timestamp()),
            ..Self::default()
        };
        for extension in parsed.extensions() {
            certificate.extensions.insert(extension.oid.to_id_string(), extension.value.to_vec());
            certificate.take(extension.parsed_extension());
        }
        Some(certificate)
    }
    fn take(&mut self, extension: &ParsedExtension<'_>) {
        match extension {
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = colons(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|id| colons(id.0)).unwrap_or_default();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.limited_use = true;
                self.for_clients = usage.client_auth || usage.any;
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    match name {
                        GeneralName::DNSName(name) => self.dns.push((*name).to_owned()),
                        GeneralName::RFC822Name(name) => self.emails.push((*name).to_owned()),
                        GeneralName::URI(name) => self.uris.push((*name).to_owned()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    pub(crate) fn is_valid_at(&self, now: Timestamp) -> bool {
        let now = now.as_second();
        self.valid.0 <= now && now <= self.valid.1
    }
    /// The text of an extension whose value is an ASN.1 string.
    pub(crate) fn extension_text(&self, oid: &str) -> Option<String> {
        const UTF8: u8 = 0x0c;
        const PRINTABLE: u8 = 0x13;
        const IA5: u8 = 0x16;
        let value = self.extensions.get(oid)?;
        let (header, any) = x509_parser::der_parser::asn1_rs::Any::from_der(value).ok()?;
        let tag = u8::try_from(any.header.tag().0).ok()?;
        (header.is_empty() && [UTF8, PRINTABLE, IA5].contains(&tag))
            .then(|| String::from_utf8(any.data.to_vec()).ok())
            .flatten()
    }
}

/// Seconds since 1970 of a time in a certificate or list.
pub(crate) fn seconds(time: ASN1Time) -> i64 {
    time.timestamp()
}
