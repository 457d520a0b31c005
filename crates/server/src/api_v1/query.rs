//! `/query` and `/query_range`: parameters in, evaluation on a thread of its own, columns streamed out.

mod flow;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use wf_promql::engine::{Plan, QueryError, QueryOptions, QueryResult, QueryStats, RangeSpan, Rows, When};

use super::ApiState;
use super::encode::{self, Around, Pieces};
use super::error::ApiError;
use super::params::{Params, to_duration};
use crate::json::JsonWriter;
use crate::pulled;
use crate::query_log::{Entry, Origin};
use crate::query_pool::{CancelOnDrop, Slot, block};

/// Most steps of a range query.
const N_STEPS_MAX: i64 = 11_000;

/// Answers up to about this many samples are written in one piece.
const N_SAMPLES_AT_ONCE: usize = 4_000;

/// What `/query` and `/query_range` have in common.
pub(crate) struct Common {
    query: String,
    limit: Option<usize>,
    lookback_delta_ms: Option<i64>,
    timeout: Duration,
    stats: Option<String>,
    /// Whether results of earlier range queries may be used.
    cached: bool,
}

pub(crate) async fn instant(
    State(state): State<Arc<ApiState>>,
    origin: Origin,
    params: Params,
) -> Result<Response, ApiError> {
    let limit = params.limit()?;
    let time_ms = params.time_or("time", state.now_ms())?;
    let common = common(&params, limit, &state)?;
    run(state, common, When::Instant(time_ms), origin).await
}

pub(crate) async fn range(
    State(state): State<Arc<ApiState>>,
    origin: Origin,
    params: Params,
) -> Result<Response, ApiError> {
    let limit = params.limit()?;
    let span = range_span(&params)?;
    let common = common(&params, limit, &state)?;
    if common.limit.is_none() && common.stats.is_none() {
        return flow::answer(state, common, span, origin).await;
    }
    run(state, common, When::Range(span), origin).await
}

pub(crate) fn common(params: &Params, limit: Option<usize>, state: &ApiState) -> Result<Common, ApiError> {
    let timeout = params.duration("timeout")?.map(to_duration);
    let timeout = timeout.unwrap_or(Duration::MAX).min(state.engine().options().timeout);
    let lookback = params.duration("lookback_delta")?;
    let is_fresh = params.get("nocache").is_some_and(|value| matches!(value, "1" | "true"));
    Ok(Common {
        // Statistics are those of the whole query.
        cached: !is_fresh && params.get("stats").is_none(),
        query: params.get("query").unwrap_or("").to_owned(),
        limit,
        lookback_delta_ms: lookback.filter(|seconds| *seconds > 0.0).map(seconds_to_ms),
        timeout,
        stats: params.get("stats").map(str::to_owned),
    })
}

pub(crate) fn range_span(params: &Params) -> Result<RangeSpan, ApiError> {
    let start_ms = params.time("start")?;
    let end_ms = params.time("end")?;
    if end_ms < start_ms {
        return Err(ApiError::parameter("end", "end timestamp must not be before start time"));
    }
    let step = params.get("step").unwrap_or("");
    let step_s = super::params::parse_duration(step).map_err(|cause| ApiError::parameter("step", cause))?;
    if step_s <= 0.0 {
        let cause = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiError::parameter("step", cause));
    }
    // Below a millisecond steps would fall onto each other; how many were asked for counts all the same.
    let step_ms = seconds_to_ms(step_s).max(1);
    let n_asked_for = end_ms.saturating_sub(start_ms) as f64 / (step_s * 1000.0);
    if end_ms.saturating_sub(start_ms) / step_ms > N_STEPS_MAX || n_asked_for >= (N_STEPS_MAX + 1) as f64 {
        let message = "exceeded maximum resolution of 11,000 points per timeseries. \
                       Try decreasing the query resolution (?step=XX)";
        return Err(ApiError::bad_data(message));
    }
    Ok(RangeSpan { start_ms, end_ms, step_ms })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the parser bounds durations to the range of i64 nanoseconds"
)]
fn seconds_to_ms(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

async fn run(state: Arc<ApiState>, common: Common, when: When, origin: Origin) -> Result<Response, ApiError> {
    let (limit, stats) = (common.limit, common.stats.clone());
    let Evaluation { mut result, slot } = evaluate(Arc::clone(&state), common, when, origin, false).await?;
    let mut warnings = Vec::new();
    if encode::truncate(&mut result.value, limit) {
        warnings.push("results truncated due to limit");
    }
    if stats.as_deref().is_some_and(|stats| !matches!(stats, "true" | "all")) {
        warnings
            .push("the stats parameter knows true and all; another value acts like true and is deprecated");
    }
    let queued = stats.is_some().then_some(slot.queued);
    drop(slot);
    answer(&state, result, Around { queued, warnings }).await
}

/// A query that ran, and the slot it ran in.
pub(crate) struct Evaluation {
    pub(crate) result: QueryResult,
    pub(crate) slot: Slot,
}

/// Waits for a slot and runs the query; `trace` counts what every node of its plan costs.
pub(crate) async fn evaluate(
    state: Arc<ApiState>,
    common: Common,
    when: When,
    origin: Origin,
    trace: bool,
) -> Result<Evaluation, ApiError> {
    let started = Instant::now();
    let _running = state.metrics().begin_query();
    let slot = state.query_pool().slot(common.timeout).await?;
    // Dropped with this future when the client goes away: the query then ends at its next check.
    let guard = CancelOnDrop::default();
    let options = QueryOptions {
        trace,
        per_step_stats: common.stats.as_deref() == Some("all"),
        ..options(&common, &slot, &guard, started)
    };
    let queued = slot.queued;
    let result = block(move || run_engine(&state, &common, when, &options, queued, &origin, None));
    Ok(Evaluation { result: result.await?, slot })
}

/// Runs a query on this thread, counts and logs it.
fn run_engine(
    state: &ApiState,
    common: &Common,
    when: When,
    options: &QueryOptions,
    queued: Duration,
    origin: &Origin,
    rows: Option<Rows<'_>>,
) -> Result<QueryResult, ApiError> {
    let (source, engine, query) = (state.source()?, state.engine(), common.query.as_str());
    let _active = state.begin_query(query);
    let result = match (when, rows) {
        (When::Instant(time_ms), _) => engine.instant(source, query, time_ms, options),
        (When::Range(span), rows) if common.cached => {
            state.range_queries().range(source, query, span, options, state.now_ms(), rows)
        }
        (When::Range(span), Some(rows)) => engine
            .prepare(query)
            .and_then(|prepared| engine.range_rows(source, &prepared, span, options, rows)),
        (When::Range(span), None) => engine.range(source, query, span, options),
    };
    state.metrics().on_query(&result, queued);
    log(state, query, when, &result, queued, origin);
    Ok(result?)
}

/// Waits for a slot and plans the query: series are selected, nothing is read.
pub(crate) async fn plan(state: Arc<ApiState>, common: Common, when: When) -> Result<Plan, ApiError> {
    let started = Instant::now();
    let _running = state.metrics().begin_query();
    let slot = state.query_pool().slot(common.timeout).await?;
    let guard = CancelOnDrop::default();
    let options = options(&common, &slot, &guard, started);
    block(move || {
        let engine = state.engine();
        Ok(engine.plan(state.source()?, &engine.prepare(&common.query)?, when, &options)?)
    })
    .await
}

fn options(common: &Common, slot: &Slot, guard: &CancelOnDrop, started: Instant) -> QueryOptions {
    QueryOptions {
        lookback_delta_ms: common.lookback_delta_ms,
        timeout: Some(common.timeout.saturating_sub(slot.queued)),
        cancel: guard.0.clone(),
        clock: Some(Arc::new(move || started.elapsed())),
        ..QueryOptions::default()
    }
}

/// Logs a query that was evaluated; one that could not be built never was.
fn log(
    state: &ApiState,
    query: &str,
    when: When,
    result: &Result<QueryResult, QueryError>,
    queued: Duration,
    origin: &Origin,
) {
    let is_built = !matches!(result, Err(QueryError::Parse(_) | QueryError::Invalid(_)));
    if !is_built || !state.query_log().is_enabled() {
        return;
    }
    let (start_ms, end_ms, step_ms) = match when {
        When::Instant(time_ms) => (time_ms, time_ms, 0),
        When::Range(span) => (span.start_ms, span.end_ms, span.step_ms),
    };
    let nothing = QueryStats::default();
    let entry = Entry {
        now_ms: state.now_ms(),
        query,
        start_ms,
        end_ms,
        step_ms,
        error: result.as_ref().err().map(ToString::to_string),
        stats: result.as_ref().map_or(&nothing, |result| &result.stats),
        queued,
        origin,
    };
    if let Err(error) = state.query_log().write(&entry) {
        state.metrics().on_query_log_failure(&error);
    }
}

/// Short answers go out in one piece. Long ones are written as they are taken: the right to compute was given back by then,
/// so that who reads slowly keeps nobody from asking; how many are kept like that is limited.
async fn answer(state: &ApiState, result: QueryResult, around: Around) -> Result<Response, ApiError> {
    if encode::n_samples(&result.value) <= N_SAMPLES_AT_ONCE {
        let mut json = JsonWriter::collecting();
        encode::write_query_answer(&mut json, &result, &around);
        return Ok(([(CONTENT_TYPE, "application/json")], json.finish()).into_response());
    }
    let place = state.query_pool().long_answer(state.engine().options().timeout).await?;
    let mut pieces = Pieces::new(result, around);
    Ok(pulled::json(move |json| {
        let _held = &place;
        pieces.next(json)
    }))
}
