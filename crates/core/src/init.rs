//! Initialisation: root key, shares and root token.
use crate::hand_out::{HandOut, one_key_per_share};
use crate::node::{Core, Keys};
use crate::pgp::PgpKey;
use crate::seal::{self, Holders, SealConfig, SealKind, Shared};
use crate::token::record::fresh_text;
use crate::token::{Token, Tokens};
use base64::{Engine, engine::general_purpose::STANDARD};
use lessor_engine::{Error, Result, Secret};
use lessor_storage::{Batch, Storage};
use std::sync::Arc;

/// What initialisation is asked for.
#[derive(Default)]
pub struct InitRequest {
    /// How many key shares, or recovery key shares with an automatic seal.
    pub shares: i64,
    /// How many of them are needed.
    pub threshold: i64,
    /// One public key per share, base64; none for shares in clear.
    pub pgp_keys: Vec<String>,
    /// A public key for the root token, or empty.
    pub root_token_pgp_key: String,
    /// The root token that the caller wants.
    pub root_token: Option<Secret>,
}

/// What initialisation gives, once.
pub struct Initialised {
    /// Key shares, or recovery key shares with an automatic seal.
    pub shares: HandOut,
    /// The same for who is to unseal at once; empty where they are encrypted for somebody.
    pub clear: Vec<seal::Share>,
    /// Whether `shares` are for recovery.
    pub recovery: bool,
    /// The root token, or base64 of the message that holds it.
    pub root_token: Secret,
}

impl Core {
    /// Makes keys and the root token. Everything that can be refused is looked at before anything is stored.
    ///
    /// # Errors
    /// When it was done before, the numbers or PGP keys make no sense, or the seal does not work.
    pub async fn initialise(self: &Arc<Self>, wanted: InitRequest) -> Result<Initialised> {
        let now = self.parts.clock.now().as_second();
        let (shares, threshold) = seal::check_numbers(wanted.shares, wanted.threshold)?;
        one_key_per_share(
            wanted.pgp_keys.len(),
            wanted.shares,
            "invalid seal configuration: count mismatch between number of provided PGP keys and number of shares",
        )?;
        let keys = PgpKey::parse_all(&wanted.pgp_keys, now)
            .map_err(|error| Error::invalid(format!("invalid seal configuration: {error}")))?;
        let for_token = match wanted.root_token_pgp_key.as_str() {
            "" => None,
            key => Some(PgpKey::parse(key, now)?),
        };
        let _change = self.change.lock().await;
        if self.seals.config().await?.is_some() {
            return Err(Error::invalid("Vault is already initialized"));
        }
        let Shared { key, shares: parts } = seal::new_shared(shares, threshold)?;
        let clear = if keys.is_empty() { parts.clone() } else { Vec::new() };
        let hand_out = HandOut::new(parts, &keys)?;
        let (config, node_keys) = self.first_seal((shares, threshold), &key).await?;
        self.seals.initialise(&config, &node_keys.root, now).await?;
        let root_token = self.first_token(&node_keys, wanted.root_token, for_token.as_ref()).await?;
        let recovery = !config.is_shamir();
        if recovery {
            self.activate(node_keys).await?;
        } else {
            self.barrier.seal();
        }
        Ok(Initialised { shares: hand_out, clear, recovery, root_token })
    }

    async fn first_seal(&self, numbers: (u8, u8), key: &crate::barrier::Key) -> Result<(SealConfig, Keys)> {
        let root = crate::barrier::Key::random()?;
        Ok(match self.seal_kind() {
            SealKind::Shamir => {
                let config = SealConfig::shamir(Holders::of_unseal_key(numbers, key, &root)?);
                (config, Keys { root, unseal: Some(key.clone()) })
            }
            SealKind::Auto(seal) => {
                let wrapped = seal::wrap_checked(seal.as_ref(), &root).await?;
                let config = SealConfig::auto(seal.kind(), &wrapped, Holders::of_recovery_key(numbers, key)?);
                (config, Keys { root, unseal: None })
            }
        })
    }

    async fn first_token(&self, keys: &Keys, text: Option<Secret>, pgp: Option<&PgpKey>) -> Result<Secret> {
        self.barrier.unseal(&keys.root).await?;
        let tokens = Tokens::load(Arc::clone(&self.barrier) as Arc<dyn Storage>).await?;
        let record = self.root_token();
        let text = text.unwrap_or_else(|| fresh_text(record.created, ""));
        let (_, token) = tokens.create_as(record, text, Batch::new()).await?;
        match pgp {
            None => Ok(token),
            Some(key) => Ok(Secret::new(STANDARD.encode(key.encrypt(token.expose().as_bytes())?))),
        }
    }

    /// A root token that never ends and has no parent.
    pub(crate) fn root_token(&self) -> Token {
        Token {
            policies: vec!["root".to_owned()],
            display_name: "root".to_owned(),
            ..Token::new(self.parts.clock.now(), "auth/token/root")
        }
    }
}
