//! Subject alternative names: what requests say, what certificates hold.
use der::asn1::{Any, Ia5String, ObjectIdentifier, OctetString};
use der::{Tag, Tagged};
use lessor_engine::{Error, Result};
use std::net::IpAddr;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

/// Alternative names, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sans {
    pub(crate) dns: Vec<String>,
    pub(crate) emails: Vec<String>,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) uris: Vec<String>,
    /// Object identifier and UTF-8 text.
    pub(crate) others: Vec<(ObjectIdentifier, String)>,
}

fn push(list: &mut Vec<String>, text: &str) {
    if !list.iter().any(|known| known == text) {
        list.push(text.to_owned());
    }
}

impl Sans {
    /// A host name, or an e-mail address where it has an `@`.
    pub(crate) fn add_name(&mut self, text: &str) -> Result<()> {
        if text.contains('@') {
            push(&mut self.emails, text);
        } else {
            push(&mut self.dns, &ascii(text)?);
        }
        Ok(())
    }
    /// `alt_names`.
    ///
    /// # Errors
    /// When a name cannot be written in ASCII.
    pub(crate) fn add_names(&mut self, list: &str) -> Result<()> {
        list.split(',').map(str::trim).filter(|name| !name.is_empty()).try_for_each(|name| self.add_name(name))
    }
    /// `ip_sans`.
    ///
    /// # Errors
    /// When a text is no address.
    pub(crate) fn add_ips(&mut self, list: &[String]) -> Result<()> {
        for text in list {
            let ip: IpAddr = text
                .trim()
                .parse()
                .map_err(|_| Error::invalid(format!("the value {text:?} is not a valid IP address")))?;
            if !self.ips.contains(&ip) {
                self.ips.push(ip);
            }
        }
        Ok(())
    }
    /// `uri_sans`.
    ///
    /// # Errors
    /// When a text is no URI.
    pub(crate) fn add_uris(&mut self, list: &[String]) -> Result<()> {
        for text in list {
            if url::Url::parse(text).is_err() || !text.is_ascii() {
                return Err(Error::invalid(format!(
                    "the provided URI Subject Alternative Name {text:?} is not a valid URI"
                )));
            }
            push(&mut self.uris, text);
        }
        Ok(())
    }
    /// `other_sans`.
    ///
    /// # Errors
    /// When a text is not `<oid>;UTF8:<text>`.
    pub(crate) fn add_others(&mut self, list: &[String]) -> Result<()> {
        for text in list {
            let (oid, value) =
                other(text).map_err(|error| Error::invalid(format!("could not parse requested other SAN: {error}")))?;
            self.others.push((oid, value));
        }
        Ok(())
    }
    /// As an extension holds them.
    ///
    /// # Errors
    /// When a text cannot be written.
    pub(crate) fn names(&self) -> Result<Vec<GeneralName>> {
        let ia5 = |text: &String| Ia5String::new(text).map_err(|_| Error::invalid(format!("{text:?} is not ASCII")));
        let mut names = Vec::new();
        for (oid, text) in &self.others {
            let value =
                Any::new(Tag::Utf8String, text.as_bytes()).map_err(|_| Error::invalid("an other SAN is too long"))?;
            names.push(GeneralName::OtherName(OtherName { type_id: *oid, value }));
        }
        for name in &self.dns {
            names.push(GeneralName::DnsName(ia5(name)?));
        }
        for name in &self.emails {
            names.push(GeneralName::Rfc822Name(ia5(name)?));
        }
        for ip in &self.ips {
            names.push(ip_name(ip)?);
        }
        for uri in &self.uris {
            names.push(GeneralName::UniformResourceIdentifier(ia5(uri)?));
        }
        Ok(names)
    }
    /// Out of an extension. Kinds that nobody here checks are refused.
    ///
    /// # Errors
    /// When a name is of such a kind.
    pub(crate) fn of(names: &[GeneralName]) -> Result<Self> {
        let mut sans = Self::default();
        for name in names {
            match name {
                GeneralName::DnsName(text) => push(&mut sans.dns, text.as_str()),
                GeneralName::Rfc822Name(text) => push(&mut sans.emails, text.as_str()),
                GeneralName::UniformResourceIdentifier(text) => push(&mut sans.uris, text.as_str()),
                GeneralName::IpAddress(bytes) => sans.ips.push(ip(bytes.as_bytes())?),
                GeneralName::OtherName(other) if other.value.tag() == Tag::Utf8String => {
                    let text = String::from_utf8(other.value.value().to_vec());
                    sans.others.push((other.type_id, text.map_err(|_| Error::invalid("an other SAN is not UTF-8"))?));
                }
                _ => {
                    return Err(Error::invalid(
                        "the request holds a subject alternative name of a kind that is not supported: \
                         use DNS names, e-mail addresses, IP addresses, URIs and other names in UTF-8",
                    ));
                }
            }
        }
        Ok(sans)
    }
}

fn ip_name(ip: &IpAddr) -> Result<GeneralName> {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    // At most 16 bytes, which every OCTET STRING holds.
    OctetString::new(bytes)
        .map(GeneralName::IpAddress)
        .map_err(|_| Error::Internal("an address is too long".to_owned()))
}

fn ip(bytes: &[u8]) -> Result<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Ok(four.into());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).map_err(|_| Error::invalid("an IP SAN has neither 4 nor 16 bytes"))?;
    Ok(sixteen.into())
}

/// `<oid>;UTF8:<text>`.
pub(crate) fn other(text: &str) -> Result<(ObjectIdentifier, String)> {
    let wrong = || Error::invalid(format!("expected a semicolon in other SAN {text:?}"));
    let (oid, typed) = text.split_once(';').ok_or_else(wrong)?;
    let (kind, value) =
        typed.split_once(':').ok_or_else(|| Error::invalid(format!("expected a colon in other SAN {text:?}")))?;
    if !kind.eq_ignore_ascii_case("utf8") && !kind.eq_ignore_ascii_case("utf-8") {
        return Err(Error::invalid(format!(
            "only utf8 other SANs are supported; found non-supported type in other SAN {text:?}"
        )));
    }
    let oid =
        ObjectIdentifier::new(oid.trim()).map_err(|_| Error::invalid(format!("{oid:?} is no object identifier")))?;
    Ok((oid, value.to_owned()))
}

/// A host name in ASCII (IDNA); names with wildcards keep them.
pub(crate) fn ascii(name: &str) -> Result<String> {
    if name.is_ascii() {
        return Ok(name.to_owned());
    }
    let (wild, rest) = name.strip_prefix("*.").map_or(("", name), |rest| ("*.", rest));
    idna::domain_to_ascii(rest)
        .map(|ascii| format!("{wild}{ascii}"))
        .map_err(|_| Error::invalid(format!("error converting hostname {name:?} to IDNA")))
}
