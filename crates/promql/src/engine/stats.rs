//! What a query cost: the numbers behind the API's `stats` parameter.

use std::time::Duration;

/// Samples and timings of a query.
#[derive(Clone, Debug, Default)]
pub struct QueryStats {
    /// Samples touched and held.
    pub samples: SampleStats,
    /// Durations; all zero without a clock. Queueing is the server's to add.
    pub timings: Timings,
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
