//! bcrypt, off the runtime's threads and with a bound: each comparison takes a core for tens of milliseconds.
use bcrypt::{BcryptError, HashParts};
use lessor_engine::{Error, Result, Secret};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Vault's default.
const COST: u32 = 10;
/// Each step doubles the work; 18 is a quarter of a minute already.
const HIGHEST_COST: u32 = 18;
/// bcrypt reads no further.
const LONGEST_PASSWORD: usize = 72;
/// Logins that may wait for a core.
const LONGEST_QUEUE: usize = 512;

/// Hashes and compares passwords, as many at once as there are cores.
pub(crate) struct Hashing {
    cores: Semaphore,
    waiting: AtomicUsize,
    nobody: OnceLock<String>,
}

impl Default for Hashing {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cores: Semaphore::new(cores), waiting: AtomicUsize::new(0), nobody: OnceLock::new() }
    }
}

/// Counts a waiting login for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn failed(error: &BcryptError) -> Error {
    Error::Internal(format!("bcrypt failed: {error}"))
}

impl Hashing {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= LONGEST_QUEUE {
            let message = "too many passwords are being checked: try again in a moment".to_owned();
            return Err(Error::Refused { status: 429, message });
        }
        let stopped = |_| Error::Internal("the check of a password was stopped".to_owned());
        let _core = self.cores.acquire().await.map_err(|_| Error::Internal("shutting down".to_owned()))?;
        tokio::task::spawn_blocking(work).await.map_err(stopped)
    }
    /// The hash that is stored.
    pub(crate) async fn hash(&self, password: Secret) -> Result<String> {
        if password.expose().len() > LONGEST_PASSWORD {
            let text = format!("bcrypt: password length exceeds {LONGEST_PASSWORD} bytes");
            return Err(Error::invalid(text));
        }
        self.run(move || bcrypt::hash(password.expose(), COST)).await?.map_err(|error| failed(&error))
    }
    /// Whether the password is the one of the hash. Without a hash it takes as long, and it is not.
    pub(crate) async fn is(&self, password: Secret, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = match hash {
            Some(hash) => hash,
            None => self.nobody().await?,
        };
        let same = self.run(move || bcrypt::verify(password.expose(), &hash)).await?.map_err(|error| failed(&error))?;
        Ok(same && known)
    }
    async fn nobody(&self) -> Result<String> {
        if let Some(hash) = self.nobody.get() {
            return Ok(hash.clone());
        }
        let hash = self.run(|| bcrypt::hash("nobody", COST)).await?.map_err(|error| failed(&error))?;
        Ok(self.nobody.get_or_init(|| hash).clone())
    }
}

/// Checks a hash that was made elsewhere.
pub(crate) fn checked(hash: &str) -> Result<()> {
    let parts: HashParts = hash.parse().map_err(|_| Error::invalid("password_hash is not a valid bcrypt hash"))?;
    if !(4..=HIGHEST_COST).contains(&parts.get_cost()) {
        return Err(Error::invalid(format!("password_hash has a cost out of range: use one of 4 to {HIGHEST_COST}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_its_own_and_no_others_and_nobody_has_one() {
        let hashing = Hashing::default();
        let hash = hashing.hash(Secret::new("sesame")).await.unwrap();
        assert!(hash.starts_with("$2b$10$"));
        assert!(hashing.is(Secret::new("sesame"), Some(hash.clone())).await.unwrap());
        assert!(!hashing.is(Secret::new("Sesame"), Some(hash)).await.unwrap());
        assert!(!hashing.is(Secret::new("nobody"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_instead_of_growing() {
        let hashing = Hashing::default();
        hashing.waiting.store(LONGEST_QUEUE, Ordering::Relaxed);
        let error = hashing.hash(Secret::new("x")).await.unwrap_err();
        assert_eq!(error.status(), 429);
        assert_eq!(hashing.waiting.load(Ordering::Relaxed), LONGEST_QUEUE);
    }

    #[test]
    fn hashes_made_elsewhere_are_bcrypt_of_a_bearable_cost() {
        checked("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy").unwrap();
        checked("$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy").unwrap();
        assert!(checked("nope").is_err());
        assert!(checked("$2a$31$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy").is_err());
    }
}
