//! The transit and totp engines beside the real peer, on loopback: the same requests get the same answers, and keys,
//! ciphertexts, signatures and backups move both ways.
mod answers;
mod certificates;
mod material;
mod peer;
mod questions;
