//! One command a file; this is their list.

use crate::command::{Command, Group};

pub mod audit;
pub mod auth;
pub mod debug;
pub mod delete;
pub mod kv;
pub mod lease;
pub mod list;
pub mod login;
pub mod monitor;
pub mod mounts;
pub mod namespace;
pub mod operator;
pub mod path_help;
pub mod pki;
pub mod plugin;
pub mod policy;
pub mod print_token;
pub mod read;
pub mod reconcile;
pub mod scan;
pub mod secrets;
pub mod server;
pub mod ssh;
pub mod ssh_helper;
pub mod status;
pub mod token;
pub mod transit_import;
pub mod unwrap;
pub mod version;
pub mod version_history;
pub mod write;

/// Words that only hold other commands.
pub static GROUPS: &[Group] = &[
    Group { name: "audit", about: "Record requests and answers." },
    Group { name: "auth", about: "Mount auth methods." },
    Group { name: "kv", about: "Read and write key-value secrets." },
    Group { name: "kv metadata", about: "Read and write what is kept beside the versions." },
    Group { name: "lease", about: "Look at, renew and revoke leases." },
    Group { name: "namespace", about: "Manage servers within the server." },
    Group { name: "operator", about: "Initialize, seal and unseal." },
    Group { name: "operator raft", about: "Manage the nodes of a replicated storage." },
    Group { name: "operator raft autopilot", about: "Look after the nodes of a replicated storage." },
    Group { name: "operator raft snapshot", about: "Save and restore the storage." },
    Group { name: "operator snapshot", about: "Save and restore the storage." },
    Group { name: "pki", about: "Make, compare and judge certificate authorities." },
    Group { name: "plugin", about: "Look at what can be mounted." },
    Group { name: "policy", about: "Read and write policies." },
    Group { name: "print", about: "Print what the command line holds." },
    Group { name: "secrets", about: "Mount secrets engines." },
    Group { name: "transit", about: "Bring keys into a transit mount." },
    Group { name: "token", about: "Create, look at, renew and revoke tokens." },
];

static COMMANDS: &[&Command] = &[
    &audit::disable::COMMAND,
    &audit::enable::COMMAND,
    &audit::list::COMMAND,
    &auth::disable::COMMAND,
    &auth::enable::COMMAND,
    &auth::help::COMMAND,
    &auth::list::COMMAND,
    &auth::move_mount::COMMAND,
    &auth::tune::COMMAND,
    &debug::COMMAND,
    &delete::COMMAND,
    &kv::delete::COMMAND,
    &kv::delete::DESTROY,
    &kv::delete::UNDELETE,
    &kv::get::COMMAND,
    &kv::list::COMMAND,
    &kv::scan::COMMAND,
    &kv::metadata::DELETE,
    &kv::metadata::GET,
    &kv::metadata::PATCH,
    &kv::metadata::PUT,
    &kv::put::COMMAND,
    &kv::put::PATCH,
    &kv::rollback::COMMAND,
    &kv::enable_versioning::COMMAND,
    &lease::lookup::COMMAND,
    &lease::renew::COMMAND,
    &lease::revoke::COMMAND,
    &list::COMMAND,
    &login::COMMAND,
    &monitor::COMMAND,
    &namespace::change::CREATE,
    &namespace::change::DELETE,
    &namespace::change::PATCH,
    &namespace::list::COMMAND,
    &namespace::list::LOOKUP,
    &namespace::list::SCAN,
    &namespace::lock::LOCK,
    &namespace::lock::UNLOCK,
    &operator::config::DIAGNOSE,
    &operator::config::VALIDATE,
    &operator::generate_root::COMMAND,
    &operator::init::COMMAND,
    &operator::key_status::COMMAND,
    &operator::key_status::ROTATE,
    &operator::members::COMMAND,
    &operator::migrate::COMMAND,
    &operator::raft::autopilot::GET,
    &operator::raft::autopilot::SET,
    &operator::raft::autopilot::STATE,
    &operator::raft::join::COMMAND,
    &operator::raft::peers::DEMOTE,
    &operator::raft::peers::LIST,
    &operator::raft::peers::PROMOTE,
    &operator::raft::peers::REMOVE,
    &operator::raft::snapshot::RESTORE,
    &operator::raft::snapshot::SAVE,
    &operator::raft::snapshot::PLAIN_RESTORE,
    &operator::raft::snapshot::PLAIN_SAVE,
    &operator::rekey::COMMAND,
    &operator::rekey::ROTATE_KEYS,
    &operator::seal::COMMAND,
    &operator::seal::STEP_DOWN,
    &operator::unseal::COMMAND,
    &operator::usage::COMMAND,
    &path_help::COMMAND,
    &pki::health::COMMAND,
    &pki::issue::COMMAND,
    &pki::list_intermediates::COMMAND,
    &pki::reissue::COMMAND,
    &pki::verify_sign::COMMAND,
    &plugin::catalog::DEREGISTER,
    &plugin::catalog::INFO,
    &plugin::catalog::REGISTER,
    &plugin::list::COMMAND,
    &plugin::reload::COMMAND,
    &plugin::reload::STATUS,
    &policy::delete::COMMAND,
    &policy::fmt::COMMAND,
    &policy::list::COMMAND,
    &policy::read::COMMAND,
    &policy::write::COMMAND,
    &print_token::COMMAND,
    &read::COMMAND,
    &reconcile::COMMAND,
    &scan::COMMAND,
    &secrets::disable::COMMAND,
    &secrets::enable::COMMAND,
    &secrets::list::COMMAND,
    &secrets::move_mount::COMMAND,
    &secrets::tune::COMMAND,
    &server::COMMAND,
    &ssh::COMMAND,
    &ssh_helper::COMMAND,
    &status::COMMAND,
    &token::capabilities::COMMAND,
    &token::create::COMMAND,
    &token::lookup::COMMAND,
    &token::renew::COMMAND,
    &token::revoke::COMMAND,
    &transit_import::COMMAND,
    &transit_import::VERSION,
    &unwrap::COMMAND,
    &version::COMMAND,
    &version_history::COMMAND,
    &write::COMMAND,
    &write::PATCH,
];

/// Every command.
pub fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().copied()
}
