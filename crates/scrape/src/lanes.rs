//! The threads on which scrape loops run: one runtime of one thread each.
//!
//! A scrape is a timer, one or two answers of a socket and a third of a millisecond of computing, and then nothing for
//! seconds. On a runtime that shares its work between threads each of these steps wakes a second thread to look for work
//! that is not there, and handing a page to a third one and back wakes two more: waking cost more than parsing. On a lane,
//! all of a small scrape happens on the thread that the timer woke.
//!
//! # Invariants
//! - A loop stays on the lane on which it was started.
//! - Nothing but scraping runs on a lane: a page that takes long, or storage that waits for its disk, delays other scrapes
//!   and no web request.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Targets are spread over this many lanes at most: one takes in two million samples a second.
const LANES_MAX: usize = 4;

/// Threads of one lane for what may block, beside the lane itself: look-ups of names, secrets in files, large pages.
const BLOCKING_THREADS_MAX: usize = 64;

/// Threads for scrape loops. Clones share them; without any, loops run where they are started.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    shared: Option<Arc<Shared>>,
}

#[derive(Debug)]
struct Shared {
    handles: Vec<Handle>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: CancellationToken,
}

impl Lanes {
    /// Starts as many lanes as suit `n_cores`, at least one.
    /// # Errors
    /// When the system has no thread left.
    pub fn start(n_cores: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        // From here on an error ends the lanes that run.
        let guard = stop.clone().drop_guard();
        let (mut handles, mut threads) = (Vec::new(), Vec::new());
        for _ in 0..(n_cores / 4).clamp(1, LANES_MAX) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(BLOCKING_THREADS_MAX)
                .thread_name("scrape-blocking")
                .build()?;
            handles.push(runtime.handle().clone());
            let stop = stop.clone();
            let run = move || {
                runtime.block_on(stop.cancelled());
                // What still blocks waits for the network; nobody waits for it any more.
                runtime.shutdown_background();
            };
            threads.push(Builder::new().name("scrape".to_owned()).spawn(run)?);
        }
        let stop = guard.disarm();
        Ok(Self { shared: Some(Arc::new(Shared { handles, threads: Mutex::new(threads), stop })) })
    }

    /// Returns the runtime for the loop of a target with this hash; `None` for the caller's own.
    pub(crate) fn of(&self, hash: u64) -> Option<&Handle> {
        let handles = &self.shared.as_ref()?.handles;
        // The lower bits decide when a target is scraped.
        let n_lanes = u64::try_from(handles.len()).unwrap_or(1).max(1);
        handles.get(usize::try_from((hash >> 32) % n_lanes).unwrap_or(0))
    }

    /// Ends the threads and waits for them; loops must have ended before.
    pub(crate) async fn stop(&self) {
        let Some(shared) = &self.shared else { return };
        shared.stop.cancel();
        let threads = std::mem::take(&mut *shared.threads.lock());
        let join = || threads.into_iter().for_each(|thread| drop(thread.join()));
        // A panic of a lane was told by the panic hook.
        let _ = tokio::task::spawn_blocking(join).await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lanes_are_few_named_and_end_when_told() {
        for (n_cores, want) in [(1, 1), (2, 1), (8, 2), (256, LANES_MAX)] {
            let lanes = Lanes::start(n_cores).unwrap();
            let used: std::collections::BTreeSet<String> =
                (0..64).map(|n| lanes.of(n << 32).unwrap().id().to_string()).collect();
            assert_eq!(used.len(), want, "{n_cores} cores");
            let name = lanes.of(0).unwrap().spawn(async { std::thread::current().name().map(str::to_owned) });
            assert_eq!(name.await.unwrap().as_deref(), Some("scrape"));
            let forever = lanes.of(0).unwrap().spawn(std::future::pending::<()>());
            lanes.stop().await;
            assert!(forever.await.unwrap_err().is_cancelled());
        }
        assert!(Lanes::default().of(1).is_none());
    }
}
