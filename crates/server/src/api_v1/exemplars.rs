//! `/query_exemplars`: single observations that stand for the series of a query.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use wf_model::{Matcher, TimeRange};
use wf_series::{ExemplarQuery, ExemplarSource, SeriesExemplars};

use super::ApiState;
use super::error::ApiError;
use super::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use super::select::{envelope, reply};
use crate::json::JsonWriter;
use crate::query_pool::block;

/// Answers the exemplars of all series that any selector of the query selects. A query without selectors has no content,
/// as in the original.
pub(crate) async fn query_exemplars(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    let range = TimeRange {
        start_ms: params.time_or("start", MIN_TIME_MS)?,
        end_ms: params.time_or("end", MAX_TIME_MS)?,
    };
    if range.end_ms < range.start_ms {
        return Err(ApiError::bad_data("end timestamp must not be before start timestamp"));
    }
    let expr = super::parse::expression(&state.engine(), &params)?;
    let matcher_sets: Vec<Vec<Matcher>> =
        expr.selectors().into_iter().map(|(selector, _)| selector.matchers.clone()).collect();
    if matcher_sets.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let text = block(move || {
        let found = state.tsdb()?.exemplars(&ExemplarQuery { matcher_sets: &matcher_sets, range })?;
        Ok(envelope(false, |json| {
            json.list(&found, write_series);
        }))
    });
    Ok(reply(text.await?))
}

fn write_series(json: &mut JsonWriter, found: &SeriesExemplars) {
    json.raw(r#"{"seriesLabels":"#).labels(&found.series).raw(r#","exemplars":"#);
    json.list(&found.exemplars, |json, exemplar| {
        json.raw(r#"{"labels":"#).labels(&exemplar.labels);
        json.raw(r#","value":"#).value(exemplar.value);
        json.raw(r#","timestamp":"#).timestamp(exemplar.time_ms).raw("}");
    });
    json.raw("}");
}
