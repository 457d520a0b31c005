//! `/status/…` and `/features`: what this server is and how it is set.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use super::ApiState;
use super::error::ApiError;
use super::params::Params;
use super::select::{envelope, reply};
use crate::json::JsonWriter;
use crate::query_pool::block;

/// Largest `limit` of `/status/tsdb`.
const TSDB_LIMIT_MAX: usize = 10_000;

pub(crate) async fn config(State(state): State<Arc<ApiState>>) -> Response {
    let loaded = state.loaded_config();
    reply(envelope(false, |json| {
        json.raw(r#"{"yaml":"#).string(&wf_config::print::to_yaml(&loaded.config)).raw("}");
    }))
}

pub(crate) async fn flags(State(state): State<Arc<ApiState>>) -> Response {
    reply(envelope(false, |json| {
        json.raw("{");
        for (idx, (name, value)) in state.facts().flags.iter().enumerate() {
            json.item(idx == 0).key(name).string(value);
        }
        json.raw("}");
    }))
}

pub(crate) async fn build_info(State(state): State<Arc<ApiState>>) -> Response {
    let build = &state.facts().build;
    reply(envelope(false, |json| {
        json.raw("{");
        strings(
            json,
            &[
                ("version", crate::PROMETHEUS_VERSION),
                ("revision", &build.revision),
                ("branch", &build.branch),
                ("buildUser", ""),
                ("buildDate", ""),
                ("goVersion", wf_httpkit::process::GO_VERSION_STAND_IN),
                ("watchfireVersion", &build.version),
            ],
        );
        json.raw("}");
    }))
}

pub(crate) async fn runtime_info(State(state): State<Arc<ApiState>>) -> Response {
    let loaded = state.loaded_config();
    let n_cpus = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let facts = state.facts();
    reply(envelope(false, |json| {
        json.raw("{");
        strings(
            json,
            &[
                ("startTime", &rfc3339_ms(state.started_ms())),
                ("CWD", &facts.working_directory),
                ("hostname", &facts.hostname),
                ("serverTime", &rfc3339_ms(state.now_ms())),
                ("lastConfigTime", &rfc3339_s(loaded.loaded_ms)),
            ],
        );
        json.raw(r#","reloadConfigSuccess":"#).boolean(state.is_last_reload_successful());
        let stats = state.tsdb().map(|tsdb| tsdb.stats()).unwrap_or_default();
        json.raw(r#","corruptionCount":"#).integer(stats.wal_corruptions);
        let n_tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        json.raw(r#","goroutineCount":"#).integer(n_tasks as u64);
        json.raw(r#","GOMAXPROCS":"#).integer(n_cpus as u64);
        json.raw(r#","GOMEMLIMIT":"#).integer(i64::MAX).raw(",");
        let retention = crate::storage::described(&loaded.config.storage, &facts.retention);
        strings(json, &[("GOGC", ""), ("GODEBUG", ""), ("storageRetention", &retention)]);
        json.raw("}");
    }))
}

pub(crate) async fn wal_replay(State(state): State<Arc<ApiState>>) -> Response {
    let replay = state.replay();
    reply(envelope(false, |json| {
        json.raw(r#"{"min":"#).integer(replay.first_segment());
        json.raw(r#","max":"#).integer(replay.last_segment());
        json.raw(r#","current":"#).integer(replay.current_segment()).raw("}");
    }))
}

pub(crate) async fn tsdb(State(state): State<Arc<ApiState>>, params: Params) -> Result<Response, ApiError> {
    let limit = match params.get("limit") {
        None => 10,
        Some(_) => params.limit()?.filter(|limit| *limit <= TSDB_LIMIT_MAX).ok_or_else(|| {
            ApiError::bad_data(format!("limit must be a positive number of at most {TSDB_LIMIT_MAX}"))
        })?,
    };
    let text = block(move || {
        let cardinality = state.tsdb()?.cardinality(limit);
        Ok(envelope(false, |json| write_cardinality(json, &cardinality)))
    });
    Ok(reply(text.await?))
}

/// Blocks as their own files describe them.
pub(crate) async fn blocks(State(state): State<Arc<ApiState>>) -> Result<Response, ApiError> {
    let metas = state.tsdb()?.block_metas();
    Ok(reply(envelope(false, |json| {
        json.raw(r#"{"blocks":"#).list(&metas, |json, meta| {
            json.raw(&meta.to_json());
        });
        json.raw("}");
    })))
}

fn write_cardinality(json: &mut JsonWriter, cardinality: &wf_tsdb::Cardinality) {
    json.raw(r#"{"headStats":{"numSeries":"#).integer(cardinality.n_series);
    json.raw(r#","numLabelPairs":"#).integer(cardinality.n_label_pairs);
    json.raw(r#","chunkCount":"#).integer(cardinality.n_chunks);
    // An empty head has the original's sentinels: the largest and the smallest time.
    json.raw(r#","minTime":"#).integer(cardinality.min_time_ms.unwrap_or(i64::MAX));
    json.raw(r#","maxTime":"#).integer(cardinality.max_time_ms.unwrap_or(i64::MIN)).raw("}");
    let lists = [
        ("seriesCountByMetricName", &cardinality.series_count_by_metric_name),
        ("labelValueCountByLabelName", &cardinality.label_value_count_by_label_name),
        ("memoryInBytesByLabelName", &cardinality.memory_in_bytes_by_label_name),
        ("seriesCountByLabelValuePair", &cardinality.series_count_by_label_value_pair),
    ];
    for (name, list) in lists {
        json.raw(",").key(name).list(list, |json, (name, value)| {
            json.raw(r#"{"name":"#).string(name).raw(r#","value":"#).integer(*value).raw("}");
        });
    }
    json.raw("}");
}

fn strings(json: &mut JsonWriter, members: &[(&str, &str)]) {
    for (idx, (name, value)) in members.iter().enumerate() {
        json.item(idx == 0).key(name).string(value);
    }
}

/// Writes a time as RFC 3339 with its fraction, as Go does.
pub(crate) fn rfc3339_ms(time_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(time_ms).map_or_else(|_| String::new(), |time| time.to_string())
}

fn rfc3339_s(time_ms: i64) -> String {
    rfc3339_ms(time_ms.div_euclid(1000) * 1000)
}
