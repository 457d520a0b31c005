//! Host names to addresses: remembered for a while, and never more look-ups at once than the machine bears.
//!
//! The system's resolver blocks a thread for each look-up, for seconds when the name server is slow. Without a bound, ten
//! thousand targets would take every thread of the blocking pool and everybody else would wait. With a bound alone, names
//! whose servers are dead would take all of it and the others would wait for them: so names that gave trouble have few
//! threads of their own, and a name that has been found keeps its old addresses while a new answer is late.
//!
//! # Invariants
//! - A look-up holds its place until the system returns, even if nobody waits for it any more; then its answer is kept.
//! - A name is looked up by one thread at a time.
//! # Source: RFC 8767 (serving old answers).

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
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::Service;

/// Look-ups at a time. They wait for the network, not for a core.
const LOOKUPS_MAX: usize = 32;

/// Look-ups at a time of names whose last look-up failed or took longer than [`SLOW`].
const TROUBLED_LOOKUPS_MAX: usize = 16;

/// A look-up that takes longer waited for a name server that did not answer at once.
const SLOW: Duration = Duration::from_secs(1);

/// For so long an answer holds. The system does not tell the record's own time; connections are kept alive, so names
/// matter only when one breaks.
const TTL: Duration = Duration::from_secs(30);

/// For so long a failure holds: one look-up for all targets of a name that is gone.
const FAILED_TTL: Duration = Duration::from_secs(3);

/// For so long addresses may be used while no new answer comes.
const STALE_MAX: Duration = Duration::from_secs(600);

/// For so long a new answer is waited for when there is an old one.
const STALE_AFTER: Duration = Duration::from_millis(1_800);

/// Names remembered; beyond, expired ones are forgotten, and if all are fresh, everything.
const NAMES_MAX: usize = 50_000;

/// Marks an error as one of name resolution, so that it can be told from other connect errors.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ResolveFailure {
    pub(super) kind: io::ErrorKind,
    message: String,
}

impl ResolveFailure {
    /// Whether no name server answered, which says nothing about the name. The system tells by this text alone.
    fn is_temporary(&self) -> bool {
        self.message.contains("Temporary failure in name resolution")
    }
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
    lookups: Arc<Semaphore>,
    troubled: Arc<Semaphore>,
    lookup: Box<Lookup>,
}

/// What is known of a name.
#[derive(Default)]
struct Entry {
    /// The last answer and when it came.
    answer: Option<(Answer, Instant)>,
    /// The last addresses, if the last answer had any or an earlier one had, and when they came.
    addresses: Option<(Arc<[SocketAddr]>, Instant)>,
    /// Tells everybody who waits for the look-up that runs; nothing is ever sent, it closes at its end.
    running: Option<watch::Receiver<()>>,
    /// Whether the last look-up failed or was slow.
    is_troubled: bool,
}

impl Entry {
    fn fresh(&self, now: Instant) -> Option<&Answer> {
        let (answer, since) = self.answer.as_ref()?;
        let ttl = if answer.is_ok() { TTL } else { FAILED_TTL };
        (now.duration_since(*since) < ttl).then_some(answer)
    }

    fn stale(&self, now: Instant) -> Option<Arc<[SocketAddr]>> {
        let (addresses, since) = self.addresses.as_ref()?;
        (now.duration_since(*since) < STALE_MAX).then(|| Arc::clone(addresses))
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.running.as_ref().is_none_or(is_over) && self.fresh(now).is_none()
    }
}

/// Whether a look-up has ended, or was given up before it began.
fn is_over(running: &watch::Receiver<()>) -> bool {
    running.has_changed().is_err()
}

/// What to do for somebody who asks.
enum Step {
    Answer(Answer),
    /// Wait for the look-up that runs.
    Wait(watch::Receiver<()>),
    /// Look up, and tell by dropping the sender.
    LookUp(watch::Sender<()>, bool),
}

impl Default for NameCache {
    fn default() -> Self {
        // The port is the caller's business.
        Self::new(|host| (host, 0).to_socket_addrs().map(Iterator::collect))
    }
}

impl NameCache {
    fn new(lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        let shared = Shared {
            entries: Mutex::default(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            troubled: Arc::new(Semaphore::new(TROUBLED_LOOKUPS_MAX)),
            lookup: Box::new(lookup),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the addresses of `host`.
    /// # Cancel safety
    /// Whoever waits takes over when the one who asks is cancelled before the look-up began; afterwards it goes on.
    async fn resolve(&self, host: String) -> Answer {
        let new = self.look_up(&host);
        let old = self.shared.entries.lock().get(&host).and_then(|entry| entry.stale(Instant::now()));
        let Some(old) = old else { return new.await };
        match tokio::time::timeout(STALE_AFTER, new).await {
            Ok(Err(failure)) if !failure.is_temporary() => Err(failure),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(_)) | Err(_) => Ok(old),
        }
    }

    async fn look_up(&self, host: &str) -> Answer {
        loop {
            match self.next_step(host) {
                Step::Answer(answer) => return answer,
                // It closes; nothing else can happen to it.
                Step::Wait(mut running) => while running.changed().await.is_ok() {},
                Step::LookUp(done, is_troubled) => self.ask(host, done, is_troubled).await,
            }
        }
    }

    fn next_step(&self, host: &str) -> Step {
        let now = Instant::now();
        let mut entries = self.shared.entries.lock();
        if entries.len() >= NAMES_MAX && !entries.contains_key(host) {
            entries.retain(|_, entry| !entry.is_idle(now));
            if entries.len() >= NAMES_MAX {
                entries.clear();
            }
        }
        if !entries.contains_key(host) {
            entries.insert(host.to_owned(), Entry::default());
        }
        let entry = entries.entry(host.to_owned()).or_default();
        if let Some(answer) = entry.fresh(now) {
            return Step::Answer(answer.clone());
        }
        if let Some(running) = entry.running.as_ref().filter(|running| !is_over(running)) {
            return Step::Wait(running.clone());
        }
        let (done, running) = watch::channel(());
        entry.running = Some(running);
        Step::LookUp(done, entry.is_troubled)
    }

    /// Asks the system on a thread that may block, when there is room for one.
    async fn ask(&self, host: &str, done: watch::Sender<()>, is_troubled: bool) {
        let room = if is_troubled { &self.shared.troubled } else { &self.shared.lookups };
        // The semaphores are never closed.
        let Ok(permit) = Arc::clone(room).acquire_owned().await else { return };
        let (shared, asked) = (Arc::clone(&self.shared), host.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let answer = (shared.lookup)(&asked);
            shared.note(&asked, answer, started);
            drop(permit);
            drop(done);
        });
        if work.await.is_err() {
            let failed = Err(io::Error::other("the resolver gave up"));
            self.shared.note(host, failed, Instant::now());
        }
    }
}

impl Shared {
    /// Remembers an answer, for those who wait and for those who come.
    fn note(&self, host: &str, answer: io::Result<Vec<SocketAddr>>, started: Instant) {
        let now = Instant::now();
        let answer: Answer = answer
            .map(Into::into)
            .map_err(|error| ResolveFailure { kind: error.kind(), message: error.to_string() });
        let mut entries = self.entries.lock();
        let entry = entries.entry(host.to_owned()).or_default();
        entry.is_troubled = answer.is_err() || now.duration_since(started) > SLOW;
        if let Ok(addresses) = &answer {
            entry.addresses = Some((Arc::clone(addresses), now));
        }
        entry.answer = Some((answer, now));
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
mod tests;
