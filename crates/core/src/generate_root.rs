//! A root token for people who hold enough key shares, or recovery key shares: it leaves the node either combined
//! with a one-time password, or encrypted with an OpenPGP key.
use crate::ceremony::{Stand, Step};
use crate::node::Core;
use crate::pgp::PgpKey;
use crate::rekey::right_nonce;
use crate::seal::{Fit, Gathering, Share, stored};
use crate::token::record::fresh_text;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use lessor_engine::{Error, Result, Secret, Timestamp};
use lessor_storage::Batch;
use rand::{Rng, distr::Alphanumeric};
use serde::{Deserialize, Serialize};

/// One that is under way.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct GenerateRoot {
    gathering: Gathering,
    cover: Cover,
    started: Timestamp,
}

/// What hides the token on its way.
#[derive(Clone, Serialize, Deserialize)]
enum Cover {
    OneTimePad(#[serde(with = "stored::text")] Secret),
    /// A public key in base64.
    Pgp(String),
}

/// How it goes.
#[derive(Default)]
pub(crate) struct GenerateRootStatus {
    /// Empty when none is under way.
    pub(crate) nonce: String,
    pub(crate) progress: usize,
    pub(crate) required: u8,
    pub(crate) pgp_fingerprint: String,
    /// Shown once, when the server made it.
    pub(crate) otp: Option<Secret>,
    pub(crate) otp_length: usize,
    /// The hidden token, at the end.
    pub(crate) encoded_token: Option<Secret>,
}

impl Core {
    async fn holders_needed(&self) -> Result<u8> {
        let config = self.seals.config().await?.ok_or_else(|| Error::invalid("Vault is not initialized"))?;
        Ok(config.0.holders.threshold)
    }
    fn otp_length(&self) -> usize {
        fresh_text(self.parts.clock.now(), "").expose().len()
    }
    /// Tells how it goes.
    pub(crate) async fn generate_root_status(&self) -> Result<GenerateRootStatus> {
        let status = GenerateRootStatus {
            required: self.holders_needed().await?,
            otp_length: self.otp_length(),
            ..Default::default()
        };
        match self.generate_root.read().await?.state {
            Some(under_way) => under_way.status(status),
            None => Ok(status),
        }
    }
    /// Begins; without a password and a key a password is made, and shown once.
    ///
    /// # Errors
    /// When one is under way, or password or key cannot be used.
    pub(crate) async fn begin_generate_root(&self, otp: Secret, pgp_key: &str) -> Result<GenerateRootStatus> {
        let (length, started) = (self.otp_length(), self.parts.clock.now());
        let mut made = None;
        let cover = match (otp.expose(), pgp_key) {
            ("", "") => {
                let fresh: String = rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect();
                made = Some(Secret::new(fresh.clone()));
                Cover::OneTimePad(Secret::new(fresh))
            }
            ("", key) => {
                PgpKey::parse(key, started.as_second())
                    .map_err(|error| Error::invalid(format!("error parsing PGP key: {error}")))?;
                Cover::Pgp(key.to_owned())
            }
            (text, _) if text.len() != length => return Err(Error::invalid("OTP string has incorrect length")),
            (_, "") => Cover::OneTimePad(otp.clone()),
            _ => return Err(Error::invalid("give either otp or pgp_key, not both")),
        };
        let status = GenerateRootStatus {
            required: self.holders_needed().await?,
            otp_length: length,
            otp: made,
            ..Default::default()
        };
        let begun = GenerateRoot { gathering: Gathering::new(), cover, started };
        let status = begun.status(status)?;
        let begin = |under_way: &mut Option<GenerateRoot>| {
            if under_way.is_some() {
                return Err(Error::invalid("root generation already in progress"));
            }
            *under_way = Some(begun.clone());
            Ok(())
        };
        self.generate_root.change(begin).await?;
        Ok(status)
    }
    /// Forgets it.
    pub(crate) async fn cancel_generate_root(&self) -> Result<()> {
        let forget = |under_way: &mut Option<GenerateRoot>| {
            *under_way = None;
            Ok(())
        };
        self.generate_root.change(forget).await
    }
    /// Takes one share; the last one that is needed gives the token.
    ///
    /// # Errors
    /// When none is under way, the nonce is another's, or the shares turn out to be wrong: then progress begins anew.
    pub(crate) async fn update_generate_root(&self, nonce: &str, share: Share) -> Result<GenerateRootStatus> {
        self.generate_root.step(|stand| self.generate_root_step(stand, nonce, share.clone())).await
    }
    async fn generate_root_step(
        &self,
        mut stand: Stand<GenerateRoot>,
        nonce: &str,
        share: Share,
    ) -> Result<Step<GenerateRoot, GenerateRootStatus>> {
        let config = self.seals.config().await?.ok_or_else(|| Error::invalid("Vault is not initialized"))?.0;
        let end = stand.end();
        let under_way = stand.state.as_mut().ok_or_else(|| Error::invalid("no root generation in progress"))?;
        right_nonce("root generation operation", &under_way.gathering.nonce, nonce)?;
        under_way.gathering.add(share);
        let status =
            under_way.status(GenerateRootStatus { required: config.holders.threshold, ..Default::default() })?;
        match config.fit(under_way.gathering.shares()) {
            Fit::TooFew => return Ok(Step::GoesOn(stand, Ok(status))),
            Fit::Right(_) => {}
            Fit::Wrong => {
                under_way.gathering.clear();
                let wrong = Error::invalid("root generation aborted: the key shares do not fit together");
                return Ok(Step::GoesOn(stand, Err(wrong)));
            }
        }
        let encoded_token = match self.hidden_root_token(under_way, end).await {
            Err(Error::Storage(lessor_storage::Error::Conflict { .. })) => return Ok(Step::Again),
            made => Some(made?),
        };
        Ok(Step::Ended(GenerateRootStatus { encoded_token, ..status }))
    }
    /// Hidden first, made afterwards: no token exists that nobody could have read.
    async fn hidden_root_token(
        &self,
        GenerateRoot { cover, started, .. }: &GenerateRoot,
        end: Batch,
    ) -> Result<Secret> {
        let text = fresh_text(self.parts.clock.now(), "");
        let hidden = match cover {
            Cover::OneTimePad(otp) => STANDARD_NO_PAD.encode(xor(text.expose().as_bytes(), otp.expose().as_bytes())?),
            Cover::Pgp(key) => {
                STANDARD.encode(PgpKey::parse(key, started.as_second())?.encrypt(text.expose().as_bytes())?)
            }
        };
        let active = self.active()?;
        active.tokens.create_as(self.root_token(), text, end).await?;
        Ok(Secret::new(hidden))
    }
}

impl GenerateRoot {
    fn status(&self, base: GenerateRootStatus) -> Result<GenerateRootStatus> {
        let pgp_fingerprint = match &self.cover {
            Cover::Pgp(key) => PgpKey::parse(key, self.started.as_second())?.fingerprint(),
            Cover::OneTimePad(_) => String::new(),
        };
        Ok(GenerateRootStatus {
            nonce: self.gathering.nonce.clone(),
            progress: self.gathering.progress(),
            pgp_fingerprint,
            ..base
        })
    }
}

/// The token that was hidden with a one-time password.
///
/// # Errors
/// When the two do not belong together.
pub(crate) fn decode(encoded: &Secret, otp: &Secret) -> Result<Secret> {
    if encoded.is_empty() || otp.is_empty() {
        return Err(Error::invalid("provided 'encoded_token' or 'otp' is empty"));
    }
    let hidden = STANDARD_NO_PAD
        .decode(encoded.expose().trim_end_matches('='))
        .map_err(|error| Error::invalid(format!("error decoding base64'd token: {error}")))?;
    let text = xor(&hidden, otp.expose().as_bytes())?;
    let text = String::from_utf8(text).map_err(|_| Error::invalid("'otp' is not the one of this 'encoded_token'"))?;
    Ok(Secret::new(text))
}

fn xor(a: &[u8], b: &[u8]) -> Result<Vec<u8>> {
    if a.len() != b.len() {
        let lengths = format!("{} != {}", a.len(), b.len());
        return Err(Error::invalid(format!("error xoring token: length of byte slices is not equivalent: {lengths}")));
    }
    Ok(a.iter().zip(b).map(|(a, b)| a ^ b).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_token_is_read_with_its_password_and_with_no_other() {
        // Taken from OpenBao 2.7.2.
        let (encoded, otp) =
            (Secret::new("G38jfR4nHRI1MWYkNjEzEiIUMG9mJzISFXA"), Secret::new("hQD1ODdCWE4WNxIekLB92WtFZH"));
        assert_eq!(decode(&encoded, &otp).unwrap().expose(), "s.gLQcyQbtRsxIzwIXrVTpFTO8");
        let error =
            |encoded: &str, otp: &str| decode(&Secret::new(encoded), &Secret::new(otp)).unwrap_err().to_string();
        assert!(error("", "a").contains("is empty"));
        assert!(error("?", "a").contains("error decoding base64'd token"));
        assert!(error("YWE", "a").contains("2 != 1"));
    }
}
