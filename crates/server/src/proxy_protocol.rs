//! The PROXY protocol, versions 1 and 2: a line in front of a connection that says who is behind the proxy.
use crate::config::{ProxyBehaviour, ProxyProtocol};
use crate::forwarded::canonical;
use ppp::{HeaderResult, PartialResult, v1, v2};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// A version 1 line has at most 107 bytes, a version 2 header in use rarely more than 300.
const LONGEST: usize = 1024;

/// A connection whose first bytes were read already.
pub struct Rewound<T> {
    inner: T,
    first: Vec<u8>,
    at: usize,
}

/// Reads the header off a connection and says who is behind the proxy.
///
/// # Errors
/// When a header is missing that has to be there, or one is there that must not be.
pub async fn accept<T: AsyncRead + Unpin>(
    settings: Option<&ProxyProtocol>,
    mut io: T,
    peer: SocketAddr,
) -> io::Result<(Rewound<T>, SocketAddr)> {
    let Some(settings) = settings else { return Ok((Rewound { inner: io, first: Vec::new(), at: 0 }, peer)) };
    let from = canonical(peer.ip());
    let authorized = settings.behaviour == ProxyBehaviour::Always
        || settings.authorized.iter().any(|network| network.contains(&from));
    if !authorized && settings.behaviour == ProxyBehaviour::DenyUnauthorized {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not among proxy_protocol_authorized_addrs"));
    }
    let mut first = Vec::with_capacity(256);
    loop {
        if io.read_buf(&mut first).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match header(&first) {
            Header::Partial if first.len() < LONGEST => {}
            Header::Found { length, client } => {
                let peer = client.filter(|_| authorized).unwrap_or(peer);
                return Ok((Rewound { inner: io, first, at: length }, peer));
            }
            // Connections without the line are served as they are, as the field does.
            Header::Partial | Header::Absent => return Ok((Rewound { inner: io, first, at: 0 }, peer)),
        }
    }
}

enum Header {
    Partial,
    Absent,
    Found { length: usize, client: Option<SocketAddr> },
}

fn header(bytes: &[u8]) -> Header {
    let begins = |prefix: &[u8]| prefix.starts_with(bytes) || bytes.starts_with(prefix);
    if !begins(v1::PROTOCOL_PREFIX.as_bytes()) && !begins(v2::PROTOCOL_PREFIX) {
        return Header::Absent;
    }
    let parsed = HeaderResult::parse(bytes);
    if parsed.is_incomplete() {
        return Header::Partial;
    }
    match parsed {
        HeaderResult::V1(Ok(header)) => {
            let client = match header.addresses {
                v1::Addresses::Tcp4(from) => Some((IpAddr::from(from.source_address), from.source_port)),
                v1::Addresses::Tcp6(from) => Some((IpAddr::from(from.source_address), from.source_port)),
                v1::Addresses::Unknown => None,
            };
            Header::Found { length: header.header.len(), client: client.map(SocketAddr::from) }
        }
        HeaderResult::V2(Ok(header)) => {
            let client = match header.addresses {
                v2::Addresses::IPv4(from) => Some((IpAddr::from(from.source_address), from.source_port)),
                v2::Addresses::IPv6(from) => Some((IpAddr::from(from.source_address), from.source_port)),
                v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
            };
            Header::Found { length: header.len(), client: client.map(SocketAddr::from) }
        }
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Header::Absent,
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = self.first.get(self.at..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buffer);
        }
        let count = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn behind(behaviour: ProxyBehaviour, from: &str, bytes: &[u8]) -> io::Result<(String, String)> {
        let settings = ProxyProtocol { behaviour, authorized: vec!["10.0.0.0/8".parse().unwrap()] };
        let (mut io, peer) = accept(Some(&settings), bytes, from.parse().unwrap()).await?;
        let mut rest = String::new();
        io.read_to_string(&mut rest).await?;
        Ok((peer.to_string(), rest))
    }

    #[tokio::test]
    async fn the_line_of_an_authorised_proxy_names_the_client() {
        let line = b"PROXY TCP4 1.2.3.4 5.6.7.8 99 80\r\nGET /";
        for behaviour in [ProxyBehaviour::Always, ProxyBehaviour::AllowAuthorized, ProxyBehaviour::DenyUnauthorized] {
            let (peer, rest) = behind(behaviour, "10.0.0.1:1", line).await.unwrap();
            assert_eq!((peer.as_str(), rest.as_str()), ("1.2.3.4:99", "GET /"), "{behaviour:?}");
        }
        let (peer, rest) = behind(ProxyBehaviour::AllowAuthorized, "11.0.0.1:1", line).await.unwrap();
        assert_eq!((peer.as_str(), rest.as_str()), ("11.0.0.1:1", "GET /"));
        assert!(behind(ProxyBehaviour::DenyUnauthorized, "11.0.0.1:1", line).await.is_err());
    }

    #[tokio::test]
    async fn version_2_and_connections_without_a_header_work() {
        let addresses: (SocketAddr, SocketAddr) = ("1.2.3.4:99".parse().unwrap(), "5.6.7.8:80".parse().unwrap());
        let builder =
            v2::Builder::with_addresses(v2::Version::Two | v2::Command::Proxy, v2::Protocol::Stream, addresses);
        let mut bytes = builder.build().unwrap();
        bytes.extend_from_slice(b"GET /");
        let (peer, rest) = behind(ProxyBehaviour::Always, "9.9.9.9:1", &bytes).await.unwrap();
        assert_eq!((peer.as_str(), rest.as_str()), ("1.2.3.4:99", "GET /"));
        let (peer, rest) = behind(ProxyBehaviour::Always, "9.9.9.9:1", b"GET /v1").await.unwrap();
        assert_eq!((peer.as_str(), rest.as_str()), ("9.9.9.9:1", "GET /v1"));
    }
}
