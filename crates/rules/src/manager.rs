//! All groups of a server: a task each, and reloads that keep what did not change.
//!
//! A task sleeps until its [`Schedule`] says that a slot is due and evaluates on a thread that may block. Everything that
//! decides anything is in `schedule` and `group`, under clocks that are passed in.
//!
//! # Invariants
//! - A group is evaluated by one task at a time: the heir of a changed group waits for the last evaluation of the old one.
//! - The groups in force change as a whole.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::environment::Environment;
use crate::group::{GroupSpec, Past, RuleGroup};
use crate::schedule::{Now, Schedule};

/// Groups evaluated at the same time, at most: the threads that may block belong to queries as well.
const N_GROUPS_AT_ONCE: usize = 16;

/// Series of a group that is gone end after so many of its intervals: it may have moved to another file.
const END_BEHIND_INTERVALS: u32 = 2;

/// Reads both clocks.
pub type NowFn = Arc<dyn Fn() -> Now + Send + Sync>;

/// See the module.
pub struct RuleManager {
    shared: Arc<Shared>,
    running: Mutex<BTreeMap<String, Running>>,
    groups: ArcSwap<Vec<Arc<RuleGroup>>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

struct Shared {
    env: ArcSwap<Environment>,
    now: NowFn,
    slots: Semaphore,
}

struct Running {
    group: Arc<RuleGroup>,
    /// Cancelled to stop it.
    stop: CancellationToken,
    /// Cancelled once its last evaluation is over.
    ended: CancellationToken,
}

impl fmt::Debug for RuleManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleManager").field("n_groups", &self.groups.load().len()).finish_non_exhaustive()
    }
}

impl RuleManager {
    /// Makes a manager of no groups.
    pub fn new(env: Environment, now: NowFn) -> Self {
        let slots = Semaphore::new(N_GROUPS_AT_ONCE);
        Self {
            shared: Arc::new(Shared { env: ArcSwap::from_pointee(env), now, slots }),
            running: Mutex::default(),
            groups: ArcSwap::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Returns the groups in force, ordered by file and name.
    pub fn groups(&self) -> Arc<Vec<Arc<RuleGroup>>> {
        self.groups.load_full()
    }

    /// Takes over a new set of groups: those that say what they said before run on, those that changed hand over their
    /// state. Must be called on a runtime.
    pub fn reload(&self, specs: Vec<GroupSpec>, change: impl Fn(&mut Environment)) {
        let mut env = self.shared.env.load().as_ref().clone();
        change(&mut env);
        self.shared.env.store(Arc::new(env.clone()));
        let mut running = self.running.lock();
        let mut old = std::mem::take(&mut *running);
        for spec in specs {
            let key = spec.key();
            let entry = match old.remove(&key) {
                Some(same) if same.group.spec().says_the_same(&spec) => same,
                predecessor => self.start(RuleGroup::new(spec, Past::Unknown), predecessor, &env),
            };
            running.insert(key, entry);
        }
        for (key, gone) in old {
            env.metrics.remove(&key);
            self.bury(gone);
        }
        let mut groups: Vec<Arc<RuleGroup>> =
            running.values().map(|entry| Arc::clone(&entry.group)).collect();
        groups.sort_by(|a, b| {
            let order = |group: &RuleGroup| (Arc::clone(&group.spec().file), group.spec().group.name.clone());
            order(a).cmp(&order(b))
        });
        self.groups.store(Arc::new(groups));
    }

    fn start(&self, group: RuleGroup, predecessor: Option<Running>, env: &Environment) -> Running {
        group.announce(env);
        let entry = Running {
            group: Arc::new(group),
            stop: self.stop.child_token(),
            ended: CancellationToken::new(),
        };
        let (group, stop, ended) = (Arc::clone(&entry.group), entry.stop.clone(), entry.ended.clone());
        let shared = Arc::clone(&self.shared);
        self.tracker.spawn(async move {
            let _ended = ended.drop_guard();
            if let Some(predecessor) = predecessor {
                predecessor.stop.cancel();
                predecessor.ended.cancelled().await;
                group.adopt(&predecessor.group);
            }
            shared.run(group, stop).await;
        });
        entry
    }

    /// Ends the series of a group that is gone, unless the whole program ends first.
    fn bury(&self, gone: Running) {
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        self.tracker.spawn(async move {
            gone.stop.cancel();
            gone.ended.cancelled().await;
            let at_ms = (shared.now)().wall_ms;
            let patience = gone.group.spec().interval.saturating_mul(END_BEHIND_INTERVALS);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(patience) => {}
            }
            let env = shared.env.load_full();
            // A panic was logged by its hook.
            let _ = tokio::task::spawn_blocking(move || gone.group.end(at_ms, &env)).await;
        });
    }

    /// Stops all groups and waits for the evaluations under way.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Shared {
    async fn run(&self, group: Arc<RuleGroup>, stop: CancellationToken) {
        let interval_ms = i64::try_from(group.spec().interval.as_millis()).unwrap_or(i64::MAX);
        let mut schedule = Schedule::new(interval_ms, group.key(), (self.now)());
        loop {
            let wait_ms = u64::try_from(schedule.wait_ms((self.now)())).unwrap_or(0);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
            }
            let permit = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                permit = self.slots.acquire() => permit,
            };
            // Never closed.
            let Ok(_permit) = permit else { return };
            let Some(tick) = schedule.tick((self.now)()) else { continue };
            let (env, evaluated) = (self.env.load_full(), Arc::clone(&group));
            let work = tokio::task::spawn_blocking(move || evaluated.on_tick(tick, &env));
            if work.await.is_err() {
                tracing::error!(
                    rule_group = group.key(),
                    "an evaluation panicked: this is a bug, other groups go on"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
