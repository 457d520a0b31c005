//! A resolver that the tests drive: it counts, fails, and blocks until it is let go.

use std::collections::HashMap;
use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::*;

/// What the resolver does with names that begin with a letter of their own: `g` is gone, `d` hangs while the door is
/// shut and has no answer then, anything else is found, after the door has opened if it begins with `s`.
#[derive(Default)]
struct Resolver {
    n_lookups: AtomicUsize,
    n_running: AtomicUsize,
    n_running_max: AtomicUsize,
    is_shut: std::sync::Mutex<bool>,
    opened: Condvar,
}

impl Resolver {
    fn look_up(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        self.n_lookups.fetch_add(1, Ordering::SeqCst);
        let n_running = self.n_running.fetch_add(1, Ordering::SeqCst) + 1;
        self.n_running_max.fetch_max(n_running, Ordering::SeqCst);
        if host.starts_with(['d', 's']) {
            let shut = self.is_shut.lock().unwrap();
            drop(self.opened.wait_while(shut, |is_shut| *is_shut).unwrap());
        }
        self.n_running.fetch_sub(1, Ordering::SeqCst);
        match host.as_bytes()[0] {
            b'g' => Err(io::Error::new(io::ErrorKind::NotFound, "no such host")),
            b'd' => Err(io::Error::other("Temporary failure in name resolution")),
            _ => Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]),
        }
    }

    fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }

    fn count(&self) -> usize {
        self.n_lookups.load(Ordering::SeqCst)
    }
}

/// Opens the door when a test ends, also by a panic: the runtime waits for threads that block.
struct Lab {
    cache: NameCache,
    resolver: Arc<Resolver>,
}

impl Lab {
    fn new() -> Self {
        let resolver = Arc::new(Resolver::default());
        let asked = Arc::clone(&resolver);
        Self { cache: NameCache::new(move |host| asked.look_up(host)), resolver }
    }

    async fn ask(&self, host: &str) -> Answer {
        self.cache.resolve(host.to_owned()).await
    }

    fn spawn(&self, tasks: &mut JoinSet<Answer>, prefix: &str, n_names: usize) {
        for idx in 0..n_names {
            let cache = self.cache.clone();
            let host = format!("{prefix}{idx}");
            tasks.spawn(async move { cache.resolve(host).await });
        }
    }

    /// Waits until so many look-ups block.
    async fn until_running(&self, n_running: usize) {
        while self.resolver.n_running.load(Ordering::SeqCst) != n_running {
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.resolver.shut(false);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_once_for_all_who_ask_until_it_expires() {
    let lab = Lab::new();
    let (a, b) = tokio::join!(lab.ask("a"), lab.ask("a"));
    assert!(a.is_ok() && b.is_ok());
    assert_eq!(lab.resolver.count(), 1);
    tokio::time::advance(TTL - Duration::from_secs(1)).await;
    lab.ask("a").await.unwrap();
    assert_eq!(lab.resolver.count(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    lab.ask("a").await.unwrap();
    assert_eq!(lab.resolver.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn failures_are_remembered_for_a_short_while() {
    let lab = Lab::new();
    for _ in 0..3 {
        assert_eq!(lab.ask("gone").await.unwrap_err().to_string(), "no such host");
    }
    assert_eq!(lab.resolver.count(), 1);
    tokio::time::advance(FAILED_TTL).await;
    assert!(lab.ask("gone").await.is_err());
    assert_eq!(lab.resolver.count(), 2);
}

#[tokio::test]
async fn ten_thousand_slow_names_take_a_few_threads_only() {
    let lab = Lab::new();
    lab.resolver.shut(true);
    let mut tasks = JoinSet::new();
    lab.spawn(&mut tasks, "slow", 10_000);
    lab.until_running(LOOKUPS_MAX).await;
    lab.resolver.shut(false);
    let answers = tasks.join_all().await;
    assert!(answers.len() == 10_000 && answers.iter().all(Result::is_ok));
    assert_eq!(lab.resolver.n_running_max.load(Ordering::SeqCst), LOOKUPS_MAX);
}

#[tokio::test(start_paused = true)]
async fn names_whose_servers_are_dead_do_not_hold_up_ten_thousand_others() {
    let lab = Lab::new();
    let mut dead = JoinSet::new();
    lab.spawn(&mut dead, "dead", 500);
    assert!(dead.join_all().await.iter().all(Result::is_err));
    tokio::time::advance(FAILED_TTL).await;
    lab.resolver.shut(true);
    let mut dead = JoinSet::new();
    lab.spawn(&mut dead, "dead", 500);
    lab.until_running(TROUBLED_LOOKUPS_MAX).await;
    let mut others = JoinSet::new();
    lab.spawn(&mut others, "fine", 10_000);
    assert!(others.join_all().await.iter().all(Result::is_ok));
    assert_eq!(lab.resolver.n_running.load(Ordering::SeqCst), TROUBLED_LOOKUPS_MAX);
}

#[tokio::test]
async fn a_look_up_that_nobody_waits_for_holds_its_place_and_its_answer_is_kept() {
    let lab = Lab::new();
    lab.resolver.shut(true);
    for prefix in ["slow-a", "slow-b", "slow-c"] {
        let mut tasks = JoinSet::new();
        lab.spawn(&mut tasks, prefix, LOOKUPS_MAX);
        lab.until_running(LOOKUPS_MAX).await;
        tasks.shutdown().await;
    }
    assert_eq!(lab.resolver.count(), LOOKUPS_MAX);
    lab.resolver.shut(false);
    lab.ask("slow-a0").await.unwrap();
    assert_eq!(lab.resolver.count(), LOOKUPS_MAX);
    // One that was given up before it began is begun by the next who asks.
    lab.ask("slow-c0").await.unwrap();
    assert_eq!(lab.resolver.n_running_max.load(Ordering::SeqCst), LOOKUPS_MAX);
}

#[tokio::test(start_paused = true)]
async fn old_addresses_are_used_while_a_new_answer_is_late_but_not_for_ever() {
    let lab = Lab::new();
    let found = lab.ask("slow").await.unwrap();
    tokio::time::advance(TTL).await;
    lab.resolver.shut(true);
    let (late, ()) = tokio::join!(lab.ask("slow"), async {
        lab.until_running(1).await;
        tokio::time::advance(STALE_AFTER).await;
    });
    assert_eq!(late.unwrap(), found);
    tokio::time::advance(STALE_MAX).await;
    let (refused, ()) = tokio::join!(lab.ask("slow"), async {
        tokio::time::advance(STALE_AFTER * 2).await;
        lab.resolver.shut(false);
    });
    // It was waited for, and came.
    assert_eq!(refused.unwrap(), found);
    assert_eq!(lab.resolver.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_gone_is_not_served_from_memory_but_a_dead_server_is() {
    let answers = HashMap::from([
        (0, Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])),
        (1, Err("Temporary failure in name resolution")),
        (2, Err("Name or service not known")),
    ]);
    let n_asked = AtomicUsize::new(0);
    let cache = NameCache::new(move |_| {
        let answer = answers[&n_asked.fetch_add(1, Ordering::SeqCst)].clone();
        answer.map_err(io::Error::other)
    });
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(cache.resolve("a".to_owned()).await.is_ok());
        tokio::time::advance(TTL).await;
    }
    assert_eq!(seen, [true, true, false]);
}
