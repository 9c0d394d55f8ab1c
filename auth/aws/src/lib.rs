//! Logins of whoever holds keys of an AWS account: they sign the question "who am I?" (`sts:GetCallerIdentity`), Lessor
//! asks it at the STS endpoint that an operator configured, and believes the answer. And logins of instances, which show
//! a document that AWS signed.
//!
//! Read `request.rs` (which signed questions are asked), `sts.rs` (what comes back), `principal.rs`, `admission.rs`, then
//! `login.rs`. `cloud.rs` is what Lessor asks AWS itself. Of instances: `signer.rs`, `pkcs7.rs`, `document.rs`, `nonce.rs`,
//! `role_tag.rs`, then `ec2_login.rs`.
mod access_list;
mod accounts;
mod admission;
mod ber;
mod bounds;
mod certificates;
mod client;
mod cloud;
mod config;
mod document;
mod ec2_login;
mod identity;
mod login;
mod machine;
mod metadata;
mod nonce;
mod partition;
mod pkcs7;
mod principal;
mod renewal;
mod request;
mod role;
mod role_tag;
mod roles;
mod root_key;
mod schedule;
mod signer;
mod sts;
mod tags;
mod tidy;

use lessor_engine::{Backend, Error, Factory, Fields, PathTable, Paths, Result};
use lessor_platform_http::Http;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidy::List;

/// One mount.
#[derive(Default)]
pub(crate) struct Aws {
    cloud: cloud::Cloud,
    full_arns: admission::FullArns,
    http: std::sync::OnceLock<Http>,
    tidying: tidy::Running,
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
    let paths = Paths::new(Arc::clone(aws))
        .path("login", "Logs in with a signed request or an instance's identity document.", |path| {
            path.write(login::login).open().login_role(role)
        })
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
        .path("role/{role}/tag", "Makes a tag that narrows what an instance may.", |path| path.write(tags::make))
        .path("config/certificates", "Lists certificates.", |path| path.list(certificates::list))
        .path("config/certificate/{cert_name}", "A certificate of who signs identity documents.", |path| {
            path.read(certificates::read)
                .write(certificates::write)
                .delete(certificates::delete)
                .exists(certificates::exists)
        });
    let paths = access_paths(paths, "identity-accesslist", "identity-accesslist/{instance_id}");
    let paths = access_paths(paths, "identity-whitelist", "identity-whitelist/{instance_id}");
    let paths = deny_paths(paths, "roletag-denylist", "roletag-denylist/{role_tag+}");
    let paths = deny_paths(paths, "roletag-blacklist", "roletag-blacklist/{role_tag+}");
    let paths = tidy_paths(paths, List::Access, "tidy/identity-accesslist", "config/tidy/identity-accesslist");
    let paths = tidy_paths(paths, List::Access, "tidy/identity-whitelist", "config/tidy/identity-whitelist");
    let paths = tidy_paths(paths, List::Deny, "tidy/roletag-denylist", "config/tidy/roletag-denylist");
    tidy_paths(paths, List::Deny, "tidy/roletag-blacklist", "config/tidy/roletag-blacklist").build()
}

fn access_paths(paths: Paths<Aws>, all: &'static str, one: &'static str) -> Paths<Aws> {
    paths.path(all, "Lists the instances that have logged in.", |path| path.list(access_list::list)).path(
        one,
        "What an instance has to know to log in again.",
        |path| path.read(access_list::read).delete(access_list::delete),
    )
}

fn deny_paths(paths: Paths<Aws>, all: &'static str, one: &'static str) -> Paths<Aws> {
    paths.path(all, "Lists the role tags that are not believed any more.", |path| path.list(tags::list)).path(
        one,
        "A role tag that is not believed any more.",
        |path| path.read(tags::read).write(tags::deny).delete(tags::allow),
    )
}

fn tidy_paths(paths: Paths<Aws>, list: List, now: &'static str, settings: &'static str) -> Paths<Aws> {
    paths
        .path(now, "Clears entries away that protect from nothing any more.", |path| {
            path.write(move |aws, cx, sent| tidy::start(aws, cx, sent, list))
        })
        .path(settings, "How entries are cleared away by themselves.", |path| {
            path.read(move |_, cx, (): ()| tidy::read(cx, list))
                .write(move |_, cx, sent| tidy::write(cx, sent, list))
                .delete(move |_, cx, (): ()| tidy::delete(cx, list))
        })
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
