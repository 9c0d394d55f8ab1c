//! A key ceremony: an operation that the holders of key shares carry out together, each on whichever node he reaches. How
//! far it is stands behind the barrier, so that every node goes on with the same one.
use crate::barrier::Barrier;
use lessor_engine::{Error, Result};
use lessor_storage::{Batch, Expect, Storage};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;
use std::sync::Arc;
use zeroize::Zeroize;

/// Where ceremonies stand, for no hands.
pub(crate) const CEREMONIES: &str = "core/ceremony/";
/// How often a step begins anew because another node took one at the same time.
const TRIES: usize = 16;

/// One kind of them; at most one of a kind is under way.
pub(crate) struct Ceremony<T> {
    barrier: Arc<Barrier>,
    key: String,
    kind: PhantomData<fn() -> T>,
}

/// How far it was when it was read.
pub(crate) struct Stand<T> {
    /// `None` while none is under way.
    pub(crate) state: Option<T>,
    key: String,
    expect: Expect,
}

/// What a step comes to.
pub(crate) enum Step<T, R> {
    /// The ceremony goes on as it stands there, with this answer.
    GoesOn(Stand<T>, Result<R>),
    /// It has ended, in a commit with [`Stand::end`].
    Ended(R),
    /// That commit met another node's step.
    Again,
}

impl<T> Stand<T> {
    /// The write that ends the ceremony, unless another node took a step since.
    pub(crate) fn end(&self) -> Batch {
        Batch::new().expect(&self.key, self.expect).delete(&self.key)
    }
}

impl<T: Serialize + DeserializeOwned> Ceremony<T> {
    pub(crate) fn new(barrier: Arc<Barrier>, name: &str) -> Self {
        Self { barrier, key: format!("{CEREMONIES}{name}"), kind: PhantomData }
    }
    /// How far it is.
    ///
    /// # Errors
    /// When sealed, or storage fails.
    pub(crate) async fn read(&self) -> Result<Stand<T>> {
        let key = self.key.clone();
        let Some(mut entry) = self.barrier.get(&key).await? else {
            return Ok(Stand { state: None, key, expect: Expect::Absent });
        };
        let state = serde_json::from_slice(&entry.value);
        entry.value.zeroize();
        Ok(Stand { state: Some(state?), key, expect: Expect::Version(entry.version) })
    }
    /// Takes a step, which runs again on what stands then where another node was faster.
    ///
    /// # Errors
    /// What `step` says, or storage.
    pub(crate) async fn step<R, F>(&self, mut step: impl FnMut(Stand<T>) -> F) -> Result<R>
    where
        F: Future<Output = Result<Step<T, R>>>,
    {
        for _ in 0..TRIES {
            match step(self.read().await?).await? {
                Step::GoesOn(stand, answer) if self.keep(&stand).await? => return answer,
                Step::Ended(answer) => return Ok(answer),
                Step::GoesOn(..) | Step::Again => {}
            }
        }
        Err(Error::Internal("other nodes take steps of the same operation all the time: try again".into()))
    }
    /// Begins, changes or ends it.
    ///
    /// # Errors
    /// What `change` says; then nothing changes. Or storage.
    pub(crate) async fn change<R>(&self, mut change: impl FnMut(&mut Option<T>) -> Result<R>) -> Result<R> {
        for _ in 0..TRIES {
            let mut stand = self.read().await?;
            let answer = change(&mut stand.state)?;
            if self.keep(&stand).await? {
                return Ok(answer);
            }
        }
        Err(Error::Internal("other nodes take steps of the same operation all the time: try again".into()))
    }
    /// Whether nobody else was faster.
    async fn keep(&self, stand: &Stand<T>) -> Result<bool> {
        let batch = match (&stand.state, stand.expect) {
            (Some(state), expect) => Batch::new().expect(&self.key, expect).put(&self.key, serde_json::to_vec(state)?),
            (None, Expect::Absent) => return Ok(true),
            (None, _) => stand.end(),
        };
        match self.barrier.commit(batch).await {
            Ok(()) => Ok(true),
            Err(lessor_storage::Error::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Ends all of them: the first node begins with none, as one does that was sealed or ended in the middle.
///
/// # Errors
/// When storage fails.
pub(crate) async fn forget(storage: &Arc<dyn Storage>) -> Result<()> {
    let found = storage.scan(CEREMONIES, None, TRIES).await?;
    if found.is_empty() {
        return Ok(());
    }
    let batch = found.iter().fold(Batch::new(), |batch, entry| batch.delete(&entry.key));
    Ok(storage.commit(batch).await?)
}
