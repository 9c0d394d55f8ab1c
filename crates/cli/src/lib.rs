//! The command line: the field's commands, flags, tables and exit codes over [`lessor_client`].
//!
//! [`run`] is the whole program; [`run_with`] is the same with environment and streams given by the caller.
//! `flags` parses, `command` finds the command, `commands/*` hold one command each, `output/*` prints.

mod api;
mod command;
mod commands;
mod completion;
mod context;
mod data;
mod duration;
mod environment;
mod failure;
mod flags;
mod globals;
mod help;
mod output;
mod server_args;
mod token_store;

use std::ffi::OsString;

pub use environment::Environment;
pub use output::Io;
pub use server_args::{
    Builtins, ConfigCheck, ConfigReport, DevHidden, MigrateArgs, Migrator, ServerArgs, ServerRunner,
};
pub use token_store::write_token_file;

/// Runs the command line given as `args` (the program's name first) and returns the exit code.
pub async fn run(args: Vec<OsString>, builtins: Builtins) -> i32 {
    run_with(args, builtins, Environment::from_process(), Io::from_process()).await
}

/// [`run`] with the environment and the streams given by the caller.
pub async fn run_with(args: Vec<OsString>, builtins: Builtins, environment: Environment, io: Io) -> i32 {
    let args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    command::dispatch(args, builtins, environment, io).await
}
