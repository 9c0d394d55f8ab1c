//! Listeners: sockets that are accepted from until the server stops.
use crate::config::{Address, Listener, Tls, UnixSocket};
use crate::connection::{Accepted, serve};
use crate::edge::{Edge, Swap};
use crate::forwarded::Peer;
use crate::{proxy_protocol, tls};
use nix::unistd::{Gid, Group, Uid, User, chown};
use rustls::ServerConfig;
use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// After an accept that failed (no file descriptors left, say) nothing is tried for this long.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections of one listener that are open at the same time; more wait in the kernel's queue.
const CONNECTIONS: usize = 16_384;

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listener whose socket is open.
pub struct Listening {
    socket: Socket,
    edge: Arc<Edge>,
    tls: Option<Swap<Arc<ServerConfig>>>,
}

impl Listening {
    /// Opens the socket and reads the certificate.
    ///
    /// # Errors
    /// What cannot be opened or read.
    pub async fn open(edge: Arc<Edge>) -> Result<Arc<Self>, String> {
        let settings = edge.listener.tls.as_ref();
        let tls = settings.map(tls::server_config).transpose()?.map(|config| Swap::new(Arc::new(config)));
        let socket = match &edge.listener.at {
            Address::Tcp(address) => TcpListener::bind(address).await.map(Socket::Tcp).map_err(|e| e.to_string())?,
            Address::Unix(socket) => Socket::Unix(unix(socket)?),
        };
        Ok(Arc::new(Self { socket, edge, tls }))
    }
    /// Where it listens, the port filled in.
    pub fn address(&self) -> String {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().map(|address| address.to_string()).unwrap_or_default(),
            Socket::Unix(_) => self.edge.listener.at.to_string(),
        }
    }
    /// Whether it is a socket in the file system.
    pub fn is_unix(&self) -> bool {
        matches!(self.socket, Socket::Unix(_))
    }
    /// Its settings.
    pub fn listener(&self) -> &Listener {
        &self.edge.listener
    }
    /// Takes over the headers of a listener that was read again, and the certificate that is in the files now.
    /// Connections that are open stay as they are.
    pub fn reload(&self, fresh: Option<&Listener>) {
        if let Some(fresh) = fresh {
            self.edge.headers.set(fresh.headers.clone());
        }
        let (Some(settings), Some(current)) = (&self.edge.listener.tls, &self.tls) else { return };
        match tls::server_config(settings) {
            Ok(config) => current.set(Arc::new(config)),
            Err(error) => tracing::error!(%error, "the certificate is not reloaded: the old one stays"),
        }
    }
    /// Accepts until `stop`; what was accepted goes on in `tasks`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken, tasks: TaskTracker) {
        if let Some(every) = self.edge.listener.tls.as_ref().and_then(|tls: &Tls| tls.reload_every) {
            tasks.spawn(Arc::clone(&self).reload_every(every, stop.clone()));
        }
        let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = stop.cancelled() => return,
            };
            match accepted {
                Ok(stream) => {
                    let (this, stop) = (Arc::clone(&self), stop.clone());
                    tasks.spawn(async move {
                        this.greet(stream, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, listener = %self.edge.listener.at, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
    async fn reload_every(self: Arc<Self>, every: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(every) => self.reload(None),
                () = stop.cancelled() => return,
            }
        }
    }
    async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(socket) => socket.accept().await.map(|(stream, peer)| Stream::Tcp(stream, peer)),
            Socket::Unix(socket) => socket.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
    /// What comes before the first request: the proxy's line, then TLS. Both have the time of a request's head.
    async fn greet(&self, stream: Stream, stop: CancellationToken) {
        let time = self.edge.listener.limits.read_header;
        let time = if time.is_zero() { Duration::MAX } else { time };
        match stream {
            Stream::Tcp(stream, peer) => {
                // Small answers must not wait for company; a socket that refuses is served all the same.
                let _ = stream.set_nodelay(true);
                let line = proxy_protocol::accept(self.edge.listener.proxy_protocol.as_ref(), stream, peer);
                match tokio::time::timeout(time, line).await {
                    Ok(Ok((io, peer))) => self.secure(io, Some(peer), time, stop).await,
                    Ok(Err(error)) => tracing::debug!(%error, %peer, "a connection was turned away"),
                    Err(_) => tracing::debug!(%peer, "a connection said nothing in time"),
                }
            }
            Stream::Unix(stream) => self.secure(stream, None, time, stop).await,
        }
    }
    async fn secure<T>(&self, io: T, address: Option<SocketAddr>, time: Duration, stop: CancellationToken)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let edge = Arc::clone(&self.edge);
        let Some(tls) = &self.tls else {
            let peer = Peer { address, certificates: Vec::new() };
            return serve(edge, Accepted { io, http2: false, peer }, stop).await;
        };
        let acceptor = TlsAcceptor::from(Arc::clone(&*tls.get()));
        match tokio::time::timeout(time, acceptor.accept(io)).await {
            Ok(Ok(io)) => {
                let session = io.get_ref().1;
                let chain = session.peer_certificates().unwrap_or_default();
                let certificates = chain.iter().map(|certificate| certificate.to_vec()).collect();
                let http2 = session.alpn_protocol() == Some(b"h2");
                serve(edge, Accepted { io, http2, peer: Peer { address, certificates } }, stop).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, ?address, "TLS handshake failed"),
            Err(_) => tracing::debug!(?address, "TLS handshake took too long"),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Address::Unix(socket) = &self.edge.listener.at {
            // One that is gone already is what is wanted.
            let _ = std::fs::remove_file(&socket.path);
        }
    }
}

enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

fn unix(socket: &UnixSocket) -> Result<UnixListener, String> {
    let path = &socket.path;
    // A socket that an earlier process left behind keeps nobody from listening; any other file does.
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(|error| error.to_string())?;
    }
    let listener = UnixListener::bind(path).map_err(|error| error.to_string())?;
    let (user, group) = (owner(socket.user.as_deref())?, team(socket.group.as_deref())?);
    if user.is_some() || group.is_some() {
        chown(path, user, group).map_err(|error| format!("socket_user, socket_group: {error}"))?;
    }
    if let Some(mode) = socket.mode {
        std::fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(|error| format!("socket_mode: {error}"))?;
    }
    Ok(listener)
}

fn owner(name: Option<&str>) -> Result<Option<Uid>, String> {
    let Some(name) = name else { return Ok(None) };
    if let Ok(number) = name.parse() {
        return Ok(Some(Uid::from_raw(number)));
    }
    let found = User::from_name(name).map_err(|error| format!("socket_user: {error}"))?;
    found.map(|user| Some(user.uid)).ok_or_else(|| format!("socket_user: there is no user {name}"))
}

fn team(name: Option<&str>) -> Result<Option<Gid>, String> {
    let Some(name) = name else { return Ok(None) };
    if let Ok(number) = name.parse() {
        return Ok(Some(Gid::from_raw(number)));
    }
    let found = Group::from_name(name).map_err(|error| format!("socket_group: {error}"))?;
    found.map(|group| Some(group.gid)).ok_or_else(|| format!("socket_group: there is no group {name}"))
}
