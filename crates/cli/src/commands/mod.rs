//! One command a file; this is their list.

use crate::command::{Command, Group};

pub mod audit;
pub mod delete;
pub mod kv;
pub mod lease;
pub mod list;
pub mod login;
pub mod mounts;
pub mod operator;
pub mod path_help;
pub mod policy;
pub mod print_token;
pub mod read;
pub mod reconcile;
pub mod secrets;
pub mod server;
pub mod status;
pub mod token;
pub mod unwrap;
pub mod version;
pub mod write;

/// Words that only hold other commands.
pub static GROUPS: &[Group] = &[
    Group { name: "audit", about: "Record requests and answers." },
    Group { name: "kv", about: "Read and write key-value secrets." },
    Group { name: "kv metadata", about: "Read and write what is kept beside the versions." },
    Group { name: "lease", about: "Look at, renew and revoke leases." },
    Group { name: "operator", about: "Initialize, seal and unseal." },
    Group { name: "policy", about: "Read and write policies." },
    Group { name: "print", about: "Print what the command line holds." },
    Group { name: "secrets", about: "Mount secrets engines." },
    Group { name: "token", about: "Create, look at, renew and revoke tokens." },
];

static COMMANDS: &[&Command] = &[
    &audit::disable::COMMAND,
    &audit::enable::COMMAND,
    &audit::list::COMMAND,
    &delete::COMMAND,
    &kv::delete::COMMAND,
    &kv::delete::DESTROY,
    &kv::delete::UNDELETE,
    &kv::get::COMMAND,
    &kv::list::COMMAND,
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
    &operator::init::COMMAND,
    &operator::key_status::COMMAND,
    &operator::key_status::ROTATE,
    &operator::rekey::COMMAND,
    &operator::seal::COMMAND,
    &operator::seal::STEP_DOWN,
    &operator::unseal::COMMAND,
    &path_help::COMMAND,
    &policy::delete::COMMAND,
    &policy::list::COMMAND,
    &policy::read::COMMAND,
    &policy::write::COMMAND,
    &print_token::COMMAND,
    &read::COMMAND,
    &reconcile::COMMAND,
    &secrets::disable::COMMAND,
    &secrets::enable::COMMAND,
    &secrets::list::COMMAND,
    &secrets::move_mount::COMMAND,
    &secrets::tune::COMMAND,
    &server::COMMAND,
    &status::COMMAND,
    &token::capabilities::COMMAND,
    &token::create::COMMAND,
    &token::lookup::COMMAND,
    &token::renew::COMMAND,
    &token::revoke::COMMAND,
    &unwrap::COMMAND,
    &version::COMMAND,
    &write::COMMAND,
    &write::PATCH,
];

/// Every command.
pub fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().copied()
}
