//! Work that takes a core for longer than the runtime may be held up: keys and signatures of RSA, long lists.
//!
//! It runs beside the runtime's threads, as many pieces at a time as there are cores; the others wait in the order they
//! came, so that a rush of requests makes no rush of threads. Making a key of RSA takes up to seconds: keys have an allowance of
//! their own, one core less where there is more than one, and never hold signatures up.
use crate::{Error, Result};
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

static SIGNING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(cores())));
static MAKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new((cores() - 1).max(1))));

async fn within<T: Send + 'static>(
    allowance: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let broken = || Error::Internal("the work with the key broke off".to_owned());
    let permit = Arc::clone(allowance).acquire_owned().await.map_err(|_| broken())?;
    let done = tokio::task::spawn_blocking(move || {
        // Given back when the work is done, also where nobody waits for it any more.
        let _permit = permit;
        work()
    });
    done.await.map_err(|_| broken())?
}

/// Signs, or does what takes about as long.
///
/// # Errors
/// What the work says.
pub async fn sign<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    within(&SIGNING, work).await
}

/// Makes a key.
///
/// # Errors
/// What the work says.
pub async fn make<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    within(&MAKING, work).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn no_more_runs_at_a_time_than_is_allowed_and_all_of_it_is_done() {
        let (allowance, running, most) = (Arc::new(Semaphore::new(2)), Arc::default(), Arc::default());
        let piece = |number: usize| {
            let (allowance, running, most) = (Arc::clone(&allowance), Arc::clone(&running), Arc::clone(&most));
            let work = move || {
                let (running, most): (Arc<AtomicUsize>, Arc<AtomicUsize>) = (running, most);
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                #[allow(clippy::disallowed_methods, reason = "stands for work that keeps a thread")]
                std::thread::sleep(Duration::from_millis(2));
                running.fetch_sub(1, Ordering::SeqCst);
                if number == 7 { Err(Error::invalid("seven")) } else { Ok(number) }
            };
            async move { within(&allowance, work).await }
        };
        let done = futures::future::join_all((0..20).map(piece)).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 19);
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert_eq!(allowance.available_permits(), 2);
    }

    #[tokio::test]
    async fn keys_that_take_long_hold_no_signature_up() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let keys: Vec<_> = (0..cores() + 1)
            .map(|_| {
                let held = Arc::clone(&held);
                tokio::spawn(make(move || {
                    let held = held.lock().map_err(|_| Error::invalid("poisoned"))?;
                    held.recv().map_err(|_| Error::invalid("dropped"))
                }))
            })
            .collect();
        assert_eq!(sign(|| Ok(1)).await.unwrap(), 1);
        keys.iter().for_each(|_| release.send(()).unwrap());
        for key in keys {
            key.await.unwrap().unwrap();
        }
    }
}
