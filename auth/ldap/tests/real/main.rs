//! What `ldap` promises, against real directories: OpenLDAP's server and Samba's domain controller.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(clippy::disallowed_methods, reason = "a test may block its own thread")]
mod active_directory;
mod config;
mod people;
mod rotation;

/// The starters that the end-to-end tests have.
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../../../../tests/end_to_end/targets"]
mod targets {
    pub mod directory;
    pub mod samba;
    pub mod slapd;
}

mod lessor {
    /// A port that nobody listens on.
    pub fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }
}

#[path = "../../../support.rs"]
mod support;

use lessor_auth_ldap::LdapFactory;
use lessor_engine::{Login, Result};
use serde_json::{Value, json};
use support::Method;

fn mount() -> Method {
    Method::new(&LdapFactory)
}

async fn configured(config: &Value, more: Value) -> Method {
    let method = mount();
    let mut config = config.clone();
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    method.write("config", config).await;
    method
}

async fn log_in(method: &Method, name: &str, password: &str) -> Result<Login> {
    method.log_in(&format!("login/{name}"), json!({ "username": name, "password": password })).await
}

async fn groups(method: &Method, name: &str, password: &str) -> Vec<String> {
    log_in(method, name, password).await.unwrap_or_else(|error| panic!("{name}: {error}")).groups
}
