//! `/admin/tsdb/…`: deleting series, cleaning up after it, snapshots. Off unless `--web.enable-admin-api` is given.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use jiff::Timestamp;
use wf_model::{Matcher, TimeRange};
use wf_tsdb::SnapshotHead;

use super::ApiState;
use super::error::{ApiError, ErrorKind};
use super::params::{MAX_TIME_MS, MIN_TIME_MS, Params};
use super::select::{envelope, reply};
use crate::query_pool::block;

/// Folder of the data directory in which snapshots are made.
const SNAPSHOTS: &str = "snapshots";

fn require_enabled(state: &ApiState) -> Result<(), ApiError> {
    match state.facts().is_admin_enabled {
        true => Ok(()),
        false => Err(ApiError::new(ErrorKind::Unavailable, "admin APIs disabled")),
    }
}

/// Deletes the samples of the selected series from `start` to `end`.
pub(crate) async fn delete_series(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    require_enabled(&state)?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let start_ms = params.time_or("start", MIN_TIME_MS)?;
    let end_ms = params.time_or("end", MAX_TIME_MS)?;
    let sets: Vec<Vec<Matcher>> =
        params.all("match[]").map(super::parse::selector).collect::<Result<_, _>>()?;
    block(move || {
        let tsdb = state.tsdb()?;
        let range = TimeRange { start_ms, end_ms };
        let outcome = sets.iter().try_for_each(|matchers| tsdb.delete(matchers, range).map(drop));
        // Also when it failed: part of it may be done.
        state.range_queries().clear();
        outcome.map_err(storage)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Rewrites blocks without what was deleted from them.
pub(crate) async fn clean_tombstones(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    require_enabled(&state)?;
    block(move || {
        let outcome = state.tsdb()?.clean_tombstones(state.now_ms());
        state.range_queries().clear();
        outcome.map_err(storage)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Makes a snapshot under the data directory and answers its name.
pub(crate) async fn snapshot(
    State(state): State<Arc<ApiState>>,
    params: Params,
) -> Result<Response, ApiError> {
    require_enabled(&state)?;
    let head = match params.get("skip_head").unwrap_or_default() {
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => SnapshotHead::Included,
        "1" | "t" | "T" | "true" | "TRUE" | "True" => SnapshotHead::Skipped,
        _ => return Err(ApiError::parameter("skip_head", "unable to parse boolean \"skip_head\" argument")),
    };
    let name = block(move || {
        let tsdb = state.tsdb()?;
        let name = snapshot_name(state.now_ms());
        let dir = tsdb.dir().join(SNAPSHOTS).join(&name);
        tsdb.snapshot(&dir, head, state.now_ms()).map_err(storage)?;
        Ok(name)
    })
    .await?;
    Ok(reply(envelope(false, |json| {
        json.raw(&format!("{{\"name\":\"{name}\"}}"));
    })))
}

/// `20261121T093000Z-` and sixteen hexadecimal digits that tell snapshots of one second apart.
fn snapshot_name(now_ms: i64) -> String {
    let time = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let unique = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), now_ms);
    format!("{}-{unique:016x}", time.strftime("%Y%m%dT%H%M%SZ"))
}

fn storage(error: impl std::error::Error) -> ApiError {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    ApiError::new(ErrorKind::Internal, message)
}
