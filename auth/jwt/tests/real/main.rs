//! What `jwt` and `oidc` promise, with a real provider (npm's oidc-provider), and with stand-ins for what no provider can be
//! brought to do, for Microsoft Graph and for Google.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(clippy::disallowed_methods, reason = "a test may block its own thread")]
mod custom;
mod device;
mod direct;
mod sources;

/// The starters that the end-to-end tests have.
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../../../../tests/end_to_end/targets"]
mod targets {
    pub mod installed;
    pub mod openid;
    pub use installed::cache;
}

/// Their stand-ins.
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "../../../../tests/end_to_end/auth_remote"]
mod others {
    pub mod signer;
    pub mod stand_in;
}

mod lessor {
    /// A port that nobody listens on.
    pub fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }
}

#[path = "../../../support.rs"]
mod support;

use lessor_auth_jwt::JwtFactory;
use lessor_engine::{Error, Login, Operation, Outcome, Result, SystemClock};
use others::signer::{Signer, now};
use others::stand_in::{Asked, StandIn};
use serde_json::{Value, json};
use std::sync::Arc;
use support::Method;

/// A mount that has the same time as the providers.
fn mount() -> Method {
    let mut method = Method::new(&JwtFactory::oidc());
    method.cx.clock = Arc::new(SystemClock);
    method
}

fn with(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn poll(method: &Method, state: &str, nonce: &str) -> Result<Login> {
    method.log_in("oidc/poll", json!({ "state": state, "client_nonce": nonce })).await
}

/// Polls once in a while until it is decided.
async fn decided(method: &Method, state: &str) -> Result<Login> {
    for _ in 0..20 {
        match poll(method, state, "mine").await {
            Err(Error::Invalid(text)) if text == "authorization_pending" || text == "slow_down" => {}
            done => return done,
        }
        tokio::time::sleep(std::time::Duration::from_millis(1000)).await;
    }
    panic!("it is never decided")
}

/// Status and text of a visit of the browser.
async fn visit(method: &Method, fields: Value) -> (u16, String) {
    let reply = method.ask(Operation::Read, "oidc/callback", fields).await.unwrap().unwrap();
    let Outcome::Raw(raw) = reply.outcome else { panic!("no page") };
    assert!(raw.content_type.starts_with("text/html"));
    (reply.status.unwrap(), String::from_utf8(raw.bytes).unwrap())
}

/// A provider that answers as a test says; what it is not asked about here is up to `answer`.
fn provider(signer: &Signer, answer: impl Fn(&Asked, &str) -> (u16, Value) + Send + Sync + 'static) -> StandIn {
    let keys = Signer::published(&[signer]);
    StandIn::start(move |asked| {
        let issuer = format!("http://{}", asked.header("host"));
        match asked.path.as_str() {
            "/.well-known/openid-configuration" => (
                200,
                json!({
                    "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "token_endpoint": format!("{issuer}/token"),
                    "authorization_endpoint": format!("{issuer}/auth"),
                    "device_authorization_endpoint": format!("{issuer}/device"),
                }),
            ),
            "/keys" => (200, keys.clone()),
            _ => answer(asked, &issuer),
        }
    })
}

fn claims(issuer: &str) -> Value {
    json!({ "iss": issuer, "aud": "lessor", "sub": "alice", "iat": now(), "exp": now() + 300 })
}
