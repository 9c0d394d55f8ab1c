//! `socket`: sends lines over TCP, UDP or a Unix socket.
use super::{DeviceError, Options, Sink};
use lessor_engine::duration;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::Duration;

enum Kind {
    Tcp,
    Udp,
    Unix,
}

enum Connection {
    Stream(Box<dyn Write + Send>),
    Datagram(UdpSocket),
}

/// A peer; a connection that broke is made once more for the line that noticed.
pub(super) struct Socket {
    kind: Kind,
    address: String,
    timeout: Duration,
    connection: Option<Connection>,
}

impl Socket {
    /// The peer of `address`.
    pub(super) fn open(options: &Options) -> Result<Self, DeviceError> {
        let address = options.get("address").filter(|address| !address.is_empty());
        let address = address.ok_or_else(|| DeviceError::Option("address is required".to_owned()))?.clone();
        let kind = match options.get("socket_type").map_or("tcp", String::as_str) {
            "tcp" => Kind::Tcp,
            "udp" => Kind::Udp,
            "unix" => Kind::Unix,
            other => return Err(DeviceError::Option(format!("socket_type '{other}': use tcp, udp or unix"))),
        };
        let timeout = options.get("write_timeout").map_or("2s", String::as_str);
        let timeout =
            duration::parse(timeout).map_err(|error| DeviceError::Option(format!("write_timeout: {error}")))?;
        let timeout = if timeout.is_zero() { Duration::from_secs(2) } else { timeout };
        let mut socket = Self { kind, address, timeout, connection: None };
        let connected = socket.connect();
        socket.connection =
            Some(connected.map_err(|source| DeviceError::Open { target: socket.address.clone(), source })?);
        Ok(socket)
    }
    fn connect(&self) -> io::Result<Connection> {
        match self.kind {
            Kind::Tcp => {
                let address = self.address.to_socket_addrs()?.next();
                let address = address.ok_or_else(|| io::Error::other("the name has no address"))?;
                let stream = TcpStream::connect_timeout(&address, self.timeout)?;
                stream.set_write_timeout(Some(self.timeout))?;
                Ok(Connection::Stream(Box::new(stream)))
            }
            Kind::Udp => {
                let socket = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"))?;
                socket.connect(&self.address)?;
                Ok(Connection::Datagram(socket))
            }
            Kind::Unix => {
                let stream = UnixStream::connect(&self.address)?;
                stream.set_write_timeout(Some(self.timeout))?;
                Ok(Connection::Stream(Box::new(stream)))
            }
        }
    }
    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        match &mut self.connection {
            Some(Connection::Stream(stream)) => stream.write_all(line),
            Some(Connection::Datagram(socket)) => socket.send(line).map(drop),
            None => Err(io::Error::other("not connected")),
        }
    }
}

impl Sink for Socket {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.send(line).is_ok() {
            return Ok(());
        }
        self.connection = None;
        let again = self.send(line);
        if again.is_err() {
            self.connection = None;
        }
        again
    }
    fn reopen(&mut self) {
        self.connection = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_broken_connection_is_made_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut socket = Socket::open(&options(&[("address", &address)])).unwrap();
        let (first, _) = listener.accept().unwrap();
        socket.write(b"one\n").unwrap();
        let mut line = String::new();
        BufReader::new(first).read_line(&mut line).unwrap();
        assert_eq!(line, "one\n");
        // The peer is gone: what was sent right then may be lost in the kernel, but the device goes on.
        for _ in 0..50 {
            socket.write(b"two\n").unwrap();
        }
        let (second, _) = listener.accept().unwrap();
        line.clear();
        BufReader::new(second).read_line(&mut line).unwrap();
        assert_eq!(line, "two\n");
    }

    #[test]
    fn a_peer_that_is_not_there_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        assert!(Socket::open(&options(&[("address", &address)])).is_err());
        let wrong = Socket::open(&options(&[("address", &address), ("socket_type", "pigeon")])).err().unwrap();
        assert!(wrong.to_string().contains("use tcp, udp or unix"));
    }
}
