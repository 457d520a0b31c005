//! Evaluation: a prepared query and a storage in, columns out.
//!
//! ```text
//! text → PreparedQuery (parse) → plan (resolve times, fold constants, find shared scans) → operators → QueryResult
//! ```
//! An operator is a list of series known up front; each series is computed when asked for, as one column over all
//! steps. Aggregations fold columns into accumulators, so memory follows the groups, not the series.
//!
//! # Invariants
//! - A query sees one snapshot per selector and is synchronous; clock and cancellation are passed in.
//! - Results do not depend on the iteration order of a hash table.
//! # Reading order: `options`, `result`, `error`, `annotations`, then `plan`, `operator`, `build`.
//! # Not here: concurrency slots, the query log and HTTP (`wf-server`).
//! # Source: `spec/prometheus-query.md` §2, `spec/performance-design.md` §9.

pub mod annotations;
pub mod error;
pub mod options;
pub mod plan;
pub mod result;
pub mod stats;

mod aggregate;
mod binary;
mod build;
mod column;
mod compensated;
mod context;
mod execute;
mod extended;
mod functions;
mod grid;
pub(crate) mod histogram;
mod names;
mod operator;
mod parallel;
mod prepare;
mod prepared;
mod quantile;
pub mod range_cache;
mod range_functions;
mod remarks;
pub mod rows;
mod scalar;
mod selector;
mod subquery;
#[cfg(test)]
mod tests;
mod times;
mod window;

pub use annotations::Annotations;
pub use error::{QueryError, Stage};
pub use execute::When;
pub use options::{CancelFlag, Clock, EngineOptions, Features, QueryOptions, ThreadHook};
pub use plan::{
    Actual, Estimate, LabelsNeeded, NodeId, Operator, OptimizerRules, Plan, PlanNode, PlanScan, Rule, Steps,
};

pub use result::{InstantSample, QueryResult, QueryValue, RangeSeries, SampleValue};
pub use rows::Rows;
pub use stats::{QueryStats, SampleStats, StepCount, Timings, Work};

use std::sync::Arc;

use wf_series::SeriesSource;

use crate::ast::Expr;
use crate::parser::{ParseOptions, parse};
use execute::execute;
use parallel::Permits;
use prepared::PreparedQueries;
use range_cache::RangeCache;

/// A parsed query with the text that its positions refer to. Cheap to keep: rules and dashboards repeat queries.
#[derive(Clone, Debug)]
pub struct PreparedQuery {
    /// As typed.
    pub text: String,
    /// What it means.
    pub expr: Expr,
}

/// Evaluates queries. Share it between threads; clones share the threads it may use.
#[derive(Clone, Debug)]
pub struct Engine {
    options: EngineOptions,
    permits: Arc<Permits>,
    prepared: Arc<PreparedQueries>,
}

impl Engine {
    /// Builds an engine.
    pub fn new(options: EngineOptions) -> Self {
        let permits = Arc::new(Permits::new(options.threads));
        Self { options, permits, prepared: Arc::default() }
    }

    /// Returns the options the engine was built with.
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Parses `query` under the features of this engine.
    /// # Errors
    /// [`QueryError::Parse`].
    pub fn prepare(&self, query: &str) -> Result<PreparedQuery, QueryError> {
        if let Some(known) = self.prepared.get(query) {
            return Ok(known);
        }
        let features = self.options.features;
        let options = ParseOptions {
            experimental_functions: features.experimental_functions,
            extended_range_selectors: features.extended_range_selectors,
            binop_fill_modifiers: features.binop_fill_modifiers,
        };
        let prepared = PreparedQuery { text: query.to_owned(), expr: parse(query, &options)? };
        self.prepared.put(&prepared);
        Ok(prepared)
    }

    /// Evaluates `query` at one instant.
    /// # Errors
    /// See [`QueryError`].
    pub fn instant(
        &self,
        source: &dyn SeriesSource,
        query: &str,
        time_ms: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        self.instant_prepared(source, &self.prepare(query)?, time_ms, options)
    }

    /// Evaluates `query` at `start_ms`, `start_ms + step_ms`, … up to and including `end_ms`.
    /// # Errors
    /// See [`QueryError`].
    pub fn range(
        &self,
        source: &dyn SeriesSource,
        query: &str,
        span: RangeSpan,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        self.range_prepared(source, &self.prepare(query)?, span, options)
    }

    /// Evaluates a prepared query at one instant.
    /// # Errors
    /// See [`QueryError`].
    pub fn instant_prepared(
        &self,
        source: &dyn SeriesSource,
        query: &PreparedQuery,
        time_ms: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        execute((&self.options, &self.permits), source, query, When::Instant(time_ms), options, None)
    }

    /// Evaluates a prepared query over a range of time.
    /// # Errors
    /// See [`QueryError`].
    pub fn range_prepared(
        &self,
        source: &dyn SeriesSource,
        query: &PreparedQuery,
        span: RangeSpan,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        self.range_with(source, query, span, options, None)
    }

    /// As [`range_prepared`](Self::range_prepared), but the series of a long result that is computed series by series go to
    /// `rows` one by one: the result has none then.
    /// # Errors
    /// See [`QueryError`]; when rows have been taken, only those of storage, time, cancellation, and `rows` itself.
    pub fn range_rows(
        &self,
        source: &dyn SeriesSource,
        query: &PreparedQuery,
        span: RangeSpan,
        options: &QueryOptions,
        rows: Rows<'_>,
    ) -> Result<QueryResult, QueryError> {
        self.range_with(source, query, span, options, Some(rows))
    }

    /// Evaluates a prepared query over a range of time, with what a cache knows of it. The cache comes with the time up
    /// to which storage is settled: no step after it is kept. Without a cache this is [`range_prepared`](Self::range_prepared),
    /// or with rows [`range_rows`](Self::range_rows). A result that the cache would keep is computed as a whole.
    /// # Errors
    /// See [`QueryError`].
    pub fn range_cached(
        &self,
        source: &dyn SeriesSource,
        query: &PreparedQuery,
        span: RangeSpan,
        options: &QueryOptions,
        cache: Option<(&RangeCache, i64)>,
        rows: Option<Rows<'_>>,
    ) -> Result<QueryResult, QueryError> {
        let lookback_ms = options.lookback_delta_ms.unwrap_or(self.options.lookback_delta_ms);
        let keyed = cache.and_then(|cache| Some((cache, range_cache::key(query, span, lookback_ms)?)));
        let Some(((cache, settled_ms), (key, reach_ms))) = keyed.filter(|_| !options.trace) else {
            return self.range_with(source, query, span, options, rows);
        };
        let mut found = cache.find(&key, span);
        let rest = RangeSpan {
            start_ms: found.until_ms.map_or(span.start_ms, |until_ms| until_ms.saturating_add(span.step_ms)),
            ..span
        };
        let mut is_taken = false;
        let mut take;
        let rows = match rows.filter(|_| found.until_ms.is_none()) {
            Some(Rows { take: outer, n_samples_min }) => {
                take = |row| {
                    is_taken = true;
                    outer(row)
                };
                let n_samples_min = n_samples_min.max(cache.entry_samples_max());
                Some(Rows { take: &mut take, n_samples_min })
            }
            None => None,
        };
        let mut result = self.range_with(source, query, rest, options, rows)?;
        if let QueryValue::Matrix(computed) = &mut result.value {
            let known = std::mem::take(&mut found.series);
            if found.until_ms.is_some() {
                *computed = range_cache::join(known, std::mem::take(computed));
            }
            if result.annotations.is_empty() && !is_taken {
                cache.keep(key, span, settled_ms, &found, computed, reach_ms);
            }
        }
        Ok(result)
    }

    fn range_with(
        &self,
        source: &dyn SeriesSource,
        query: &PreparedQuery,
        span: RangeSpan,
        options: &QueryOptions,
        rows: Option<Rows<'_>>,
    ) -> Result<QueryResult, QueryError> {
        execute((&self.options, &self.permits), source, query, When::Range(span), options, rows)
    }

    /// Makes the plan of a query with its expected costs: series are selected and counted, nothing is decoded. A query
    /// run with [`QueryOptions::trace`] brings the plan with its actual costs in [`QueryStats::plan`].
    /// # Errors
    /// See [`QueryError`].
    pub fn plan(
        &self,
        source: &dyn SeriesSource,
        query: &PreparedQuery,
        when: When,
        options: &QueryOptions,
    ) -> Result<Plan, QueryError> {
        execute::plan((&self.options, &self.permits), source, query, when, options)
    }
}

/// The steps of a range query, all in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeSpan {
    /// First step.
    pub start_ms: i64,
    /// No step lies after this instant.
    pub end_ms: i64,
    /// Distance of two steps, greater than zero.
    pub step_ms: i64,
}
