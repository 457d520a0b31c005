//! Runs a prepared query: select, build, compute, collect.

use std::sync::Arc;
use std::time::Duration;

use wf_model::Labels;
use wf_series::SeriesSource;

use super::build::{Site, Value, build, build_range};
use super::column::Column;
use super::context::{Cx, Env};
use super::error::{QueryError, Stage};
use super::grid::Grid;
use super::operator::{Materialized, VectorOp, same_labelset, without_metadata};
use super::options::{EngineOptions, QueryOptions};
use super::parallel::Permits;
use super::plan::make::{PlanContext, make};
use super::plan::trace::Trace;
use super::plan::{Plan, Rule};
use super::prepare::{QuerySpan, resolve};
use super::result::{InstantSample, QueryResult, QueryValue, RangeSeries};
use super::rows::{Rows, hand_over};
use super::scalar::Scalar;
use super::selector::Detail;
use super::stats::{Counter, QueryStats, Timings};
use super::window::{RangeVector, slide};
use super::{PreparedQuery, RangeSpan};
use crate::ast::{Expr, RangeMode, ValueType};

/// When a query is evaluated.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// At one instant, ms.
    Instant(i64),
    /// Over a range.
    Range(RangeSpan),
}

impl When {
    fn span(self) -> QuerySpan {
        match self {
            Self::Instant(time_ms) => QuerySpan { start_ms: time_ms, end_ms: time_ms, step_ms: 0 },
            Self::Range(span) => {
                QuerySpan { start_ms: span.start_ms, end_ms: span.end_ms, step_ms: span.step_ms }
            }
        }
    }

    fn grid(self) -> Grid {
        match self {
            Self::Instant(time_ms) => Grid::instant(time_ms),
            Self::Range(span) => Grid::new(span.start_ms, span.end_ms, span.step_ms),
        }
    }
}

/// Evaluates a query. A long result goes to `rows` if there are any: what is returned then has no series.
pub(crate) fn execute(
    (engine, permits): (&EngineOptions, &Arc<Permits>),
    source: &dyn SeriesSource,
    query: &PreparedQuery,
    when: When,
    options: &QueryOptions,
    rows: Option<Rows<'_>>,
) -> Result<QueryResult, QueryError> {
    let now = || options.clock.as_ref().map_or(Duration::ZERO, |clock| clock());
    let started = now();
    let env = prepare((engine, permits), source, query, when, options, started)?;
    let prepared = now();
    let grid = when.grid();
    let is_per_step = options.per_step_stats && engine.features.per_step_stats;
    let mut cx = Cx::new(&env, Counter::new(grid, is_per_step));
    cx.work.selects += env.selections.len() as u64;
    if options.trace {
        cx.trace = Trace::new(env.plan.plan.nodes.len());
    }
    let expr = env.plan.expr();
    let outcome = match when {
        When::Instant(time_ms) => instant_value(expr, time_ms, &mut cx),
        When::Range(_) => matrix(expr, grid, &mut cx, rows).map(QueryValue::Matrix),
    };
    if cx.has_unmatched_duplicates && env.plan.plan.times_applied(Rule::MatcherPropagation) > 0 {
        // Narrowing may have emptied the side whose samples make these duplicates an error: ask the query as it was written.
        let rules = engine.rules.without(Rule::MatcherPropagation);
        let left = timeout(engine, options).saturating_sub(now().saturating_sub(started));
        let (engine, options) = (
            EngineOptions { rules, ..engine.clone() },
            QueryOptions { timeout: Some(left), ..options.clone() },
        );
        // Joins are never handed over: no row has been taken.
        return execute((&engine, permits), source, query, when, &options, None);
    }
    let mut value = outcome?;
    let evaluated = now();
    if let QueryValue::Matrix(series) = &mut value {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    let sorted = now();
    let timings = Timings {
        query_preparation: prepared.saturating_sub(started),
        inner_eval: evaluated.saturating_sub(prepared),
        result_sort: sorted.saturating_sub(evaluated),
        eval_total: sorted.saturating_sub(started),
    };
    let annotations = cx.remarks.render(&query.text);
    let peak = cx.peak();
    let Cx { counter, work, trace, .. } = cx;
    let plan = options.trace.then(|| {
        let mut plan = env.plan.plan;
        trace.write_into(&mut plan);
        Arc::new(plan)
    });
    let stats = QueryStats { samples: counter.finish(peak), timings, work, plan };
    Ok(QueryResult { value, annotations, stats })
}

/// Makes the plan of a query with its estimates and runs nothing but the selections.
pub(crate) fn plan(
    (engine, permits): (&EngineOptions, &Arc<Permits>),
    source: &dyn SeriesSource,
    query: &PreparedQuery,
    when: When,
    options: &QueryOptions,
) -> Result<Plan, QueryError> {
    let started = options.clock.as_ref().map_or(Duration::ZERO, |clock| clock());
    let options = QueryOptions { trace: true, ..options.clone() };
    Ok(prepare((engine, permits), source, query, when, &options, started)?.plan.plan)
}

/// Checks, resolves and plans a query, and selects its series.
fn prepare<'q>(
    (engine, permits): (&EngineOptions, &Arc<Permits>),
    source: &'q dyn SeriesSource,
    query: &PreparedQuery,
    when: When,
    options: &QueryOptions,
    started: Duration,
) -> Result<Env<'q>, QueryError> {
    let mut expr = query.expr.clone();
    check_root(&expr, when)?;
    resolve(&mut expr, &when.span())?;
    let grid = when.grid();
    let lookback_ms = options.lookback_delta_ms.unwrap_or(engine.lookback_delta_ms);
    let context = PlanContext {
        grid,
        lookback_ms,
        default_subquery_step_ms: engine.default_subquery_step_ms,
        rules: engine.rules,
        is_for_reading: options.trace,
    };
    let mut env = Env {
        source,
        features: engine.features,
        rules: engine.rules,
        lookback_ms,
        default_subquery_step_ms: engine.default_subquery_step_ms,
        max_samples: engine.max_samples,
        memory_bytes_max: engine.memory_bytes_max,
        cancel: options.cancel.clone(),
        clock: options.clock.clone(),
        deadline: options.clock.as_ref().map(|_| started.saturating_add(timeout(engine, options))),
        permits: Arc::clone(permits),
        on_thread_start: engine.on_thread_start.clone(),
        plan: make(expr, context),
        selections: Vec::new(),
    };
    env.check(Stage::Execution)?;
    env.check_grid(&grid)?;
    if grid.n_steps > 0 {
        env.select_all()?;
    }
    if options.trace {
        env.plan.estimate(engine.default_subquery_step_ms);
    }
    Ok(env)
}

/// Returns how long the query may run.
fn timeout(engine: &EngineOptions, options: &QueryOptions) -> Duration {
    options.timeout.map_or(engine.timeout, |timeout| timeout.min(engine.timeout))
}

fn check_root(expr: &Expr, when: When) -> Result<(), QueryError> {
    let noun = match expr.value_type() {
        ValueType::Scalar | ValueType::Vector => return Ok(()),
        ValueType::String => "string",
        ValueType::Matrix => "range vector",
    };
    match when {
        When::Instant(_) => Ok(()),
        When::Range(_) => Err(QueryError::Invalid(format!(
            "invalid expression type \"{noun}\" for range query, must be Scalar or instant Vector"
        ))),
    }
}

fn instant_value(expr: &Expr, time_ms: i64, cx: &mut Cx<'_>) -> Result<QueryValue, QueryError> {
    let site = Site { grid: Grid::instant(time_ms), detail: Detail::Full };
    if expr.value_type() == ValueType::Matrix {
        return Ok(QueryValue::Matrix(windows(&build_range(expr, site, cx)?, cx)?));
    }
    Ok(match build(expr, site, cx)? {
        Value::Scalar(scalar) => QueryValue::Scalar { time_ms, value: scalar.at(0) },
        Value::String(value) => QueryValue::String { time_ms, value },
        Value::Vector(op) => {
            let finished = finish(&*op, cx)?;
            let samples = finished.series.into_iter().filter_map(|series| {
                let value = series.column.get(0)?.to_value();
                Some(InstantSample { labels: series.labels, time_ms, value })
            });
            QueryValue::Vector(samples.collect())
        }
    })
}

fn matrix(
    expr: &Expr,
    grid: Grid,
    cx: &mut Cx<'_>,
    rows: Option<Rows<'_>>,
) -> Result<Vec<RangeSeries>, QueryError> {
    if grid.n_steps == 0 {
        return Ok(Vec::new());
    }
    match build(expr, Site { grid, detail: Detail::Full }, cx)? {
        Value::Scalar(scalar) => Ok(vec![scalar_series(&scalar, grid)]),
        Value::Vector(op) => {
            if let Some(mut rows) = rows
                && hand_over(expr, &*op, grid, cx, &mut rows)?
            {
                return Ok(Vec::new());
            }
            let finished = finish(&*op, cx)?;
            Ok(finished
                .series
                .into_iter()
                .map(|series| range_series(series.labels, &series.column, grid))
                .collect())
        }
        Value::String(_) => Err(QueryError::Execution("a string has no range".into())),
    }
}

/// Computes the result and drops the names that were marked for it.
fn finish(op: &dyn VectorOp, cx: &mut Cx<'_>) -> Result<Materialized, QueryError> {
    let mut result = Materialized::collect(op, cx)?;
    let mut is_changed = false;
    for series in &mut result.series {
        if series.drops_name {
            series.labels = without_metadata(&series.labels);
            is_changed = true;
        }
    }
    if is_changed {
        result.merge_same_labels()?;
    }
    Ok(result)
}

fn scalar_series(scalar: &Scalar, grid: Grid) -> RangeSeries {
    RangeSeries {
        labels: Labels::empty(),
        times_ms: (0..grid.n_steps).map(|step| grid.time_ms(step)).collect(),
        values: (0..grid.n_steps).map(|step| scalar.at(step)).collect(),
        histograms: Vec::new(),
    }
}

pub(super) fn range_series(labels: Labels, column: &Column, grid: Grid) -> RangeSeries {
    let mut series = RangeSeries { labels, ..RangeSeries::default() };
    let n_floats = column.floats.count();
    series.times_ms.reserve_exact(n_floats);
    series.values.reserve_exact(n_floats);
    for steps in column.floats.runs() {
        series.times_ms.extend(steps.clone().map(|step| grid.time_ms(step)));
        series.values.extend_from_slice(&column.values[steps]);
    }
    let histograms =
        column.histograms.iter().map(|(step, histogram)| (grid.time_ms(*step), histogram.clone()));
    series.histograms.extend(histograms);
    series
}

/// Returns the samples of a range vector at one instant, with their own times.
fn windows(range: &RangeVector, cx: &mut Cx<'_>) -> Result<Vec<RangeSeries>, QueryError> {
    let mut result = Vec::new();
    let mut held = cx.hold(0)?;
    let mut samples = cx.take_samples();
    for idx in 0..range.source.len() {
        cx.check()?;
        range.source.read(idx, &mut samples, cx)?;
        let mut labels = range.source.labels(idx);
        if range.source.drops_name(idx) {
            labels = without_metadata(&labels);
        }
        let mut series = RangeSeries { labels, ..RangeSeries::default() };
        if range.mode != RangeMode::Plain {
            super::extended::raw_window(&samples, &range.spec, range.mode, &mut series)?;
        } else {
            slide(&samples, &range.spec, |window| {
                series.times_ms.extend_from_slice(window.floats.times_ms);
                series.values.extend_from_slice(window.floats.values);
                let histograms = window.histograms.times_ms.iter().zip(window.histograms.values);
                series.histograms.extend(histograms.map(|(time, histogram)| (*time, histogram.clone())));
                Ok::<(), QueryError>(())
            })?;
        }
        if series.times_ms.is_empty() && series.histograms.is_empty() {
            continue;
        }
        let weight = samples.weight();
        cx.counter.add(&range.spec.grid, 0, weight, weight);
        held.grow(weight)?;
        result.push(series);
    }
    cx.give_samples(samples);
    let mut labels: Vec<&Labels> = result.iter().map(|series| &series.labels).collect();
    labels.sort();
    if labels.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(same_labelset());
    }
    Ok(result)
}
