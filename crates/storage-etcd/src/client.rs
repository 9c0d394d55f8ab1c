//! Calls to a cluster: the endpoint that answers, the token that is valid, and a time for everything.
//!
//! Which answers mean what is etcd's `api/v3rpc/rpctypes/error.go`.
use crate::proto::{AuthenticateRequest, AuthenticateResponse, Empty, MemberListResponse};
use crate::settings::Settings;
use lessor_storage::{Error, Result};
use prost::Message;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// How long a call goes on trying while the cluster is away.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// A page of large values may be that long.
const LARGEST_ANSWER: usize = 1 << 30;

pub(crate) const RANGE: &str = "/etcdserverpb.KV/Range";
pub(crate) const TXN: &str = "/etcdserverpb.KV/Txn";
pub(crate) const DELETE_RANGE: &str = "/etcdserverpb.KV/DeleteRange";
pub(crate) const LEASE_GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
pub(crate) const LEASE_REVOKE: &str = "/etcdserverpb.Lease/LeaseRevoke";
const AUTHENTICATE: &str = "/etcdserverpb.Auth/Authenticate";
const MEMBER_LIST: &str = "/etcdserverpb.Cluster/MemberList";

pub(crate) struct Client {
    pub(crate) settings: Settings,
    channels: RwLock<Vec<Channel>>,
    /// The channel that is used: one that failed is left for the next.
    current: AtomicUsize,
    token: RwLock<Option<MetadataValue<Ascii>>>,
}

/// What a failed call means.
pub(crate) enum Fault {
    /// The cluster refused the request: nothing was done.
    Refused(Error),
    /// No answer, or none that says whether it was done.
    Unknown(Status),
}

/// Waits a moment, longer with each attempt and never as long as anybody else.
pub(crate) async fn pause(attempt: u32) {
    let most = 20 * 2_u64.pow(attempt.min(5));
    sleep(Duration::from_millis(most / 2 + rand::random::<u64>() % most)).await;
}

impl Client {
    /// Connects, logs in, and learns of the other members.
    pub(crate) async fn connect(settings: Settings) -> Result<Self> {
        let channels = settings.addresses.iter().map(|address| channel(address, &settings)).collect::<Result<_>>()?;
        let client =
            Self { settings, channels: RwLock::new(channels), current: AtomicUsize::new(0), token: RwLock::new(None) };
        client.log_in().await?;
        if client.settings.sync {
            client.learn_members().await;
        }
        Ok(client)
    }

    fn channel(&self) -> (usize, Channel) {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        let at = self.current.load(Ordering::Relaxed) % channels.len();
        (at, channels[at].clone())
    }

    /// The next call goes elsewhere, unless somebody has moved on already.
    fn leave(&self, at: usize) {
        let count = self.channels.read().unwrap_or_else(PoisonError::into_inner).len();
        let next = (at + 1) % count;
        let _ = self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = self.token.read().unwrap_or_else(PoisonError::into_inner).clone() {
            request.metadata_mut().insert("token", token);
        }
        request
    }

    /// One attempt on the current endpoint.
    async fn once<Q, A>(&self, path: &'static str, message: Q) -> std::result::Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let (at, channel) = self.channel();
        let call = async {
            let mut grpc = Grpc::new(channel).max_decoding_message_size(LARGEST_ANSWER);
            grpc.ready().await.map_err(|error| Status::unavailable(causes(&error)))?;
            let codec = ProstCodec::<Q, A>::default();
            grpc.unary(self.request(message), PathAndQuery::from_static(path), codec).await
        };
        let answer = timeout(self.settings.request_timeout, call).await;
        let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
        if let Err(status) = &answer
            && is_absence(status)
        {
            self.leave(at);
        }
        answer.map(tonic::Response::into_inner)
    }

    /// One attempt, and another with a new token where the old one was refused. The status of a call whose effect
    /// is not known is the caller's to judge.
    pub(crate) async fn call<Q, A>(&self, path: &'static str, message: Q) -> std::result::Result<A, Fault>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let status = match self.once(path, message.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(status) if is_stale_token(&status) => {
                self.log_in().await.map_err(Fault::Refused)?;
                match self.once(path, message).await {
                    Ok(answer) => return Ok(answer),
                    Err(status) => status,
                }
            }
            Err(status) => status,
        };
        if is_absence(&status) { Err(Fault::Unknown(status)) } else { Err(Fault::Refused(self.words(&status))) }
    }

    /// A call that may be repeated, until the patience is at its end.
    pub(crate) async fn repeat<Q, A>(&self, path: &'static str, message: Q) -> Result<A>
    where
        Q: Message + Clone + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let end = Instant::now() + PATIENCE;
        let mut attempt = 0;
        loop {
            match self.call(path, message.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(Fault::Refused(error)) => return Err(error),
                Err(Fault::Unknown(_)) if Instant::now() < end => pause(attempt).await,
                Err(Fault::Unknown(status)) => return Err(self.words(&status)),
            }
            attempt += 1;
        }
    }

    /// Gets a token, where there is a user to get one for.
    async fn log_in(&self) -> Result<()> {
        let Some((name, password)) = &self.settings.login else { return Ok(()) };
        let end = Instant::now() + PATIENCE;
        let mut attempt = 0;
        loop {
            let message = AuthenticateRequest { name: name.clone(), password: password.to_string() };
            // A token that is no longer valid must not be shown.
            *self.token.write().unwrap_or_else(PoisonError::into_inner) = None;
            match self.once::<_, AuthenticateResponse>(AUTHENTICATE, message).await {
                Ok(answer) => {
                    let token =
                        answer.token.parse().map_err(|_| Error::Unavailable("etcd's token is no text".into()))?;
                    *self.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
                    return Ok(());
                }
                Err(status) if status.message().contains("authentication is not enabled") => {
                    tracing::warn!("username and password are set, but authentication is not enabled at etcd");
                    return Ok(());
                }
                Err(status) if is_absence(&status) && Instant::now() < end => pause(attempt).await,
                Err(status) => return Err(self.words(&status)),
            }
            attempt += 1;
        }
    }

    /// Members that were not named become endpoints for the case that the named ones are away. Only by the way that was
    /// chosen: a cluster that is reached by TLS does not lead away from it.
    async fn learn_members(&self) {
        let listed: MemberListResponse = match self.call(MEMBER_LIST, Empty {}).await {
            Ok(listed) => listed,
            Err(_) => return,
        };
        let tls = self.settings.addresses[0].starts_with("https://");
        let urls = listed.members.into_iter().flat_map(|member| member.client_urls);
        let fresh = urls.filter(|url| url.starts_with("https://") == tls && !self.settings.addresses.contains(url));
        let found: Vec<Channel> = fresh.filter_map(|url| channel(&url, &self.settings).ok()).collect();
        self.channels.write().unwrap_or_else(PoisonError::into_inner).extend(found);
    }

    /// What is read by whoever has to do something about it.
    pub(crate) fn words(&self, status: &Status) -> Error {
        let said = status.message();
        let path = &self.settings.path;
        let hint = if said.contains("invalid user ID or password") {
            "etcd refused the login: check username and password".to_owned()
        } else if said.contains("user name is empty") || said.contains("user name not found") {
            "etcd wants a login: set username and password, or tls_cert_file and tls_key_file".to_owned()
        } else if status.code() == Code::PermissionDenied {
            format!("the user lacks rights: etcdctl role grant-permission ROLE readwrite --prefix=true {path}")
        } else if said.contains("database space exceeded") {
            "etcd's database is full: raise its --quota-backend-bytes or compact and defragment it, then `etcdctl alarm \
             disarm`"
                .to_owned()
        } else if said.contains("too many operations") {
            "the batch has more operations than etcd takes: raise its --max-txn-ops".to_owned()
        } else if said.contains("request is too large") || said.contains("larger than max") {
            "the batch is larger than etcd takes: raise its --max-request-bytes".to_owned()
        } else if is_absence(status) {
            let addresses = self.settings.addresses.join(", ");
            // A server that misses a certificate closes the connection, with or without a word.
            let unnamed = addresses.contains("https://") && self.settings.tls.identity.is_none();
            let more =
                if unnamed { "; if it wants a client's certificate, set tls_cert_file and tls_key_file" } else { "" };
            format!("etcd does not answer ({addresses}{more})")
        } else {
            "etcd refused".to_owned()
        };
        Error::Unavailable(format!("{hint}: {}", chain(status)))
    }
}

/// The endpoint does not answer, or cannot at the moment; whether it has done something is not known.
fn is_absence(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::Internal => true,
        Code::ResourceExhausted => status.message().contains("too many requests"),
        // What tonic calls a connection that broke in the middle of an answer.
        Code::Unknown => !status.message().starts_with("etcdserver:"),
        _ => false,
    }
}

fn is_stale_token(status: &Status) -> bool {
    status.message().contains("invalid auth token") || status.message().contains("revision of auth store is old")
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

/// The message of a status with the causes of it.
fn chain(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => {
            let causes = causes(source);
            if causes.contains(status.message()) { causes } else { format!("{}: {causes}", status.message()) }
        }
        None => status.message().to_owned(),
    }
}

fn channel(address: &str, settings: &Settings) -> Result<Channel> {
    let fail = |error: &dyn std::error::Error| Error::Unavailable(format!("etcd at {address}: {}", causes(error)));
    let mut endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|error| fail(&error))?
        .connect_timeout(settings.request_timeout)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(false);
    if address.starts_with("https://") {
        let mut tls = match &settings.tls.ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((certificate, key)) = &settings.tls.identity {
            tls = tls.identity(Identity::from_pem(certificate, key.as_slice()));
        }
        endpoint = endpoint.tls_config(tls).map_err(|error| fail(&error))?;
    }
    Ok(endpoint.connect_lazy())
}
