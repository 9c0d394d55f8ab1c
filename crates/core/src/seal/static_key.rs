//! A key that the server was started with.
use super::{Seal, SealError, Unwrapped};
use crate::barrier::{Key, decrypt, encrypt};
use async_trait::async_trait;
use zeroize::Zeroizing;

const CONTEXT: &[u8] = b"core/root-key";

/// AES-256-GCM under a key of the configuration; what lies under the previous one is encrypted anew.
pub struct StaticSeal {
    current: Key,
    previous: Option<Key>,
}

impl StaticSeal {
    /// With the key of today and, while it is being replaced, the one before.
    pub fn new(current: Key, previous: Option<Key>) -> Self {
        Self { current, previous }
    }
}

#[async_trait]
impl Seal for StaticSeal {
    fn kind(&self) -> &'static str {
        "static"
    }
    async fn wrap(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        encrypt(&self.current, CONTEXT, plain).map_err(|error| SealError::Unavailable(error.to_string()))
    }
    async fn unwrap(&self, wrapped: &[u8]) -> Result<Unwrapped, SealError> {
        let keys = [(Some(&self.current), false), (self.previous.as_ref(), true)];
        let opened = keys.into_iter().find_map(|(key, stale)| {
            let plain = decrypt(key?, CONTEXT, wrapped).map(Zeroizing::new)?;
            Some(Unwrapped { plain, stale })
        });
        opened.ok_or_else(|| SealError::Refused("the key of the static seal is not the one it was sealed with".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_previous_key_encrypted_is_read_and_called_stale() {
        let (old, new) = (Key::random().unwrap(), Key::random().unwrap());
        let wrapped = StaticSeal::new(old.clone(), None).wrap(b"root").await.unwrap();
        let both = StaticSeal::new(new.clone(), Some(old));
        let opened = both.unwrap(&wrapped).await.unwrap();
        assert!(opened.stale && opened.plain.as_slice() == b"root");
        let fresh = both.wrap(b"root").await.unwrap();
        assert!(!both.unwrap(&fresh).await.unwrap().stale);
        let refused = StaticSeal::new(new, None).unwrap(&wrapped).await;
        assert!(matches!(refused, Err(SealError::Refused(_))));
        both.health().await.unwrap();
    }
}
