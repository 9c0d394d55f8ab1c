//! Lessor as its users meet it: the program, over HTTP, against real platforms.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a failed test")]
#![allow(clippy::disallowed_methods, reason = "a test may block its own thread")]
mod active_directory;
mod auth_cert;
mod auth_local;
mod auth_remote;
mod aws;
mod backup;
mod cli;
mod clients;
mod differential_engines;
mod differential_sys;
mod federation;
mod identity;
mod kill;
mod kubernetes;
mod ldap;
mod lessor;
mod openapi;
mod pki;
mod policy;
mod policy_fuzz;
mod postgresql;
mod rabbitmq;
mod same_way;
mod seal;
mod seal_clouds;
mod seal_command_lines;
mod seal_holders;
mod seal_keepers;
mod seal_kmip;
mod secrecy;
mod ssh;
mod ssh_command;
mod ssh_helper;
mod targets;
mod transit;
