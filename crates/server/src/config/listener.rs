//! `listener "tcp"` and `listener "unix"`.
use super::gates::{Gates, gates};
use super::headers::{ResponseHeaders, response_headers};
use super::tls::{Tls, tls};
use super::value::{bound, count, duration, flag, list, networks, text};
use super::{Fault, Places};
use ipnet::IpNet;
use lessor_hcl::{Block, Body};
use std::path::PathBuf;
use std::time::Duration;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String),
    /// A socket in the file system.
    Unix(UnixSocket),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(socket) => write!(f, "{}", socket.path.display()),
        }
    }
}

/// A socket in the file system, and whose it is; what is not set stays as the process makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// Its path.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Name or number.
    pub user: Option<String>,
    /// Name or number.
    pub group: Option<String>,
}

/// What one listener takes, and how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a connection may stay open without a request.
    pub idle: Duration,
    /// How long a request's head may take.
    pub read_header: Duration,
    /// How long a request's body may take.
    pub read: Duration,
    /// How long a request may be worked on, from its head to its answer; zero is no bound.
    pub write: Duration,
    /// Bytes of a body; `None` is no bound.
    pub request_size: Option<usize>,
    /// How long core may work on a request.
    pub request_duration: Duration,
    /// Bytes of a token.
    pub token_header: Option<usize>,
    /// What a JSON body may consist of.
    pub json: JsonLimits,
}

/// Bounds of JSON bodies; `None` is no bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// Objects and arrays inside each other.
    pub depth: Option<usize>,
    /// Bytes of one text.
    pub string: Option<usize>,
    /// Entries of one object.
    pub entries: Option<usize>,
    /// Elements of one array.
    pub elements: Option<usize>,
    /// Names, values and openings altogether.
    pub tokens: Option<usize>,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self {
            depth: Some(500),
            string: Some(1 << 20),
            entries: Some(10_000),
            elements: Some(10_000),
            tokens: Some(500_000),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(300),
            read_header: Duration::from_secs(10),
            read: Duration::from_secs(30),
            write: Duration::ZERO,
            request_size: Some(33_554_432),
            request_duration: Duration::from_secs(90),
            token_header: Some(8192),
            json: JsonLimits::default(),
        }
    }
}

/// Whether connections begin with the PROXY protocol's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyBehaviour {
    /// From everybody.
    Always,
    /// From authorised addresses; others are served without it.
    AllowAuthorized,
    /// From authorised addresses; others that send it are turned away.
    DenyUnauthorized,
}

/// `proxy_protocol_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// From whom.
    pub behaviour: ProxyBehaviour,
    /// The authorised addresses.
    pub authorized: Vec<IpNet>,
}

/// `x_forwarded_for_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Proxies whose word is taken.
    pub authorized: Vec<IpNet>,
    /// Entries to skip, from the last one.
    pub hop_skips: usize,
    /// Refuses everybody else (400).
    pub reject_not_authorized: bool,
    /// Refuses requests without the header (400).
    pub reject_not_present: bool,
    /// The header that carries the client's certificate.
    pub certificate_header: Option<String>,
    /// How that header is to be read, one after the other.
    pub decoders: Vec<Decoder>,
}

/// One step of reading a certificate out of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// Percent-encoding.
    Url,
    /// Base64.
    Base64,
    /// What it is by now is the certificate.
    Der,
    /// PEM.
    Pem,
    /// `:base64:`, RFC 9440.
    Rfc9440,
}

/// Fields of unauthenticated status answers that are left empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redact {
    /// Addresses of nodes.
    pub addresses: bool,
    /// The cluster's name.
    pub cluster_name: bool,
    /// The version and the build.
    pub version: bool,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub at: Address,
    /// TLS, unless it is disabled.
    pub tls: Option<Tls>,
    /// What it takes.
    pub limits: Limits,
    /// The PROXY protocol.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Proxies that forward.
    pub forwarded: Option<Forwarded>,
    /// Headers of every answer.
    pub headers: ResponseHeaders,
    /// What status answers hide.
    pub redact: Redact,
    /// Turns away requests without `X-Vault-Request` (412).
    pub require_request_header: bool,
    /// What it opens to everybody, and what it keeps to itself.
    pub gates: Gates,
    /// Lets holders of key shares rekey without a token, on every listener.
    pub open_rekey: bool,
    /// Lets holders of key shares generate a root token without a token, on every listener.
    pub open_generate_root: bool,
}

impl Listener {
    /// A listener without TLS and with every default.
    pub fn plain(address: impl Into<String>) -> Self {
        Self {
            at: Address::Tcp(address.into()),
            tls: None,
            limits: Limits::default(),
            proxy_protocol: None,
            forwarded: None,
            headers: ResponseHeaders::default(),
            redact: Redact::default(),
            require_request_header: false,
            gates: Gates::default(),
            open_rekey: false,
            open_generate_root: false,
        }
    }
}

const KNOWN: &[&str] = &[
    "address",
    "http_idle_timeout",
    "http_read_header_timeout",
    "http_read_timeout",
    "http_write_timeout",
    "max_request_size",
    "max_request_duration",
    "max_json_depth",
    "max_json_string_value_length",
    "max_json_object_entry_count",
    "max_json_array_element_count",
    "max_json_token_count",
    "max_token_header_size",
    "require_request_header",
    "proxy_protocol_behavior",
    "proxy_protocol_authorized_addrs",
    "tls_disable",
    "tls_cert_file",
    "tls_key_file",
    "tls_min_version",
    "tls_max_version",
    "tls_cipher_suites",
    "tls_require_and_verify_client_cert",
    "tls_client_ca_file",
    "tls_disable_client_certs",
    "tls_auto_reload",
    "tls_auto_reload_interval",
    "x_forwarded_for_authorized_addrs",
    "x_forwarded_for_hop_skips",
    "x_forwarded_for_reject_not_authorized",
    "x_forwarded_for_reject_not_present",
    "x_forwarded_for_client_cert_header",
    "x_forwarded_for_client_cert_header_decoders",
    "redact_addresses",
    "redact_cluster_name",
    "redact_version",
    "telemetry",
    "custom_response_headers",
    "socket_mode",
    "socket_user",
    "socket_group",
    "disable_unauthed_rekey_endpoints",
    "disable_unauthed_generate_root_endpoints",
    "chroot_namespace",
    "disable_replication_status_endpoints",
    "profiling",
    "inflight_requests_logging",
    // Of Vault and OpenBao, without a meaning here.
    "cluster_address",
    "max_request_json_memory",
    "max_request_json_strings",
    "tls_prefer_server_cipher_suites",
    "tls_key_exchange_preferences",
    "agent_api",
    "proxy_api",
    "role",
];

/// Reads one block; `request_duration` is the bound of listeners that name none.
pub(super) fn listener(
    block: &Block<'_>,
    request_duration: Duration,
    places: &mut Places<'_>,
) -> Result<Listener, Fault> {
    let body = block.body;
    places.unknown(body, KNOWN);
    let at = match block.label(0).unwrap_or_default() {
        "tcp" => Address::Tcp(address(&text(body, "address")?.unwrap_or_else(|| "127.0.0.1:8200".to_owned()))?),
        "unix" => Address::Unix(unix(body)?),
        other => return Err(Fault::Value(format!("unknown listener type {other}: use tcp or unix"))),
    };
    let unix = matches!(at, Address::Unix(_));
    let disabled = body.bool("tls_disable")?.unwrap_or(unix);
    Ok(Listener {
        at,
        tls: if disabled { None } else { Some(tls(body)?) },
        limits: limits(body, request_duration)?,
        proxy_protocol: proxy_protocol(body)?,
        forwarded: forwarded(body)?,
        headers: response_headers(body)?,
        redact: Redact {
            addresses: flag(body, "redact_addresses")?,
            cluster_name: flag(body, "redact_cluster_name")?,
            version: flag(body, "redact_version")?,
        },
        require_request_header: flag(body, "require_request_header")?,
        gates: gates(body, places)?,
        open_rekey: !body.bool("disable_unauthed_rekey_endpoints")?.unwrap_or(true),
        open_generate_root: !body.bool("disable_unauthed_generate_root_endpoints")?.unwrap_or(true),
    })
}

/// The address itself, or what a go-sockaddr template of the common kinds stands for.
fn address(text: &str) -> Result<String, Fault> {
    if text.contains("{{") {
        let hint = "templates are not evaluated here; 0.0.0.0:8200 listens on every interface";
        return Err(Fault::Value(format!("listener: address '{text}': {hint}")));
    }
    let port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if port { text.to_owned() } else { format!("{text}:8200") })
}

fn unix(body: &Body) -> Result<UnixSocket, Fault> {
    let path = text(body, "address")?.ok_or_else(|| Fault::Value("listener: 'address' must be a path".into()))?;
    let path = path.strip_prefix("unix://").unwrap_or(&path);
    let mode = text(body, "socket_mode")?.filter(|mode| !mode.is_empty());
    let octal = |mode: String| {
        let wrong = || Fault::Value(format!("socket_mode: '{mode}' is no octal number such as 0660"));
        u32::from_str_radix(&mode, 8).map_err(|_| wrong())
    };
    Ok(UnixSocket {
        path: PathBuf::from(path),
        mode: mode.map(octal).transpose()?,
        user: text(body, "socket_user")?.filter(|user| !user.is_empty()),
        group: text(body, "socket_group")?.filter(|group| !group.is_empty()),
    })
}

fn limits(body: &Body, request_duration: Duration) -> Result<Limits, Fault> {
    let default = Limits::default();
    let json = JsonLimits::default();
    let number = |name, default: Option<usize>| bound(body, name, default.unwrap_or_default());
    Ok(Limits {
        idle: duration(body, "http_idle_timeout")?.unwrap_or(default.idle),
        read_header: duration(body, "http_read_header_timeout")?.unwrap_or(default.read_header),
        read: duration(body, "http_read_timeout")?.unwrap_or(default.read),
        write: duration(body, "http_write_timeout")?.unwrap_or(default.write),
        request_size: number("max_request_size", default.request_size)?,
        request_duration: duration(body, "max_request_duration")?
            .filter(|bound| !bound.is_zero())
            .unwrap_or(request_duration),
        token_header: number("max_token_header_size", default.token_header)?,
        json: JsonLimits {
            depth: number("max_json_depth", json.depth)?,
            string: number("max_json_string_value_length", json.string)?,
            entries: number("max_json_object_entry_count", json.entries)?,
            elements: number("max_json_array_element_count", json.elements)?,
            tokens: number("max_json_token_count", json.tokens)?,
        },
    })
}

fn proxy_protocol(body: &Body) -> Result<Option<ProxyProtocol>, Fault> {
    let behaviour = match text(body, "proxy_protocol_behavior")?.as_deref() {
        None | Some("") => return Ok(None),
        Some("use_always") => ProxyBehaviour::Always,
        Some("allow_authorized") => ProxyBehaviour::AllowAuthorized,
        Some("deny_unauthorized") => ProxyBehaviour::DenyUnauthorized,
        Some(other) => {
            let accepted = "use use_always, allow_authorized or deny_unauthorized";
            return Err(Fault::Value(format!("proxy_protocol_behavior: unknown '{other}': {accepted}")));
        }
    };
    let authorized = networks(body, "proxy_protocol_authorized_addrs")?;
    if authorized.is_empty() && behaviour != ProxyBehaviour::Always {
        return Err(Fault::Value("proxy_protocol_authorized_addrs must be set when authorization is needed".into()));
    }
    Ok(Some(ProxyProtocol { behaviour, authorized }))
}

fn forwarded(body: &Body) -> Result<Option<Forwarded>, Fault> {
    let authorized = networks(body, "x_forwarded_for_authorized_addrs")?;
    if authorized.is_empty() {
        return Ok(None);
    }
    let decoders = list(body, "x_forwarded_for_client_cert_header_decoders")?;
    Ok(Some(Forwarded {
        authorized,
        hop_skips: count(body, "x_forwarded_for_hop_skips")?.unwrap_or_default(),
        reject_not_authorized: body.bool("x_forwarded_for_reject_not_authorized")?.unwrap_or(true),
        reject_not_present: body.bool("x_forwarded_for_reject_not_present")?.unwrap_or(true),
        certificate_header: text(body, "x_forwarded_for_client_cert_header")?
            .filter(|name| !name.is_empty())
            .map(|name| name.to_ascii_lowercase()),
        decoders: decoders.iter().map(|name| decoder(name)).collect::<Result<_, _>>()?,
    }))
}

fn decoder(name: &str) -> Result<Decoder, Fault> {
    match name.to_ascii_uppercase().as_str() {
        "URL" => Ok(Decoder::Url),
        "BASE64" => Ok(Decoder::Base64),
        "DER" => Ok(Decoder::Der),
        "PEM" => Ok(Decoder::Pem),
        "RFC9440" => Ok(Decoder::Rfc9440),
        _ => Err(Fault::Value(format!(
            "x_forwarded_for_client_cert_header_decoders: unknown '{name}': use URL, BASE64, DER, PEM or RFC9440"
        ))),
    }
}
