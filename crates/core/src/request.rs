//! A request as core sees it: everything HTTP is already gone.
use lessor_engine::{Fields, Operation, Secret};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// A fresh v4 UUID: the `request_id` of the answer and the `id` of the audit records.
    pub id: String,
    /// What it wants. Writes arrive as [`Operation::Update`]; the path's existence check may turn them into `Create`.
    pub operation: Operation,
    /// Behind `/v1/`, percent-decoded, without a leading slash. Lists end in `/`.
    pub path: String,
    /// Body (or query for GET, LIST and DELETE) as one map.
    pub fields: Fields,
    /// The caller's token, if one was sent.
    pub token: Option<Secret>,
    /// `X-Vault-Namespace`, normalised: empty for the root, else ends in `/`.
    pub namespace: String,
    /// `X-Vault-Wrap-TTL`.
    pub wrap_ttl: Option<Duration>,
    /// Where it comes from.
    pub client: Option<IpAddr>,
    /// The client's port.
    pub client_port: u16,
    /// All headers by lower-case name; those that hold the token are left out.
    pub headers: Vec<(String, String)>,
    /// The client's certificate chain in DER, its own first.
    pub certificates: Vec<Vec<u8>>,
    /// A body that is a file, of the few paths that take one.
    pub upload: Option<Arc<std::fs::File>>,
    /// `?help=1`: tells about the path instead of running it.
    pub help: bool,
}
