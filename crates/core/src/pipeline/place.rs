//! What a request is for: its namespace, its mount, and the path behind the mount.
use super::Refusal;
use crate::active::Active;
use crate::mount::Mounted;
use crate::quota::admit::Arrival;
use crate::request::Request;
use crate::response::Response;
use lessor_engine::path::{Access, Matched};
use std::sync::Arc;

/// Paths that speak of the whole node, which only the root namespace has.
const ROOT_ONLY: [&str; 20] = [
    "sys/config/state",
    "sys/generate-root",
    "sys/generate-root-token",
    "sys/health",
    "sys/host-info",
    "sys/in-flight-req",
    "sys/init",
    "sys/loggers",
    "sys/metrics",
    "sys/monitor",
    "sys/pprof",
    "sys/raw",
    "sys/rekey",
    "sys/rekey-recovery-key",
    "sys/rotate",
    "sys/seal",
    "sys/seal-backend-status",
    "sys/step-down",
    "sys/storage",
    "sys/unseal",
];

/// Whether the path speaks of the whole node, which no namespace has.
pub fn is_root_only(path: &str) -> bool {
    if !path.starts_with("sys/") {
        return false;
    }
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    ROOT_ONLY.into_iter().any(below)
}

/// Splits namespace and path; the header and the beginning of the path may both name a namespace.
///
/// # Errors
/// When there is none of that name, or it does not answer.
pub fn enter_namespace(active: &Active, request: &mut Request) -> Result<(), Refusal> {
    if request.namespace.is_empty() && active.namespaces.is_empty() {
        return Ok(());
    }
    let missing = || Refusal(Response::error(404, "namespace not found"));
    let resolved = active.namespaces.resolve(&request.namespace, &request.path).ok_or_else(missing)?;
    (request.namespace, request.path) = (resolved.namespace, resolved.path);
    if request.namespace.is_empty() {
        return Ok(());
    }
    if is_root_only(&request.path) {
        return Err(Refusal(Response::error(400, "operation unavailable in namespaces")));
    }
    if active.namespaces.at(&request.namespace).is_none_or(|namespace| namespace.tainted) {
        return Err(missing());
    }
    let unlocks = request.path.starts_with("sys/namespaces/api-lock/unlock");
    if let Some(locked) = active.namespaces.lock_on(&request.namespace).filter(|_| !unlocks) {
        let name = &locked.path;
        let text = format!(
            "API access to this namespace has been locked by an administrator - {name:?} must be unlocked to gain access."
        );
        return Err(Refusal(Response::error(503, text)));
    }
    Ok(())
}

/// The mount a request arrives at.
pub struct Place {
    /// The mount, if there is one.
    pub mounted: Option<Arc<Mounted>>,
    /// The path behind it.
    pub route: String,
    /// The mount's declaration of it, if there is one.
    pub matched: Option<Matched>,
}

impl Place {
    /// The mount of the request's path.
    pub fn find(active: &Active, request: &Request) -> Self {
        let mounted = active.mounts.find(&request.namespace, &request.path);
        let Some(mounted) = mounted else {
            return Self { mounted: None, route: String::new(), matched: None };
        };
        let route = request.path.strip_prefix(&mounted.entry.path).unwrap_or_default().to_owned();
        let matched = mounted.backend.paths.find(&route);
        Self { mounted: Some(mounted), route, matched }
    }
    /// The same, as the quotas ask.
    pub fn arrival(&self) -> Option<Arrival<'_>> {
        let (mounted, matched) = (self.mounted.as_ref()?, self.matched.as_ref()?);
        Some(Arrival { mounted, matched, route: &self.route })
    }
    /// Who is let in.
    pub fn access(&self) -> Access {
        self.matched.as_ref().map_or(Access::Token, |matched| matched.spec().access)
    }
    /// The mount, if it answers.
    ///
    /// # Errors
    /// When there is none, or it is being taken away.
    pub fn mounted(&self, request: &Request) -> Result<&Arc<Mounted>, Refusal> {
        let path = &request.path;
        let Some(mounted) = &self.mounted else {
            let text = format!("no handler for route \"{path}\". route entry not found.");
            return Err(Refusal(Response::error(404, text)));
        };
        if mounted.entry.tainted {
            let text = format!(
                "no handler for route \"{path}\" on namespace \"{}\". route entry or namespace is tainted.",
                request.namespace
            );
            return Err(Refusal(Response::error(404, text)));
        }
        Ok(mounted)
    }
}
