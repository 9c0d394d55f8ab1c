//! Name constraints of authorities (RFC 5280, 4.2.1.10).
use crate::template::extension;
use der::asn1::{Ia5String, OctetString};
use ipnet::IpNet;
use lessor_engine::{CommaList, Error, Params, Result};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::{GeneralSubtree, GeneralSubtrees};
use x509_cert::ext::pkix::name::GeneralName;

#[derive(Params)]
pub(crate) struct NameConstraintParams {
    /// Domains that names have to lie in.
    permitted_dns_domains: CommaList,
    /// Domains that names must not lie in.
    excluded_dns_domains: CommaList,
    /// Networks that addresses have to lie in.
    permitted_ip_ranges: CommaList,
    /// Networks that addresses must not lie in.
    excluded_ip_ranges: CommaList,
    /// E-mail addresses or domains that addresses have to fit.
    permitted_email_addresses: CommaList,
    /// E-mail addresses or domains that addresses must not fit.
    excluded_email_addresses: CommaList,
    /// Domains that hosts of URIs have to lie in.
    permitted_uri_domains: CommaList,
    /// Domains that hosts of URIs must not lie in.
    excluded_uri_domains: CommaList,
}

fn subtree(base: GeneralName) -> GeneralSubtree {
    GeneralSubtree { base, minimum: 0, maximum: None }
}

fn text(name: &str) -> Result<Ia5String> {
    Ia5String::new(name).map_err(|_| Error::invalid(format!("the name constraint {name:?} is not ASCII")))
}

fn range(cidr: &str) -> Result<GeneralName> {
    let network: IpNet = cidr
        .parse()
        .map_err(|_| Error::invalid(format!("the name constraint {cidr:?} is no network such as 10.0.0.0/8")))?;
    let bytes = match network {
        IpNet::V4(net) => [net.network().octets(), net.netmask().octets()].concat(),
        IpNet::V6(net) => [net.network().octets(), net.netmask().octets()].concat(),
    };
    OctetString::new(bytes).map(GeneralName::IpAddress).map_err(crate::template::unwritable)
}

fn subtrees(dns: &[String], ips: &[String], emails: &[String], uris: &[String]) -> Result<Option<GeneralSubtrees>> {
    let mut all = Vec::new();
    for name in dns {
        all.push(subtree(GeneralName::DnsName(text(name)?)));
    }
    for cidr in ips {
        all.push(subtree(range(cidr)?));
    }
    for email in emails {
        all.push(subtree(GeneralName::Rfc822Name(text(email)?)));
    }
    for uri in uris {
        all.push(subtree(GeneralName::UniformResourceIdentifier(text(uri)?)));
    }
    Ok((!all.is_empty()).then_some(all))
}

/// The extension; `None` without constraints.
///
/// # Errors
/// When a constraint cannot be written.
pub(crate) fn extension_for(asked: &NameConstraintParams) -> Result<Option<Extension>> {
    let permitted = subtrees(
        &asked.permitted_dns_domains,
        &asked.permitted_ip_ranges,
        &asked.permitted_email_addresses,
        &asked.permitted_uri_domains,
    )?;
    let excluded = subtrees(
        &asked.excluded_dns_domains,
        &asked.excluded_ip_ranges,
        &asked.excluded_email_addresses,
        &asked.excluded_uri_domains,
    )?;
    if permitted.is_none() && excluded.is_none() {
        return Ok(None);
    }
    let constraints = NameConstraints { permitted_subtrees: permitted, excluded_subtrees: excluded };
    extension(&constraints, true).map(Some)
}
