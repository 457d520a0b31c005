//! What a query cost: the numbers behind the API's `stats` parameter.

use std::sync::Arc;
use std::time::Duration;

use super::grid::Grid;
use super::plan::Plan;

/// Samples and timings of a query.
#[derive(Clone, Debug, Default)]
pub struct QueryStats {
    /// Samples touched and held.
    pub samples: SampleStats,
    /// Durations; all zero without a clock. Queueing is the server's to add.
    pub timings: Timings,
    /// What the engine did for it.
    pub work: Work,
    /// The plan with what each node cost; only for a traced query.
    pub plan: Option<Arc<Plan>>,
}

/// What the engine did: counts that optimisations lower while answers stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Selections asked of storage.
    pub selects: u64,
    /// Nodes of the plan.
    pub nodes: u64,
    /// Steps that operators were built for, summed over nodes.
    pub steps: u64,
    /// Series decoded; one that is decoded twice counts twice.
    pub series_decoded: u64,
    /// Samples decoded, likewise.
    pub samples_decoded: u64,
    /// Label sets materialised to group or match series.
    pub label_sets: u64,
    /// Series held by operators that need all of their input at once.
    pub series_held: u64,
}

impl Work {
    /// Adds what another thread did.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.selects += other.selects;
        self.nodes += other.nodes;
        self.steps += other.steps;
        self.series_decoded += other.series_decoded;
        self.samples_decoded += other.samples_decoded;
        self.label_sets += other.label_sets;
        self.series_held += other.series_held;
    }
}

/// Samples of a query; a native histogram counts by its size in 16-byte units.
#[derive(Clone, Debug, Default)]
pub struct SampleStats {
    /// Samples that steps looked at; a window counts in full at every step.
    pub total_queryable: u64,
    /// Samples that steps looked at for the first time.
    pub read: u64,
    /// Most samples held in memory at once.
    pub peak: u64,
    /// `total_queryable` by step; empty unless asked for.
    pub total_queryable_per_step: Vec<StepCount>,
    /// `read` by step; empty unless asked for.
    pub read_per_step: Vec<StepCount>,
}

/// A count of samples at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepCount {
    /// The step, ms.
    pub time_ms: i64,
    /// The count.
    pub n_samples: u64,
}

/// Durations of the parts of a query.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Planning and selecting series.
    pub query_preparation: Duration,
    /// Evaluating operators.
    pub inner_eval: Duration,
    /// Sorting the result.
    pub result_sort: Duration,
    /// All three.
    pub eval_total: Duration,
}

/// Counts samples while a query runs.
#[derive(Debug)]
pub(crate) struct Counter {
    stats: SampleStats,
    /// Steps of the whole query; inner steps of subqueries count in total only.
    grid: Grid,
    is_per_step: bool,
}

impl Counter {
    pub(crate) fn new(grid: Grid, is_per_step: bool) -> Self {
        let mut stats = SampleStats::default();
        if is_per_step {
            let zeros = (0..grid.n_steps).map(|step| StepCount { time_ms: grid.time_ms(step), n_samples: 0 });
            stats.total_queryable_per_step = zeros.collect();
            stats.read_per_step = stats.total_queryable_per_step.clone();
        }
        Self { stats, grid, is_per_step }
    }

    /// Counts what a step of an operator on `grid` looked at, and what of it was looked at for the first time.
    #[inline]
    pub(crate) fn add(&mut self, grid: &Grid, step: usize, queryable: u64, read: u64) {
        self.stats.total_queryable += queryable;
        self.stats.read += read;
        if self.is_per_step && *grid == self.grid {
            self.stats.total_queryable_per_step[step].n_samples += queryable;
            self.stats.read_per_step[step].n_samples += read;
        }
    }

    /// Returns whether steps are counted each by itself.
    pub(crate) fn is_per_step(&self) -> bool {
        self.is_per_step
    }

    /// Returns a counter for another thread of the same query.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.grid, self.is_per_step)
    }

    /// Adds what another thread counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.stats.total_queryable += other.stats.total_queryable;
        self.stats.read += other.stats.read;
        let add = |mine: &mut [StepCount], theirs: &[StepCount]| {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| mine.n_samples += theirs.n_samples);
        };
        add(&mut self.stats.total_queryable_per_step, &other.stats.total_queryable_per_step);
        add(&mut self.stats.read_per_step, &other.stats.read_per_step);
    }

    /// Returns the counts, with the most samples that were held at once.
    pub(crate) fn finish(self, peak: u64) -> SampleStats {
        SampleStats { peak, ..self.stats }
    }
}
