//! ACME (RFC 8555): certificates for whoever shows that a name is theirs.
//!
//! Read `session.rs` (a signed request and what it is for), `order.rs` (the way to a certificate), `validate.rs` and `probe.rs`
//! (how somebody shows it). Nonces, accounts, orders and waiting validations are in storage: every node goes on with them.
mod account;
pub(crate) mod config;
mod jws;
mod manage;
pub(crate) mod nonce;
mod order;
mod probe;
mod problem;
mod session;
mod store;
pub(crate) mod validate;

use crate::Engine;
use lessor_engine::Paths;

/// The resources of one directory.
macro_rules! directory {
    ($table:expr, $prefix:literal) => {
        $table
            .path(concat!($prefix, "acme/directory"), "Where everything of ACME is.", |path| {
                path.read(manage::show_directory).open()
            })
            .path(concat!($prefix, "acme/new-nonce"), "Makes a nonce.", |path| path.read(manage::new_nonce).open())
            .path(concat!($prefix, "acme/new-account"), "Makes or finds an account.", |path| {
                path.write(account::new_account).open()
            })
            .path(concat!($prefix, "acme/account/{kid}"), "Shows, changes and ends an account.", |path| {
                path.write(account::account).open()
            })
            .path(concat!($prefix, "acme/key-change"), "Gives an account another key.", |path| {
                path.write(account::key_change).open()
            })
            .path(concat!($prefix, "acme/orders"), "Lists an account's orders.", |path| {
                path.write(account::orders).open()
            })
            .path(concat!($prefix, "acme/new-order"), "Orders a certificate.", |path| {
                path.write(order::new_order).open()
            })
            .path(concat!($prefix, "acme/order/{id}"), "Shows an order.", |path| path.write(order::order).open())
            .path(concat!($prefix, "acme/order/{id}/finalize"), "Sends an order's request.", |path| {
                path.write(order::finalize).open()
            })
            .path(concat!($prefix, "acme/order/{id}/cert"), "The certificate of an order.", |path| {
                path.write(order::cert).open()
            })
            .path(concat!($prefix, "acme/authorization/{id}"), "Shows and ends an authorization.", |path| {
                path.write(order::authorization).open()
            })
            .path(concat!($prefix, "acme/challenge/{id}/{type}"), "Begins and shows a validation.", |path| {
                path.write(order::challenge).open()
            })
            .path(concat!($prefix, "acme/revoke-cert"), "Revokes a certificate.", |path| {
                path.write(order::revoke).open()
            })
            .path(concat!($prefix, "acme/new-eab"), "Makes a key for an external account binding.", |path| {
                path.write(manage::new_eab)
            })
    };
}

pub(crate) fn paths(table: Paths<Engine>) -> Paths<Engine> {
    let table = table
        .path("config/acme", "Whether and how ACME is offered.", |path| path.read(config::read).write(config::write))
        .path("eab", "Lists the keys for external account bindings.", |path| path.list(manage::list_eabs))
        .path("eab/{key_id}", "Deletes a key for an external account binding.", |path| path.delete(manage::delete_eab))
        .path("acme/mgmt/account/keyid", "Lists the ACME accounts.", |path| path.list(manage::list_accounts))
        .path("acme/mgmt/account/keyid/{keyid}", "Shows and ends an ACME account.", |path| {
            path.read(manage::read_account).write(manage::set_status)
        });
    let table = directory!(table, "");
    let table = directory!(table, "roles/{role}/");
    let table = directory!(table, "issuer/{issuer_ref}/");
    directory!(table, "issuer/{issuer_ref}/roles/{role}/")
}
