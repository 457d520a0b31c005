//! What an engine and a single query can be told.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::plan::OptimizerRules;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Samples a query may hold in memory at once. Default 50 000 000.
    pub max_samples: u64,
    /// Bytes of samples a query may hold in memory at once: the samples of `max_samples` at their size in columns.
    /// Default no bound of its own.
    pub memory_bytes_max: u64,
    /// How long a query may run; only honoured when the query brings a clock. Default 2 min.
    pub timeout: Duration,
    /// How far an instant selector looks back, ms. Default 5 min.
    pub lookback_delta_ms: i64,
    /// Step of a subquery that names none, ms: the global evaluation interval. Default 1 min.
    pub default_subquery_step_ms: i64,
    /// Which optional behaviour is on.
    pub features: Features,
    /// What the optimiser may do. Default everything.
    pub rules: OptimizerRules,
    /// Threads that all queries of the engine share, besides the callers' own; fewer than two mean none. Default: as
    /// many as there are cores.
    pub threads: usize,
    /// Called at the start of every such thread: the place to lower its priority.
    pub on_thread_start: ThreadHook,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            max_samples: 50_000_000,
            memory_bytes_max: u64::MAX,
            timeout: Duration::from_secs(120),
            lookback_delta_ms: 300_000,
            default_subquery_step_ms: 60_000,
            features: Features::default(),
            rules: OptimizerRules::default(),
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            on_thread_start: ThreadHook::default(),
        }
    }
}

/// Optional behaviour, each the `--enable-feature` value of the same name. All off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches named after the original's feature flags"
)]
pub struct Features {
    /// `promql-experimental-functions`
    pub experimental_functions: bool,
    /// `promql-extended-range-selectors`
    pub extended_range_selectors: bool,
    /// `promql-binop-fill-modifiers`
    pub binop_fill_modifiers: bool,
    /// `promql-delayed-name-removal`
    pub delayed_name_removal: bool,
    /// `use-start-timestamps`
    pub use_start_timestamps: bool,
    /// `type-and-unit-labels`
    pub type_and_unit_labels: bool,
    /// `promql-per-step-stats`
    pub per_step_stats: bool,
}

impl Features {
    /// What the reference's script suite switches on.
    pub const SCRIPT_SUITE: Self = Self {
        experimental_functions: true,
        extended_range_selectors: true,
        binop_fill_modifiers: true,
        delayed_name_removal: true,
        use_start_timestamps: true,
        type_and_unit_labels: false,
        per_step_stats: false,
    };
}

/// Something to do at the start of each query thread; nothing by default.
#[derive(Clone, Default)]
pub struct ThreadHook(Option<Arc<dyn Fn() + Send + Sync>>);

impl ThreadHook {
    /// Wraps what is to be done.
    pub fn new(hook: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn call(&self) {
        if let Some(hook) = &self.0 {
            hook();
        }
    }
}

impl fmt::Debug for ThreadHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadHook({})", if self.0.is_some() { "set" } else { "none" })
    }
}

/// A monotonic clock: time since some fixed instant.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Settings of one query.
#[derive(Clone, Default)]
pub struct QueryOptions {
    /// Overrides [`EngineOptions::lookback_delta_ms`].
    pub lookback_delta_ms: Option<i64>,
    /// Shortens [`EngineOptions::timeout`]; the smaller of the two holds.
    pub timeout: Option<Duration>,
    /// Ends the query early when raised.
    pub cancel: CancelFlag,
    /// Measures timeout and timings; without it there is no timeout and all timings are zero.
    pub clock: Option<Clock>,
    /// Counts samples per step too; needs the per-step feature.
    pub per_step_stats: bool,
    /// Counts what every node of the plan costs; the plan comes with the statistics.
    pub trace: bool,
}

impl fmt::Debug for QueryOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryOptions")
            .field("lookback_delta_ms", &self.lookback_delta_ms)
            .field("timeout", &self.timeout)
            .field("cancel", &self.cancel)
            .field("has_clock", &self.clock.is_some())
            .field("per_step_stats", &self.per_step_stats)
            .field("trace", &self.trace)
            .finish()
    }
}

/// Tells a running query to stop. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag {
    raised: Arc<AtomicBool>,
}

impl CancelFlag {
    /// Asks the query to stop at its next check.
    pub fn cancel(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Returns whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }
}
