//! What a running query carries along: its environment, its budget, its remarks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wf_model::{Matcher, TimeRange};
use wf_series::{SampleColumns, SelectRequest, Selection, SeriesSource};

use super::column::Column;
use super::error::{QueryError, Stage};
use super::grid::Grid;
use super::options::{CancelFlag, Clock, Features};
use super::remarks::Remarks;
use super::stats::Counter;
use super::window::Samples;

/// What stays the same while a query runs.
pub(crate) struct Env<'q> {
    pub(crate) source: &'q dyn SeriesSource,
    pub(crate) features: Features,
    pub(crate) lookback_ms: i64,
    pub(crate) default_subquery_step_ms: i64,
    pub(crate) max_samples: u64,
    pub(crate) cancel: CancelFlag,
    pub(crate) clock: Option<Clock>,
    /// On the clock; `None` without one.
    pub(crate) deadline: Option<Duration>,
    /// Selected series, one entry per distinct set of matchers.
    pub(crate) scans: Vec<Scan>,
}

/// Series selected once for all selectors with the same matchers.
pub(crate) struct Scan {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) range: TimeRange,
    pub(crate) selection: Option<Arc<dyn Selection>>,
}

impl Env<'_> {
    /// Returns the series selected by `matchers`; selects them now if the plan did not foresee them.
    pub(crate) fn selection(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Arc<dyn Selection>, QueryError> {
        let known = self.scans.iter().find(|scan| scan.matchers == matchers);
        if let Some(Scan { selection: Some(selection), .. }) = known {
            return Ok(Arc::clone(selection));
        }
        Ok(self.source.select(&SelectRequest { matchers, range })?)
    }

    /// Refuses a grid whose single column would burst the sample limit: columns are dense.
    /// # Errors
    /// [`QueryError::TooManySamples`].
    pub(crate) fn check_grid(&self, grid: &Grid) -> Result<(), QueryError> {
        if grid.n_steps as u64 > self.max_samples { Err(QueryError::TooManySamples) } else { Ok(()) }
    }

    /// Returns an error when the query should stop.
    pub(crate) fn check(&self, stage: Stage) -> Result<(), QueryError> {
        if self.cancel.is_cancelled() {
            return Err(QueryError::Canceled(stage));
        }
        match (&self.clock, self.deadline) {
            (Some(clock), Some(deadline)) if clock() >= deadline => Err(QueryError::Timeout(stage)),
            _ => Ok(()),
        }
    }
}

/// Samples a query holds, shared by all its operators.
#[derive(Debug, Default)]
struct Budget {
    held: AtomicU64,
    peak: AtomicU64,
    limit: u64,
}

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
        if held > self.budget.limit { Err(QueryError::TooManySamples) } else { Ok(()) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// What changes while a query runs. Operators borrow it for each series they compute.
pub(crate) struct Cx<'q> {
    pub(crate) env: &'q Env<'q>,
    pub(crate) remarks: Remarks,
    pub(crate) counter: Counter,
    budget: Arc<Budget>,
    columns: Vec<Column>,
    samples: Vec<Samples>,
    raw: Vec<SampleColumns>,
}

impl<'q> Cx<'q> {
    pub(crate) fn new(env: &'q Env<'q>, counter: Counter) -> Self {
        Self {
            env,
            remarks: Remarks::default(),
            counter,
            budget: Arc::new(Budget { limit: env.max_samples, ..Budget::default() }),
            columns: Vec::new(),
            samples: Vec::new(),
            raw: Vec::new(),
        }
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

    /// Returns the most samples that were held at once so far.
    pub(crate) fn peak(&self) -> u64 {
        self.budget.peak.load(Ordering::Relaxed)
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
