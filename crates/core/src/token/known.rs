//! Records of tokens that were read before, by the version they were read with.
//!
//! Nothing here says that a token is good: whoever asks reads the version from storage each time, and a record counts
//! only while that is the same. What is saved is decrypting and parsing.
use super::Token;
use lessor_storage::Version;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many records are kept; beyond it all of them are forgotten.
const REMEMBERED: usize = 4096;

type Records = HashMap<String, (Version, Arc<Token>)>;

/// Records by storage id.
#[derive(Default)]
pub(super) struct Known(Mutex<Records>);

impl Known {
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What was read last under that id.
    pub fn get(&self, key: &str) -> Option<(Version, Arc<Token>)> {
        self.lock().get(key).map(|(version, token)| (*version, Arc::clone(token)))
    }
    /// Remembers what was read.
    pub fn put(&self, key: &str, version: Version, token: &Arc<Token>) {
        let mut known = self.lock();
        if known.len() >= REMEMBERED && !known.contains_key(key) {
            known.clear();
        }
        known.insert(key.to_owned(), (version, Arc::clone(token)));
    }
    /// Forgets a token that is gone.
    pub fn forget(&self, key: &str) {
        self.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use crate::token::{Token, Tokens};
    use jiff::Timestamp;
    use lessor_engine::Secret;
    use lessor_storage::{Batch, MemoryStorage, Storage};
    use std::sync::Arc;

    const TEXT: &str = "chosen";

    async fn create(tokens: &Tokens, policy: &str) -> Token {
        let token =
            Token { policies: vec![policy.to_owned()], ..Token::new(Timestamp::UNIX_EPOCH, "auth/token/create") };
        tokens.create_as(token, Secret::new(TEXT), Batch::new()).await.unwrap().0
    }

    async fn policies(tokens: &Tokens) -> Option<Vec<String>> {
        let found = tokens.find(TEXT, Timestamp::UNIX_EPOCH).await.unwrap();
        found.map(|found| found.token.policies.clone())
    }

    #[tokio::test]
    async fn what_another_node_does_to_a_token_counts_at_the_next_request() {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let (here, there) =
            (Tokens::load(storage.clone()).await.unwrap(), Tokens::load(storage.clone()).await.unwrap());
        let token = create(&there, "a").await;
        assert_eq!(policies(&here).await, Some(vec!["a".to_owned()]));
        assert_eq!(policies(&here).await, Some(vec!["a".to_owned()]));

        let (_, version) = there.get(&token.key, Timestamp::UNIX_EPOCH).await.unwrap().unwrap();
        let changed = Token { policies: vec!["b".to_owned()], ..token.clone() };
        there.update(&token, &changed, version).await.unwrap();
        assert_eq!(policies(&here).await, Some(vec!["b".to_owned()]));

        there.bury(&token.key, Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(policies(&here).await, None);
        // The same text again is another token.
        create(&there, "c").await;
        assert_eq!(policies(&here).await, Some(vec!["c".to_owned()]));
    }

    #[tokio::test]
    async fn a_known_token_ends_with_its_time_and_its_uses() {
        let tokens = Tokens::load(Arc::new(MemoryStorage::new())).await.unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let later = Timestamp::from_second(60).unwrap();
        let token = Token { expires: Some(later), ..Token::new(now, "auth/token/create") };
        let (token, text) = tokens.create_as(token, Secret::new(TEXT), Batch::new()).await.unwrap();
        assert!(tokens.find(text.expose(), now).await.unwrap().is_some());
        assert!(tokens.find(text.expose(), later).await.unwrap().is_none());
        let version = tokens.find(text.expose(), now).await.unwrap().unwrap().version.unwrap();
        tokens.update(&token, &Token { num_uses: -1, ..token.clone() }, version).await.unwrap();
        assert!(tokens.find(text.expose(), now).await.unwrap().is_none());
    }
}
