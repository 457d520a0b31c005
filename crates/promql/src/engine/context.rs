//! What a running query carries along: its environment, its budget, its remarks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wf_model::{Matcher, TimeRange};
use wf_series::{SampleColumns, SelectRequest, Selection, SeriesSource};

use super::column::Column;
use super::error::{QueryError, Stage};
use super::grid::Grid;
use super::options::{CancelFlag, Clock, Features, ThreadHook};
use super::parallel::Permits;
use super::plan::trace::Trace;
use super::plan::{BoundPlan, OptimizerRules, Rule};
use super::range_functions::sweep::BoundsCache;
use super::remarks::Remarks;
use super::stats::{Counter, Work};
use super::window::Samples;
use crate::ast::Expr;

/// What stays the same while a query runs.
pub(crate) struct Env<'q> {
    pub(crate) source: &'q dyn SeriesSource,
    pub(crate) features: Features,
    pub(crate) rules: OptimizerRules,
    pub(crate) lookback_ms: i64,
    pub(crate) default_subquery_step_ms: i64,
    pub(crate) max_samples: u64,
    pub(crate) memory_bytes_max: u64,
    pub(crate) cancel: CancelFlag,
    pub(crate) clock: Option<Clock>,
    /// On the clock; `None` without one.
    pub(crate) deadline: Option<Duration>,
    pub(crate) permits: Arc<Permits>,
    pub(crate) on_thread_start: ThreadHook,
    pub(crate) plan: BoundPlan,
    /// What the scans of the plan selected, in their order.
    pub(crate) selections: Vec<Arc<dyn Selection>>,
}

impl Env<'_> {
    /// Selects what the scans of the plan read, in their order.
    /// # Errors
    /// Those of storage, timeout and cancellation.
    pub(crate) fn select_all(&mut self) -> Result<(), QueryError> {
        for scan in &mut self.plan.plan.scans {
            let selection =
                self.source.select(&SelectRequest { matchers: &scan.matchers, range: scan.range })?;
            scan.n_series = selection.len();
            self.selections.push(selection);
            check(&self.cancel, self.clock.as_ref(), self.deadline, Stage::Execution)?;
        }
        Ok(())
    }

    /// Refuses a grid whose single column would burst the sample limit: columns are dense.
    /// # Errors
    /// [`QueryError::TooManySamples`].
    pub(crate) fn check_grid(&self, grid: &Grid) -> Result<(), QueryError> {
        if grid.n_steps as u64 > self.max_samples { Err(QueryError::TooManySamples) } else { Ok(()) }
    }

    /// Returns an error when the query should stop.
    pub(crate) fn check(&self, stage: Stage) -> Result<(), QueryError> {
        check(&self.cancel, self.clock.as_ref(), self.deadline, stage)
    }
}

fn check(
    cancel: &CancelFlag,
    clock: Option<&Clock>,
    deadline: Option<Duration>,
    stage: Stage,
) -> Result<(), QueryError> {
    if cancel.is_cancelled() {
        return Err(QueryError::Canceled(stage));
    }
    match (clock, deadline) {
        (Some(clock), Some(deadline)) if clock() >= deadline => Err(QueryError::Timeout(stage)),
        _ => Ok(()),
    }
}

/// Samples a query holds, shared by all its operators.
#[derive(Debug, Default)]
struct Budget {
    held: AtomicU64,
    peak: AtomicU64,
    limit: u64,
    /// The same in bytes.
    bytes_max: u64,
}

/// Time and value.
pub(crate) const SAMPLE_BYTES: u64 = 16;

/// Samples in memory, counted until dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    weight: u64,
}

impl Held {
    /// Counts more samples.
    /// # Errors
    /// [`QueryError::TooManySamples`].
    pub(crate) fn grow(&mut self, weight: u64) -> Result<(), QueryError> {
        self.weight += weight;
        let held = self.budget.held.fetch_add(weight, Ordering::Relaxed) + weight;
        self.budget.peak.fetch_max(held, Ordering::Relaxed);
        if held > self.budget.limit {
            return Err(QueryError::TooManySamples);
        }
        if held.saturating_mul(SAMPLE_BYTES) > self.budget.bytes_max {
            let limit = self.budget.bytes_max;
            let text = format!(
                "query would hold more than {limit} bytes of samples: select less, or raise the memory a query may hold"
            );
            return Err(QueryError::Execution(text));
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// What a thread counted.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counter: Counter,
    pub(crate) work: Work,
    pub(crate) trace: Trace,
}

/// What changes while a query runs. Operators borrow it for each series they compute.
pub(crate) struct Cx<'q> {
    pub(crate) env: &'q Env<'q>,
    pub(crate) remarks: Remarks,
    pub(crate) counter: Counter,
    pub(crate) work: Work,
    pub(crate) trace: Trace,
    /// A join met duplicates on its one side at a step where its many side was empty.
    pub(crate) has_unmatched_duplicates: bool,
    budget: Arc<Budget>,
    /// The most that this thread saw held: only more than that may be too much.
    brief_peak: u64,
    is_fork: bool,
    columns: Vec<Column>,
    samples: Vec<Samples>,
    raw: Vec<SampleColumns>,
    /// Windows of the series at hand.
    pub(crate) bounds: BoundsCache,
}

impl<'q> Cx<'q> {
    pub(crate) fn new(env: &'q Env<'q>, counter: Counter) -> Self {
        Self {
            env,
            remarks: Remarks::default(),
            counter,
            work: Work::default(),
            trace: Trace::default(),
            has_unmatched_duplicates: false,
            budget: Arc::new(Budget {
                limit: env.max_samples,
                bytes_max: env.memory_bytes_max,
                ..Budget::default()
            }),
            brief_peak: 0,
            is_fork: false,
            columns: Vec::new(),
            samples: Vec::new(),
            raw: Vec::new(),
            bounds: BoundsCache::default(),
        }
    }

    /// Counts samples against the budget of `other` from now on, for a thread of the same query.
    pub(crate) fn share_budget(&mut self, other: &Self) {
        self.budget = Arc::clone(&other.budget);
        self.is_fork = true;
    }

    /// Returns whether further threads may be started: those that were started start none.
    pub(crate) fn may_fork(&self) -> bool {
        !self.is_fork
    }

    /// Returns what was counted.
    pub(crate) fn into_tally(self) -> Tally {
        Tally { counter: self.counter, work: self.work, trace: self.trace }
    }

    /// Returns an error when the query should stop; called once per series.
    pub(crate) fn check(&self) -> Result<(), QueryError> {
        self.env.check(Stage::Evaluation)
    }

    /// Accounts for samples that are now held in memory, until the guard is dropped.
    /// # Errors
    /// [`QueryError::TooManySamples`].
    pub(crate) fn hold(&self, weight: u64) -> Result<Held, QueryError> {
        let mut held = Held { budget: Arc::clone(&self.budget), weight: 0 };
        held.grow(weight)?;
        Ok(held)
    }

    /// Accounts for the samples of one series, gone when its function is done: all that threads share is looked at, not
    /// touched, or they would wait for each other at every series.
    /// # Errors
    /// [`QueryError::TooManySamples`].
    pub(crate) fn hold_briefly(&mut self, weight: u64) -> Result<(), QueryError> {
        let held = self.budget.held.load(Ordering::Relaxed) + weight;
        if held > self.brief_peak {
            self.brief_peak = held;
            drop(self.hold(weight)?);
        }
        Ok(())
    }

    /// Returns the most samples that were held at once so far.
    pub(crate) fn peak(&self) -> u64 {
        self.budget.peak.load(Ordering::Relaxed)
    }

    /// Returns the samples that are held now.
    pub(crate) fn held(&self) -> u64 {
        self.budget.held.load(Ordering::Relaxed)
    }

    /// Returns the series that a selector selects; the plan has foreseen it unless it stands in an unusual place.
    pub(crate) fn selection(
        &mut self,
        selector: &Expr,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Arc<dyn Selection>, QueryError> {
        let scan = self.env.plan.node(selector).and_then(|node| node.scan);
        match scan.and_then(|scan| self.env.selections.get(scan)) {
            Some(selection) => Ok(Arc::clone(selection)),
            None => self.select(matchers, range),
        }
    }

    /// Returns which samples of the selected series are decoded: those that windows look at, or all of the scan.
    pub(crate) fn decoded_range(&self, selector: &Expr, looked_at: TimeRange) -> TimeRange {
        if self.env.rules.has(Rule::TimePushdown) {
            return looked_at;
        }
        let scan = self.env.plan.node(selector).and_then(|node| node.scan);
        scan.and_then(|scan| self.env.plan.plan.scans.get(scan)).map_or(looked_at, |scan| scan.range)
    }

    /// Counts one decoded series.
    pub(crate) fn count_decoded(&mut self, samples: &SampleColumns) {
        self.work.series_decoded += 1;
        self.work.samples_decoded += samples.len() as u64;
    }

    /// Selects series that no node of the plan reads.
    pub(crate) fn select(
        &mut self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Arc<dyn Selection>, QueryError> {
        self.work.selects += 1;
        Ok(self.env.source.select(&SelectRequest { matchers, range })?)
    }

    /// Lends a scratch column; its content is whatever the last user left.
    pub(crate) fn take_column(&mut self) -> Column {
        self.columns.pop().unwrap_or_default()
    }

    pub(crate) fn give_column(&mut self, column: Column) {
        self.columns.push(column);
    }

    /// Lends scratch samples.
    pub(crate) fn take_samples(&mut self) -> Samples {
        self.samples.pop().unwrap_or_default()
    }

    pub(crate) fn give_samples(&mut self, samples: Samples) {
        self.samples.push(samples);
    }

    /// Lends a scratch buffer to decode into.
    pub(crate) fn take_raw(&mut self) -> SampleColumns {
        self.raw.pop().unwrap_or_default()
    }

    pub(crate) fn give_raw(&mut self, raw: SampleColumns) {
        self.raw.push(raw);
    }
}
