//! Certificates as the commands compare them.
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

use super::signature;

/// A certificate in DER that was read once without a fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate(Vec<u8>);

/// How one certificate relates to another that may have issued it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Relation {
    /// The parent's subject is the child's issuer.
    pub subject: bool,
    /// The parent is in the child's chain.
    pub path: bool,
    /// Whoever trusts the parent alone trusts the child now.
    pub trust: bool,
    /// The parent's key identifier is the one that the child names.
    pub key_id: bool,
    /// The parent's key signed the child.
    pub signature: bool,
}

impl Certificate {
    /// # Errors
    /// When the text is no certificate in PEM.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| "it is no PEM block".to_owned())?;
        X509Certificate::from_der(&pem.contents).map_err(|error| format!("it is no certificate: {error}"))?;
        Ok(Self(pem.contents))
    }

    /// Hands out what is inside; `None` never comes of what [`Self::from_pem`] made.
    pub fn read<T>(&self, look: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
        X509Certificate::from_der(&self.0).ok().map(|(_, parsed)| look(&parsed))
    }

    pub fn is_ca(&self) -> bool {
        self.read(|cert| cert.is_ca()).unwrap_or_default()
    }

    /// Seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.read(|cert| cert.validity().not_after.timestamp()).unwrap_or_default()
    }

    pub fn is_self_signed(&self) -> bool {
        self.subject() == self.issuer() && self.is_signed_by(self)
    }

    fn subject(&self) -> Vec<u8> {
        self.read(|cert| cert.subject().as_raw().to_vec()).unwrap_or_default()
    }

    fn issuer(&self) -> Vec<u8> {
        self.read(|cert| cert.issuer().as_raw().to_vec()).unwrap_or_default()
    }

    /// Whether `other` may issue certificates and its key signed this one.
    fn is_signed_by(&self, other: &Self) -> bool {
        let signed = |cert: &X509Certificate<'_>| {
            other.read(|parent| {
                let usage = parent.key_usage().ok().flatten();
                let may = parent.is_ca() && usage.is_none_or(|usage| usage.value.key_cert_sign());
                may && signature::is_signed_by(cert, parent.public_key())
            })
        };
        self.read(signed).flatten().unwrap_or_default()
    }

    /// Whether `other` issued this one, by name and signature.
    pub fn is_issued_by(&self, other: &Self) -> bool {
        self.issuer() == other.subject() && self.is_signed_by(other)
    }

    pub fn key_id(&self) -> Vec<u8> {
        self.extension(|found| match found {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
    }

    fn authority_key_id(&self) -> Vec<u8> {
        self.extension(|found| match found {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => None,
        })
    }

    fn extension(&self, pick: impl Fn(&ParsedExtension<'_>) -> Option<Vec<u8>>) -> Vec<u8> {
        let found = self.read(|cert| cert.iter_extensions().find_map(|extension| pick(extension.parsed_extension())));
        found.flatten().unwrap_or_default()
    }

    fn is_valid_now(&self) -> bool {
        self.read(|cert| cert.validity().is_valid()).unwrap_or_default()
    }

    /// This one as a child of `parent`, with what is known of its chain.
    pub fn relation(&self, parent: &Self, chain: &[Self]) -> Relation {
        let issued = self.is_issued_by(parent);
        Relation {
            subject: self.issuer() == parent.subject(),
            path: chain.contains(parent),
            trust: (issued || self == parent) && self.is_valid_now() && parent.is_valid_now(),
            key_id: self.authority_key_id() == parent.key_id(),
            signature: self.is_signed_by(parent),
        }
    }
}
