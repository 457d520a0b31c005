//! A group: its rules, what became of them, and one evaluation of all of them. Synchronous; the clock is passed in.

mod output;
mod restore;
mod rule;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use wf_model::Labels;
use wf_series::{SeriesRef, SeriesSource};

use crate::alerting::{Alert, AlertState};
use crate::depend::{self, Batches};
use crate::environment::Environment;
use crate::file::{Group, Rule};
use crate::schedule::Tick;
use crate::shared::{SharedPlan, SharedSource};
use output::Written;
use rule::RuleRun;

/// A group with everything that its file leaves to others filled in.
#[derive(Clone, Debug)]
pub struct GroupSpec {
    /// The file it stands in, as people know it.
    pub file: Arc<str>,
    /// What is typed there.
    pub group: Group,
    /// Time between evaluations.
    pub interval: Duration,
    /// How far back queries look.
    pub query_offset: Duration,
}

impl GroupSpec {
    /// Returns what the group is known by: `file;name`.
    pub fn key(&self) -> String {
        format!("{};{}", self.file, self.group.name)
    }

    /// Returns whether both say the same, wherever it stands in the file.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let of_rule =
            |rule: &Rule| (rule.name.clone(), rule.kind.clone(), rule.text.clone(), rule.labels.clone());
        let rules = |spec: &Self| spec.group.rules.iter().map(of_rule).collect::<Vec<_>>();
        self.key() == other.key()
            && (self.interval, self.query_offset) == (other.interval, other.query_offset)
            && self.group.limit == other.group.limit
            && rules(self) == rules(other)
    }
}

/// Whether a rule works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It was not evaluated yet.
    #[default]
    Unknown,
    /// Its last evaluation worked.
    Good,
    /// Its last evaluation failed.
    Bad,
}

impl Health {
    /// Returns the word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "ok",
            Self::Bad => "err",
        }
    }
}

/// What became of a rule, for people.
#[derive(Clone, Debug, Default)]
pub struct RuleStatus {
    /// Whether it works.
    pub health: Health,
    /// Why not.
    pub last_error: Option<String>,
    /// When it was evaluated last, ms.
    pub evaluated_ms: Option<i64>,
    /// How long that took.
    pub duration: Duration,
    /// State of its alerts; `None` before its first evaluation.
    pub state: Option<AlertState>,
    /// Its alerts, resolved ones left out.
    pub alerts: Vec<Alert>,
}

/// When a group was evaluated.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupStatus {
    /// When it was evaluated last, ms.
    pub evaluated_ms: Option<i64>,
    /// How long that took.
    pub duration: Duration,
}

/// A group that can be evaluated.
pub struct RuleGroup {
    spec: GroupSpec,
    key: String,
    rules: Vec<RuleRun>,
    /// Worked out when somebody wants to run rules together.
    batches: OnceLock<Batches>,
    /// What rules share, worked out with the first evaluation.
    plan: OnceLock<SharedPlan>,
    status: Mutex<GroupStatus>,
    /// Ticks so far, until the state of alerts is restored; then [`RESTORED`].
    n_ticks: AtomicU8,
    /// Series of rules that are gone: they end with the next evaluation.
    orphans: Mutex<HashMap<Labels, SeriesRef>>,
}

impl fmt::Debug for RuleGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleGroup").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Alerts are restored behind the second tick: by then targets were scraped again.
const RESTORE_BEHIND: u8 = 2;
/// What stands for "done" where ticks are counted.
const RESTORED: u8 = u8::MAX;

/// Whether alerts may have a past that storage knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// The state of alerts is to be restored: until then no series of alerts are written.
    Unknown,
    /// There is nothing to restore.
    None,
}

impl RuleGroup {
    /// Makes a group that was never evaluated.
    pub fn new(spec: GroupSpec, past: Past) -> Self {
        let rules = spec.group.rules.iter().map(|rule| RuleRun::new(rule.clone(), past)).collect();
        Self {
            key: spec.key(),
            spec,
            rules,
            batches: OnceLock::new(),
            plan: OnceLock::new(),
            status: Mutex::default(),
            n_ticks: AtomicU8::new(if past == Past::None { RESTORED } else { 0 }),
            orphans: Mutex::default(),
        }
    }

    /// Takes over the state of the group that had this name before: rule by rule, by name and labels, in order.
    pub fn adopt(&self, old: &Self) {
        let mut heirs: Vec<&RuleRun> = self.rules.iter().collect();
        let mut orphans = std::mem::take(&mut *old.orphans.lock());
        for rule in &old.rules {
            match heirs.iter().position(|heir| heir.is_heir_of(rule)) {
                Some(idx) => heirs.remove(idx).adopt(rule),
                None => orphans.extend(rule.take_written()),
            }
        }
        self.orphans.lock().extend(orphans);
        *self.status.lock() = old.status();
        self.n_ticks.store(old.n_ticks.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Returns what it was made of.
    pub fn spec(&self) -> &GroupSpec {
        &self.spec
    }

    /// Returns what it is known by: `file;name`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns when it was evaluated.
    pub fn status(&self) -> GroupStatus {
        *self.status.lock()
    }

    /// Returns its rules with what became of them, in file order.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, RuleStatus)> {
        self.rules.iter().map(|rule| (rule.rule(), rule.status()))
    }

    /// Does what a tick asks for: follows the clock, evaluates, and once restores the state of alerts.
    pub fn on_tick(&self, tick: Tick, env: &Environment) {
        if tick.step_ms != 0 {
            tracing::warn!(
                rule_group = self.key,
                step_ms = tick.step_ms,
                "the clock was set: alerts keep their age"
            );
            self.shift(tick.step_ms);
        }
        if tick.n_missed > 0 {
            env.metrics.missed.with(&[&self.key]).add(tick.n_missed);
            env.metrics.iterations.with(&[&self.key]).add(tick.n_missed);
        }
        self.evaluate(tick.at_ms, env);
        let n_ticks = self.n_ticks.load(Ordering::Relaxed);
        if n_ticks == RESTORED {
            return;
        }
        let is_time = n_ticks + 1 >= RESTORE_BEHIND;
        if is_time {
            self.restore(tick.at_ms, env);
        }
        self.n_ticks.store(if is_time { RESTORED } else { n_ticks + 1 }, Ordering::Relaxed);
    }

    /// Evaluates all rules at `at_ms` and returns how many samples they gave.
    pub fn evaluate(&self, at_ms: i64, env: &Environment) -> usize {
        let started = (env.clock)();
        let query_ms = at_ms.saturating_sub(millis(self.spec.query_offset));
        let lookback_ms = env.engine.options().lookback_delta_ms;
        let plan = self.plan.get_or_init(|| SharedPlan::new(&self.spec.group.rules, lookback_ms));
        let source = SharedSource::new(env.source.as_ref(), plan, &env.shared, query_ms);
        let moment = Moment {
            at_ms,
            query_ms,
            interval_ms: millis(self.spec.interval),
            limit: self.spec.group.limit,
            group: &self.key,
            source: &source,
        };
        let n_samples = if env.n_concurrent > 1 {
            let batches = self.batches.get_or_init(|| depend::batches(&self.spec.group.rules));
            batches.iter().map(|batch| self.evaluate_together(batch, &moment, env)).sum()
        } else {
            self.rules.iter().map(|rule| rule.evaluate(&moment, env)).sum()
        };
        let orphans = std::mem::take(&mut *self.orphans.lock());
        Written::end(orphans, moment.query_ms, env);
        let duration = (env.clock)().saturating_sub(started);
        *self.status.lock() = GroupStatus { evaluated_ms: Some(at_ms), duration };
        self.report(at_ms, duration, n_samples, env);
        n_samples
    }

    fn evaluate_together(&self, batch: &[usize], moment: &Moment<'_>, env: &Environment) -> usize {
        let n_threads = env.n_concurrent.min(batch.len());
        let (next, n_samples) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            while let Some(idx) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Some(rule) = self.rules.get(*idx) {
                    n_samples.fetch_add(rule.evaluate(moment, env), Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..n_threads {
                scope.spawn(work);
            }
            work();
        });
        n_samples.into_inner()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^53")]
    fn report(&self, at_ms: i64, duration: Duration, n_samples: usize, env: &Environment) {
        let (metrics, group) = (&env.metrics, [self.key.as_str()]);
        metrics.on_group(duration);
        metrics.iterations.with(&group).inc();
        metrics.last_evaluation.with(&group).set(at_ms as f64 / 1000.0);
        metrics.last_duration.with(&group).set(duration.as_secs_f64());
        let sum: Duration = self.rules.iter().map(RuleRun::duration).sum();
        metrics.last_rule_duration_sum.with(&group).set(sum.as_secs_f64());
        metrics.last_samples.with(&group).set(n_samples as f64);
    }

    /// Says how large the group is, before it was ever evaluated.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(crate) fn announce(&self, env: &Environment) {
        let (metrics, group) = (&env.metrics, [self.key.as_str()]);
        metrics.rules.with(&group).set(self.rules.len() as f64);
        metrics.interval.with(&group).set(self.spec.interval.as_secs_f64());
        for counters in [&metrics.evaluations, &metrics.failures, &metrics.iterations, &metrics.missed] {
            counters.with(&group);
        }
    }

    /// Moves all times of alerts: the clock was set by `step_ms`.
    pub fn shift(&self, step_ms: i64) {
        self.rules.iter().for_each(|rule| rule.shift(step_ms));
    }

    /// Ends all series that its rules wrote, at `at_ms`: the group is gone. What others went on writing stays.
    pub fn end(&self, at_ms: i64, env: &Environment) {
        let mut series = std::mem::take(&mut *self.orphans.lock());
        series.extend(self.rules.iter().flat_map(RuleRun::take_written));
        Written::end(series, at_ms.saturating_sub(millis(self.spec.query_offset)), env);
    }

    /// Gives alerts the state that an earlier run wrote down, at `at_ms`.
    pub fn restore(&self, at_ms: i64, env: &Environment) {
        let started = (env.clock)();
        self.rules.iter().for_each(|rule| rule.restore(at_ms, env));
        let duration = (env.clock)().saturating_sub(started);
        env.metrics.last_restore_duration.with(&[&self.key]).set(duration.as_secs_f64());
    }
}

/// One evaluation, as its rules see it.
struct Moment<'a> {
    at_ms: i64,
    query_ms: i64,
    interval_ms: i64,
    limit: usize,
    group: &'a str,
    source: &'a SharedSource<'a>,
}

impl Moment<'_> {
    fn source(&self) -> &dyn SeriesSource {
        self.source
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
