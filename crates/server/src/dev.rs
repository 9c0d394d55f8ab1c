//! Dev mode: in memory, unsealed, one root token, KV at `secret/`.
use crate::options::Options;
use lessor_core::init::InitRequest;
use lessor_core::node::Core;
use lessor_core::request::Request;
use lessor_engine::{Operation, Secret};
use serde_json::{Value, json};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is shown at the start.
pub struct Dev {
    /// The root token.
    pub token: Secret,
    /// The only key share.
    pub share: Zeroizing<Vec<u8>>,
}

/// Initialises and unseals.
///
/// # Errors
/// What went wrong, for the terminal.
pub async fn start(core: &Arc<Core>, options: &Options) -> Result<Dev, String> {
    let chosen = options.dev_root_token.clone().map(Secret::new);
    let request = InitRequest { shares: 1, threshold: 1, root_token: chosen, ..InitRequest::default() };
    let done = core.initialise(request).await.map_err(|error| error.to_string())?;
    let share = done.clear.into_iter().next().ok_or("no key share was made")?;
    core.unseal(share.clone(), false).await.map_err(|error| error.to_string())?;
    let version = if options.dev_kv_v1 { "1" } else { "2" };
    let fields = json!({
        "type": "kv", "description": "key/value secret storage", "options": { "version": version },
    });
    let Value::Object(fields) = fields else { return Err("the KV mount has no fields".into()) };
    let request = Request {
        id: lessor_core::mount::entry::uuid(),
        operation: Operation::Update,
        path: "sys/mounts/secret".into(),
        fields,
        token: Some(done.root_token.clone()),
        namespace: String::new(),
        wrap_ttl: None,
        client: None,
        client_port: 0,
        headers: Vec::new(),
        certificates: Vec::new(),
        upload: None,
        help: false,
    };
    let answer = core.handle(request).await;
    if answer.status >= 300 {
        return Err(format!("secret/ was not mounted: {}", answer.body.into_value()));
    }
    Ok(Dev { token: done.root_token, share })
}
