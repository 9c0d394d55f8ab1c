//! The verifier PostgreSQL stores for SCRAM-SHA-256, computed here so that the server never sees the password.
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lessor_engine::{Error, Result, Secret};
use std::num::NonZeroU32;

/// What the server takes unless told otherwise.
pub const DEFAULT_ITERATIONS: u32 = 4096;
/// Above this, the rounds are computed on a thread that may block.
const QUICK: u32 = 20_000;

/// `SCRAM-SHA-256$<rounds>:<salt>$<StoredKey>:<ServerKey>`.
///
/// # Errors
/// Only if the computing thread is gone.
pub async fn verifier(password: &Secret, iterations: u32) -> Result<Secret> {
    let salt: [u8; 16] = rand::random();
    if iterations <= QUICK {
        return Ok(compute(password, &salt, iterations));
    }
    let password = password.clone();
    tokio::task::spawn_blocking(move || compute(&password, &salt, iterations))
        .await
        .map_err(|error| Error::Internal(format!("the SCRAM verifier was not computed: {error}")))
}

fn compute(password: &Secret, salt: &[u8], iterations: u32) -> Secret {
    // As the server does: a password that SASLprep refuses is used as it is.
    let prepared = stringprep::saslprep(password.expose()).unwrap_or(password.expose().into());
    let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    let mut salted = [0u8; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, prepared.as_bytes(), &mut salted);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let stored = digest::digest(&digest::SHA256, hmac::sign(&key, b"Client Key").as_ref());
    let server = hmac::sign(&key, b"Server Key");
    Secret::new(format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_rfc_7677() {
        // The example of RFC 7677: password "pencil", 4096 rounds; its server signature verifies the same keys.
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = compute(&Secret::new("pencil"), &salt, 4096);
        let (head, keys) = verifier.expose().rsplit_once('$').unwrap();
        assert_eq!(head, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==");
        let server_key = STANDARD.decode(keys.split_once(':').unwrap().1).unwrap();
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                       s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &server_key), message.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
