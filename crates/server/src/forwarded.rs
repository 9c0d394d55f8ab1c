//! `X-Forwarded-For` and the certificate header of proxies that are trusted.
use crate::config::{Decoder, Forwarded};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::HeaderMap;
use lessor_core::response::Response;
use percent_encoding::percent_decode;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::{IpAddr, SocketAddr};

/// Who asks.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The other end of the connection, or who a trusted proxy says it is; `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// DER, its own first.
    pub certificates: Vec<Vec<u8>>,
}

/// The client behind a proxy.
///
/// # Errors
/// The answer (400) to a proxy that is not trusted or says nothing usable.
pub fn client(settings: &Forwarded, peer: &Peer, headers: &HeaderMap) -> Result<Peer, Response> {
    let refuse = |text: &str| Err(Response::error(400, text));
    let from = peer.address.map(|address| canonical(address.ip()));
    if !from.is_some_and(|from| settings.authorized.iter().any(|network| network.contains(&from))) {
        return match settings.reject_not_authorized {
            true => refuse("client address not authorized for x-forwarded-for, rejecting connection"),
            false => Ok(peer.clone()),
        };
    }
    let mut client = peer.clone();
    client.certificates.extend(certificate(settings, headers)?);
    let given = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let chain: Vec<&str> = given.flat_map(|value| value.split(',')).map(str::trim).collect();
    if chain.is_empty() {
        return match settings.reject_not_present {
            true => refuse("missing x-forwarded-for header and configured to reject when not present"),
            false => Ok(client),
        };
    }
    let Some(named) = chain.len().checked_sub(settings.hop_skips + 1).and_then(|at| chain.get(at)) else {
        return refuse("malformed x-forwarded-for configuration or request: more hops to skip than the chain has");
    };
    let Some(address) = address(named) else { return refuse("error parsing client hostport in x-forwarded-for") };
    client.address = Some(SocketAddr::new(address, peer.address.map_or(0, |address| address.port())));
    Ok(client)
}

/// IPv4 in the clothes of IPv6 is IPv4.
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn address(text: &str) -> Option<IpAddr> {
    let plain = || text.parse::<IpAddr>().ok();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain().or_else(bracketed).or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn certificate(settings: &Forwarded, headers: &HeaderMap) -> Result<Option<Vec<u8>>, Response> {
    let Some(name) = &settings.certificate_header else { return Ok(None) };
    let Some(value) = headers.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let mut bytes = value.as_bytes().to_vec();
    for decoder in &settings.decoders {
        let decoded = decode(*decoder, &bytes);
        bytes = decoded.ok_or_else(|| Response::error(400, "failed to decode the client certificate header"))?;
    }
    Ok(Some(bytes))
}

fn decode(decoder: Decoder, bytes: &[u8]) -> Option<Vec<u8>> {
    match decoder {
        Decoder::Url => Some(percent_decode(bytes).collect()),
        Decoder::Base64 => STANDARD.decode(bytes.trim_ascii()).ok(),
        Decoder::Der => Some(bytes.to_vec()),
        Decoder::Pem => CertificateDer::from_pem_slice(bytes).ok().map(|certificate| certificate.to_vec()),
        Decoder::Rfc9440 => {
            let inner = bytes.trim_ascii().strip_prefix(b":")?.strip_suffix(b":")?;
            STANDARD.decode(inner).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(hop_skips: usize) -> Forwarded {
        Forwarded {
            authorized: vec!["10.0.0.0/8".parse().unwrap()],
            hop_skips,
            reject_not_authorized: true,
            reject_not_present: true,
            certificate_header: Some("x-client-cert".into()),
            decoders: vec![Decoder::Url, Decoder::Base64],
        }
    }

    fn ask(settings: &Forwarded, from: &str, headers: &[(&'static str, &str)]) -> Result<String, u16> {
        let peer = Peer { address: Some(from.parse().unwrap()), certificates: Vec::new() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        client(settings, &peer, &map).map(|peer| peer.address.unwrap().to_string()).map_err(|answer| answer.status)
    }

    #[test]
    fn the_last_entry_that_is_not_skipped_is_the_client() {
        let headers = [("x-forwarded-for", "1.1.1.1, 2.2.2.2"), ("x-forwarded-for", "3.3.3.3")];
        assert_eq!(ask(&settings(0), "10.0.0.1:9", &headers).unwrap(), "3.3.3.3:9");
        assert_eq!(ask(&settings(2), "10.0.0.1:9", &headers).unwrap(), "1.1.1.1:9");
        assert_eq!(ask(&settings(3), "10.0.0.1:9", &headers), Err(400));
        assert_eq!(ask(&settings(0), "[::ffff:10.0.0.1]:9", &headers).unwrap(), "3.3.3.3:9");
        assert_eq!(ask(&settings(0), "10.0.0.1:9", &[("x-forwarded-for", "nonsense")]), Err(400));
        assert_eq!(ask(&settings(0), "10.0.0.1:9", &[]), Err(400));
    }

    #[test]
    fn strangers_are_refused_or_stay_who_they_are() {
        let headers = [("x-forwarded-for", "1.1.1.1"), ("x-client-cert", "QUJD")];
        assert_eq!(ask(&settings(0), "11.0.0.1:9", &headers), Err(400));
        let lenient = Forwarded { reject_not_authorized: false, ..settings(0) };
        assert_eq!(ask(&lenient, "11.0.0.1:9", &headers).unwrap(), "11.0.0.1:9");
        let peer = Peer { address: Some("11.0.0.1:9".parse().unwrap()), certificates: Vec::new() };
        let map = HeaderMap::from_iter([("x-client-cert".parse().unwrap(), "QUJD".parse().unwrap())]);
        assert!(client(&lenient, &peer, &map).unwrap().certificates.is_empty());
    }

    #[test]
    fn a_trusted_proxy_hands_the_certificate_on() {
        let peer = Peer { address: Some("10.0.0.1:9".parse().unwrap()), certificates: Vec::new() };
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "1.1.1.1".parse().unwrap());
        headers.insert("x-client-cert", "QUJD%3D".parse().unwrap());
        assert_eq!(client(&settings(0), &peer, &headers).unwrap_err().status, 400);
        headers.insert("x-client-cert", "QUI%3D".parse().unwrap());
        assert_eq!(client(&settings(0), &peer, &headers).unwrap().certificates, [b"AB".to_vec()]);
    }
}
