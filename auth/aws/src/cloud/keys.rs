//! Access keys of whoever the session is.
use super::error::{Answer, CallError, failed, incomplete};
use super::session::Session;
use lessor_engine::Secret;
use serde::{Deserialize, Serialize};

/// An access key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) id: String,
    #[serde(with = "lessor_engine::secret::at_rest")]
    pub(crate) secret: Secret,
}

impl Session {
    /// Whether AWS believes the session's key. A refusal is an answer, silence is none.
    pub(crate) async fn is_believed(&self) -> Answer<bool> {
        let answer = self.clients().await.sts.get_caller_identity().send().await;
        match answer.map_err(|error| failed(&error)) {
            Ok(_) => Ok(true),
            Err(CallError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
    /// Name of the session's own user.
    pub(crate) async fn user_name(&self) -> Answer<String> {
        let answer = self.clients().await.iam.get_user().send().await.map_err(|error| failed(&error))?;
        Ok(answer.user().ok_or_else(|| incomplete("a user"))?.user_name().to_owned())
    }
    /// Ids of a user's keys; AWS allows two.
    pub(crate) async fn key_ids(&self, user: &str) -> Answer<Vec<String>> {
        let call = self.clients().await.iam.list_access_keys().user_name(user);
        let answer = call.send().await.map_err(|error| failed(&error))?;
        let ids = answer.access_key_metadata().iter().filter_map(|key| key.access_key_id());
        Ok(ids.map(str::to_owned).collect())
    }
    pub(crate) async fn create_key(&self, user: &str) -> Answer<Key> {
        let call = self.clients().await.iam.create_access_key().user_name(user);
        let answer = call.send().await.map_err(|error| failed(&error))?;
        let key = answer.access_key().ok_or_else(|| incomplete("an access key"))?;
        Ok(Key { id: key.access_key_id().to_owned(), secret: Secret::new(key.secret_access_key()) })
    }
    /// Already gone is success.
    pub(crate) async fn delete_key(&self, user: &str, id: &str) -> Answer<()> {
        let call = self.clients().await.iam.delete_access_key().user_name(user).access_key_id(id);
        match call.send().await.map_err(|error| failed(&error)) {
            Err(error) if !error.is("NoSuchEntity") => Err(error),
            _ => Ok(()),
        }
    }
}
