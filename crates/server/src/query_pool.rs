//! Where queries run: threads that may block, as many at once as `--query.max-concurrency` allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use wf_promql::engine::CancelFlag;

use crate::api_v1::error::{ApiError, ErrorKind};

/// Slots for queries. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct QueryPool {
    slots: Arc<Semaphore>,
    long_answers: Arc<Semaphore>,
    /// Whether queries run one at a time, whatever the number of slots.
    is_single_file: Arc<AtomicBool>,
    single: Arc<Semaphore>,
}

/// Results that are kept while their readers take them, per query that may run.
const N_LONG_ANSWERS_PER_SLOT: usize = 4;

/// The right to use CPU for one query; kept until its result is there.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    /// The right to be the only one.
    _single: Option<OwnedSemaphorePermit>,
    /// How long the query waited for it.
    pub(crate) queued: Duration,
}

impl QueryPool {
    /// Makes `n_slots` slots: at least one, at most as many as can be counted.
    pub(crate) fn new(n_slots: usize) -> Self {
        let semaphore = |n: usize| Arc::new(Semaphore::new(n.clamp(1, Semaphore::MAX_PERMITS)));
        let n_long_answers = n_slots.saturating_mul(N_LONG_ANSWERS_PER_SLOT);
        Self {
            slots: semaphore(n_slots),
            long_answers: semaphore(n_long_answers),
            is_single_file: Arc::default(),
            single: semaphore(1),
        }
    }

    /// Lets queries that begin from now on run one at a time, or again as many as there are slots.
    pub(crate) fn run_one_by_one(&self, is_single_file: bool) {
        self.is_single_file.store(is_single_file, Ordering::Relaxed);
    }

    /// Waits, at most `timeout`, for the right to keep a long result while somebody reads it.
    /// # Cancel safety
    /// As [`QueryPool::slot`].
    pub(crate) async fn long_answer(&self, timeout: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        let acquired = tokio::time::timeout(timeout, Arc::clone(&self.long_answers).acquire_owned()).await;
        acquired.ok().and_then(Result::ok).ok_or_else(|| {
            let message =
                "query timed out: too many long answers are being read slowly, ask for less at a time";
            ApiError::new(ErrorKind::Timeout, message)
        })
    }

    /// Waits for a slot, at most `timeout`.
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue.
    pub(crate) async fn slot(&self, timeout: Duration) -> Result<Slot, ApiError> {
        let started = Instant::now();
        let acquire = async {
            let single = if self.is_single_file.load(Ordering::Relaxed) {
                Some(Arc::clone(&self.single).acquire_owned().await?)
            } else {
                None
            };
            Ok::<_, AcquireError>((Arc::clone(&self.slots).acquire_owned().await?, single))
        };
        match tokio::time::timeout(timeout, acquire).await {
            Ok(Ok((permit, single))) => {
                Ok(Slot { _permit: permit, _single: single, queued: started.elapsed() })
            }
            Ok(Err(_)) => Err(ApiError::new(ErrorKind::Unavailable, "the server is shutting down")),
            Err(_) => Err(ApiError::new(ErrorKind::Timeout, "query timed out in query queue")),
        }
    }
}

/// Runs `work` on a thread that may block.
/// # Cancel safety
/// Work that has begun runs to its end; give it a [`CancelOnDrop`]'s flag to end it early.
pub(crate) async fn block<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // A bug in one request must not stop the others: the panic hook has logged it.
        Err(_) => Err(ApiError::new(ErrorKind::Internal, "the request panicked: this is a bug, see the log")),
    }
}

/// Raises its flag when dropped: a handler is dropped when its client goes away.
#[derive(Debug, Default)]
pub(crate) struct CancelOnDrop(pub(crate) CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_is_told() {
        let pool = QueryPool::new(1);
        let first = pool.slot(Duration::from_secs(60)).await.unwrap();
        let error = pool.slot(Duration::ZERO).await.unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Timeout, "query timed out in query queue")
        );
        drop(first);
        assert!(pool.slot(Duration::from_secs(60)).await.is_ok());
    }

    #[tokio::test]
    async fn one_by_one_the_second_waits_for_the_first() {
        let pool = QueryPool::new(8);
        pool.run_one_by_one(true);
        let first = pool.slot(Duration::from_secs(60)).await.unwrap();
        assert!(pool.slot(Duration::ZERO).await.is_err());
        drop(first);
        let first = pool.slot(Duration::ZERO).await.unwrap();
        pool.run_one_by_one(false);
        assert!(pool.slot(Duration::ZERO).await.is_ok());
        drop(first);
    }

    #[tokio::test]
    async fn any_number_of_slots_makes_a_pool() {
        for n_slots in [0, usize::MAX] {
            assert!(QueryPool::new(n_slots).slot(Duration::ZERO).await.is_ok(), "{n_slots}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_one_requests_problem() {
        let error = block::<()>(|| panic!("boom")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Internal);
    }

    #[test]
    fn a_dropped_guard_cancels() {
        let guard = CancelOnDrop::default();
        let flag = guard.0.clone();
        drop(guard);
        assert!(flag.is_cancelled());
    }
}
