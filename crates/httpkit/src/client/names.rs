//! Host names to addresses: remembered for a while, and never more look-ups at once than the machine bears.
//!
//! The system's resolver blocks a thread for each look-up, for seconds when the name server is slow. Without a bound, ten
//! thousand targets would take every thread of the blocking pool and everybody else would wait.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use parking_lot::Mutex;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::Instant;
use tower::Service;

/// Look-ups at a time. They wait for the network, not for a core.
const LOOKUPS_MAX: usize = 32;

/// For so long an answer holds. The system does not tell the record's own time; connections are kept alive, so names
/// matter only when one breaks.
const TTL: Duration = Duration::from_secs(30);

/// For so long a failure holds: one look-up for all targets of a name that is gone.
const FAILED_TTL: Duration = Duration::from_secs(3);

/// Names remembered; beyond, expired ones are forgotten, and if all are fresh, everything.
const NAMES_MAX: usize = 50_000;

/// Marks an error as one of name resolution, so that it can be told from other connect errors.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ResolveFailure {
    pub(super) kind: io::ErrorKind,
    message: String,
}

type Answer = Result<Arc<[SocketAddr]>, ResolveFailure>;
type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A cache of addresses; clones share it.
#[derive(Clone)]
pub struct NameCache {
    shared: Arc<Shared>,
}

struct Shared {
    entries: Mutex<HashMap<String, Entry>>,
    permits: Semaphore,
    lookup: Box<Lookup>,
}

struct Entry {
    /// Everybody who asks for the name meanwhile waits for one look-up.
    answer: Arc<OnceCell<Answer>>,
    since: Instant,
}

impl Entry {
    fn is_fresh(&self, now: Instant) -> bool {
        let ttl = match self.answer.get() {
            Some(Err(_)) => FAILED_TTL,
            Some(Ok(_)) => TTL,
            // It is being looked up; it cannot grow old before it is born.
            None => return true,
        };
        now.duration_since(self.since) < ttl
    }
}

impl Default for NameCache {
    fn default() -> Self {
        // The port is the caller's business.
        Self::new(|host| (host, 0).to_socket_addrs().map(Iterator::collect))
    }
}

impl NameCache {
    fn new(lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        let (entries, permits) = (Mutex::default(), Semaphore::new(LOOKUPS_MAX));
        Self { shared: Arc::new(Shared { entries, permits, lookup: Box::new(lookup) }) }
    }

    /// Returns the addresses of `host`.
    async fn resolve(&self, host: String) -> Answer {
        let answer = self.entry(&host);
        let look_up = async {
            // The semaphore is never closed.
            let _permit = self.shared.permits.acquire().await.ok();
            let shared = Arc::clone(&self.shared);
            let asked = host.clone();
            match tokio::task::spawn_blocking(move || (shared.lookup)(&asked)).await {
                Ok(Ok(addresses)) => Ok(addresses.into()),
                Ok(Err(error)) => Err(ResolveFailure { kind: error.kind(), message: error.to_string() }),
                Err(error) => Err(ResolveFailure { kind: io::ErrorKind::Other, message: error.to_string() }),
            }
        };
        // Whoever waits takes over when the one who asks is cancelled.
        answer.get_or_init(|| look_up).await.clone()
    }

    fn entry(&self, host: &str) -> Arc<OnceCell<Answer>> {
        let now = Instant::now();
        let mut entries = self.shared.entries.lock();
        if let Some(entry) = entries.get(host).filter(|entry| entry.is_fresh(now)) {
            return Arc::clone(&entry.answer);
        }
        if entries.len() >= NAMES_MAX {
            entries.retain(|_, entry| entry.is_fresh(now));
            if entries.len() >= NAMES_MAX {
                entries.clear();
            }
        }
        let answer = Arc::default();
        entries.insert(host.to_owned(), Entry { answer: Arc::clone(&answer), since: now });
        answer
    }
}

impl std::fmt::Debug for NameCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NameCache({} names)", self.shared.entries.lock().len())
    }
}

/// Addresses of one name.
#[derive(Debug)]
pub struct Addresses {
    all: Arc<[SocketAddr]>,
    next: usize,
}

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        let address = self.all.get(self.next).copied();
        self.next += 1;
        address
    }
}

impl Service<Name> for NameCache {
    type Response = Addresses;
    type Error = ResolveFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Addresses, ResolveFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let cache = self.clone();
        Box::pin(async move {
            let all = cache.resolve(name.as_str().to_owned()).await?;
            Ok(Addresses { all, next: 0 })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counted {
        cache: NameCache,
        n_lookups: Arc<AtomicUsize>,
    }

    fn counted() -> Counted {
        let n_lookups = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_lookups);
        let cache = NameCache::new(move |host| {
            counter.fetch_add(1, Ordering::SeqCst);
            if host == "gone" {
                return Err(io::Error::new(io::ErrorKind::NotFound, "no such host"));
            }
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
        });
        Counted { cache, n_lookups }
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_looked_up_once_for_all_who_ask_until_it_expires() {
        let Counted { cache, n_lookups } = counted();
        let ask = |host: &str| cache.resolve(host.to_owned());
        let (a, b) = tokio::join!(ask("a"), ask("a"));
        assert!(a.is_ok() && b.is_ok());
        assert_eq!(n_lookups.load(Ordering::SeqCst), 1);
        tokio::time::advance(TTL - Duration::from_secs(1)).await;
        ask("a").await.unwrap();
        assert_eq!(n_lookups.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        ask("a").await.unwrap();
        assert_eq!(n_lookups.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_remembered_for_a_short_while() {
        let Counted { cache, n_lookups } = counted();
        for _ in 0..3 {
            let error = cache.resolve("gone".to_owned()).await.unwrap_err();
            assert_eq!(error.to_string(), "no such host");
        }
        assert_eq!(n_lookups.load(Ordering::SeqCst), 1);
        tokio::time::advance(FAILED_TTL).await;
        assert!(cache.resolve("gone".to_owned()).await.is_err());
        assert_eq!(n_lookups.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn ten_thousand_slow_names_take_a_few_threads_only() {
        let (running, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (Arc::clone(&running), Arc::clone(&peak));
        let cache = NameCache::new(move |_| {
            let n_running = counters.0.fetch_add(1, Ordering::SeqCst) + 1;
            counters.1.fetch_max(n_running, Ordering::SeqCst);
            std::thread::yield_now();
            counters.0.fetch_sub(1, Ordering::SeqCst);
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
        });
        let mut tasks = tokio::task::JoinSet::new();
        for idx in 0..10_000 {
            let cache = cache.clone();
            tasks.spawn(async move { cache.resolve(format!("host-{idx}")).await });
        }
        let answers = tasks.join_all().await;
        assert!(answers.iter().all(Result::is_ok));
        assert!(peak.load(Ordering::SeqCst) <= LOOKUPS_MAX);
    }
}
