//! A key in an HSM, through the vendor's PKCS#11 library.
//!
//! Its calls block, and a broken HSM may never answer: each runs on a thread of its own, one at a time, so that at
//! most one thread is ever lost to it.
use async_trait::async_trait;
use aws_lc_rs::rand::fill;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::mechanism::{Mechanism as Call, MechanismType};
use cryptoki::object::{Attribute, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use lessor_core::seal::{Seal, SealError, Unwrapped};
use lessor_engine::Secret;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// Bound of one call, the wait for the one before it included.
const TIMEOUT: Duration = Duration::from_secs(20);
const IV: usize = 12;
const CONTEXT: &[u8] = b"core/root-key";

/// How the HSM encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// `CKM_AES_GCM` with a secret key.
    AesGcm,
    /// `CKM_RSA_PKCS_OAEP` with a key pair.
    RsaOaep(OaepHash),
}

/// The hash of OAEP, and of its mask generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OaepHash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Which key, and how to get at it.
#[derive(Clone)]
pub struct Pkcs11Settings {
    /// The vendor's library.
    pub lib: PathBuf,
    /// The slot, unless `token_label` says which.
    pub slot: Option<u64>,
    /// The token's label, or empty.
    pub token_label: String,
    /// The user's PIN.
    pub pin: Secret,
    /// The key's label, or empty.
    pub key_label: String,
    /// The key's id, or empty.
    pub key_id: Vec<u8>,
    /// How it encrypts.
    pub mechanism: Mechanism,
}

/// Encrypts in the HSM.
pub struct Pkcs11Seal {
    hsm: Arc<Hsm>,
    turn: Arc<Semaphore>,
}

struct Hsm {
    settings: Pkcs11Settings,
    /// Loaded with the first call.
    library: Mutex<Option<Pkcs11>>,
}

impl Pkcs11Seal {
    /// Loads no library yet.
    pub fn new(settings: Pkcs11Settings) -> Self {
        let hsm = Arc::new(Hsm { settings, library: Mutex::new(None) });
        Self { hsm, turn: Arc::new(Semaphore::new(1)) }
    }
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Hsm) -> Result<T, SealError> + Send + 'static,
    ) -> Result<T, SealError> {
        let (hsm, turn) = (Arc::clone(&self.hsm), Arc::clone(&self.turn));
        let answer = async move {
            let closed = |_| SealError::Unavailable("pkcs11: the seal has ended".into());
            let permit = turn.acquire_owned().await.map_err(closed)?;
            // The thread gives the turn back, however long it takes: nobody else enters a library that hangs.
            let work = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                call(&hsm)
            });
            work.await.map_err(|error| SealError::Unavailable(format!("pkcs11: {error}")))?
        };
        let late = |_| Err(SealError::Unavailable(format!("pkcs11: no answer within {} s", TIMEOUT.as_secs())));
        tokio::time::timeout(TIMEOUT, answer).await.unwrap_or_else(late)
    }
}

#[async_trait]
impl Seal for Pkcs11Seal {
    fn kind(&self) -> &'static str {
        "pkcs11"
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let plain = Zeroizing::new(plain.to_vec());
        self.call(move |hsm| hsm.encrypt(&plain)).await
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        let wrapped = wrapped.to_vec();
        self.call(move |hsm| hsm.decrypt(&wrapped)).await.map(|plain| Unwrapped { plain, stale: false })
    }
}

impl Hsm {
    fn library(&self) -> Result<Pkcs11, SealError> {
        let mut loaded = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = loaded.as_ref() {
            return Ok(library.clone());
        }
        let library = Pkcs11::new(&self.settings.lib).map_err(|error| classify(&error))?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Two seals of one library, during a migration.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(classify(&error)),
        }
        Ok(loaded.insert(library).clone())
    }
    fn slot(&self, library: &Pkcs11) -> Result<Slot, SealError> {
        let wanted = &self.settings;
        for slot in library.get_slots_with_token().map_err(|error| classify(&error))? {
            let label = library.get_token_info(slot).map(|token| token.label().trim_end().to_owned());
            let by_label = wanted.token_label.is_empty() || label.is_ok_and(|label| label == wanted.token_label);
            if by_label && wanted.slot.is_none_or(|id| id == slot.id()) {
                return Ok(slot);
            }
        }
        // An HSM that is being plugged in again is like one that does not answer.
        Err(SealError::Unavailable(format!(
            "pkcs11: no token has the label {:?} and the slot {:?}",
            wanted.token_label, wanted.slot
        )))
    }
    fn session(&self) -> Result<Session, SealError> {
        let library = self.library()?;
        let slot = self.slot(&library)?;
        let session = library.open_ro_session(slot).map_err(|error| classify(&error))?;
        let pin = AuthPin::new(self.settings.pin.expose().into());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(classify(&error)),
        }
    }
    fn key(&self, session: &Session, class: ObjectClass) -> Result<ObjectHandle, SealError> {
        let mut wanted = vec![Attribute::Class(class)];
        if !self.settings.key_label.is_empty() {
            wanted.push(Attribute::Label(self.settings.key_label.clone().into_bytes()));
        }
        if !self.settings.key_id.is_empty() {
            wanted.push(Attribute::Id(self.settings.key_id.clone()));
        }
        let found = session.find_objects(&wanted).map_err(|error| classify(&error))?;
        match found.as_slice() {
            [key] => Ok(*key),
            [] => Err(SealError::Refused(format!("pkcs11: no key has the label {:?}", self.settings.key_label))),
            _ => Err(SealError::Refused("pkcs11: several keys fit key_label and key_id".into())),
        }
    }
    fn encrypt(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let session = self.session()?;
        match self.settings.mechanism {
            Mechanism::AesGcm => {
                let mut iv = [0; IV];
                fill(&mut iv).map_err(|_| SealError::Unavailable("the system gives no random numbers".into()))?;
                let sent = iv;
                let key = self.key(&session, ObjectClass::SECRET_KEY)?;
                let sealed = gcm(&mut iv).and_then(|call| session.encrypt(&call, key, plain));
                let mut sealed = sealed.map_err(|error| classify(&error))?;
                // Some HSMs choose the IV themselves and write it in the place of ours.
                if iv != sent {
                    tracing::debug!("the HSM chose the IV");
                }
                sealed.splice(0..0, iv);
                Ok(sealed)
            }
            Mechanism::RsaOaep(hash) => {
                let key = self.key(&session, ObjectClass::PUBLIC_KEY)?;
                session.encrypt(&oaep(hash), key, plain).map_err(|error| classify(&error))
            }
        }
    }
    fn decrypt(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let session = self.session()?;
        let plain = match self.settings.mechanism {
            Mechanism::AesGcm => {
                let short = || SealError::Refused("pkcs11: what is to be decrypted is too short".into());
                let (iv, body) = sealed.split_first_chunk::<IV>().ok_or_else(short)?;
                let mut iv = *iv;
                let key = self.key(&session, ObjectClass::SECRET_KEY)?;
                gcm(&mut iv).and_then(|call| session.decrypt(&call, key, body))
            }
            Mechanism::RsaOaep(hash) => {
                let key = self.key(&session, ObjectClass::PRIVATE_KEY)?;
                session.decrypt(&oaep(hash), key, sealed)
            }
        };
        plain.map(Zeroizing::new).map_err(|error| classify(&error))
    }
}

fn gcm(iv: &mut [u8]) -> cryptoki::error::Result<Call<'_>> {
    Ok(Call::AesGcm(GcmParams::new(iv, CONTEXT, 128.into())?))
}

fn oaep(hash: OaepHash) -> Call<'static> {
    let (hash, mask) = match hash {
        OaepHash::Sha1 => (MechanismType::SHA1, PkcsMgfType::MGF1_SHA1),
        OaepHash::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
        OaepHash::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
        OaepHash::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
    };
    Call::RsaPkcsOaep(PkcsOaepParams::new(hash, mask, PkcsOaepSource::empty()))
}

/// An HSM that is away or in trouble may come back; what it says about PIN, key or data is an answer.
fn classify(error: &Error) -> SealError {
    let text = format!("pkcs11: {error}");
    match error {
        Error::Pkcs11(
            RvError::DeviceError
            | RvError::DeviceMemory
            | RvError::DeviceRemoved
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::SessionCount
            | RvError::HostMemory
            | RvError::GeneralError
            | RvError::FunctionFailed,
            _,
        )
        | Error::LibraryLoading(_) => SealError::Unavailable(text),
        _ => SealError::Refused(text),
    }
}
