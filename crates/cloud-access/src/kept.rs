//! One access token, until shortly before its end.
use crate::Error;
use lessor_engine::{Secret, Timestamp};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long before its end a token is not used any more.
const EARLY: Duration = Duration::from_secs(120);
/// Longest time that one is used: a cloud may take it back earlier than it says.
const LONGEST: Duration = Duration::from_secs(3600);

/// What a cloud gave.
pub(crate) struct Granted {
    pub(crate) token: Secret,
    pub(crate) lasts: Duration,
}

struct Token<K> {
    text: Secret,
    ends: Timestamp,
    of: K,
}

/// The one token of a mount or seal, once it was needed. `K` is for whom it was given: for another there is another.
pub struct Kept<K>(Mutex<Option<Token<K>>>);

impl<K> Default for Kept<K> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<K: PartialEq> Kept<K> {
    pub(crate) async fn get(
        &self,
        of: K,
        now: Timestamp,
        ask: impl Future<Output = Result<Granted, Error>>,
    ) -> Result<Secret, Error> {
        // Held while asking: those who come meanwhile want the same answer.
        let mut kept = self.0.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.of == of && token.ends > now) {
            return Ok(token.text.clone());
        }
        let granted = ask.await?;
        let lasts = granted.lasts.saturating_sub(EARLY).min(LONGEST);
        let ends = now.saturating_add(lasts).unwrap_or(now);
        *kept = Some(Token { text: granted.token.clone(), ends, of });
        Ok(granted.token)
    }
    /// Forgets the token: the cloud does not take it any more.
    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}
