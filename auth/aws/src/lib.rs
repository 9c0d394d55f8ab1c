//! Logins of whoever holds keys of an AWS account: they sign the question "who am I?" (`sts:GetCallerIdentity`), Lessor
//! asks it at the STS endpoint that an operator configured, and believes the answer.
//!
//! Read `request.rs` (which signed questions are asked), `sts.rs` (what comes back), `principal.rs`, `admission.rs`, then
//! `login.rs`. `cloud.rs` is what Lessor asks AWS itself.
mod accounts;
mod admission;
mod bounds;
mod client;
mod cloud;
mod config;
mod identity;
mod login;
mod machine;
mod metadata;
mod partition;
mod principal;
mod renewal;
mod request;
mod role;
mod roles;
mod root_key;
mod schedule;
mod sts;

use lessor_engine::{Backend, Error, Factory, Fields, PathTable, Paths, Result};
use lessor_platform_http::Http;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One mount.
#[derive(Default)]
pub(crate) struct Aws {
    cloud: cloud::Cloud,
    full_arns: admission::FullArns,
    http: std::sync::OnceLock<Http>,
}

impl Aws {
    /// For requests that are not the SDK's.
    pub(crate) fn http(&self) -> Result<Http> {
        if let Some(http) = self.http.get() {
            return Ok(http.clone());
        }
        let http = Http::new("").map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(self.http.get_or_init(|| http).clone())
    }
}

fn role(fields: &Fields) -> Option<String> {
    fields.get("role").and_then(|name| name.as_str()).map(str::to_lowercase)
}

fn paths(aws: &Arc<Aws>) -> PathTable {
    Paths::new(Arc::clone(aws))
        .path("login", "Logs in with a signed request.", |path| path.write(login::login).open().login_role(role))
        .path("config/client", "Says where AWS is asked and as whom.", |path| {
            path.read(client::read).write(client::write).delete(client::delete).exists(client::exists)
        })
        .path("config/rotate-root", "Replaces the key of whoever asks AWS.", |path| path.write(root_key::rotate))
        .path("config/identity", "Says what names an identity alias, and what is said of whoever logged in.", |path| {
            path.read(identity::read).write(identity::write)
        })
        .path("config/sts", "Lists the accounts that are asked through a role.", |path| path.list(accounts::list))
        .path("config/sts/{account_id}", "Says through which role an account is asked.", |path| {
            path.read(accounts::read).write(accounts::write).delete(accounts::delete).exists(accounts::exists)
        })
        .path("roles", "Lists the roles.", |path| path.list(roles::list))
        .path("role", "Lists the roles.", |path| path.list(roles::list))
        .path("role/{role}", "Manages a role.", |path| {
            path.read(roles::read).write(roles::write).delete(roles::delete).exists(roles::exists)
        })
        .build()
}

/// Makes `aws` mounts.
pub struct AwsFactory;

impl Factory for AwsFactory {
    fn kind(&self) -> &'static str {
        "aws"
    }
    fn description(&self) -> &'static str {
        "Logins with requests that were signed with keys of an AWS account"
    }
    fn create(&self, _: &BTreeMap<String, String>) -> Result<Backend> {
        let aws = Arc::new(Aws::default());
        Ok(Backend::new(paths(&aws)).auth(aws.clone()).rotating(aws))
    }
}
