//! The HTTP API, version 1.
//!
//! # Reading order: this file (routes), `params`, `error`, `query`, `encode`, `select`, then the rest.
//! # Source: `spec/prometheus-query.md` §4.

mod admin;
mod discovery;
pub(crate) mod encode;
pub(crate) mod error;
mod exemplars;
pub(crate) mod explain;
mod features;
mod format;
pub(crate) mod lint;
mod notifications;
mod openapi;
pub(crate) mod params;
pub(crate) mod parse;
mod query;
mod rules;
mod search;
pub(crate) mod select;
mod self_metrics;
mod status;
mod targets;
pub(crate) mod tree;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use wf_httpkit::Registry;

use crate::state::ServerState;

pub(crate) use crate::state::ServerState as ApiState;

/// Routes below `/api/v1` that need storage: refused until it is open.
pub(crate) fn router() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/query_exemplars", get(exemplars::query_exemplars).post(exemplars::query_exemplars))
        .route("/format_query", get(format::format_query).post(format::format_query))
        .route("/parse_query", get(format::parse_query).post(format::parse_query))
        .route("/query_explain", get(explain::query_explain).post(explain::query_explain))
        .route("/query_lint", get(lint::query_lint).post(lint::query_lint))
        .route("/series", get(select::series).post(select::series))
        .route("/labels", get(select::labels).post(select::labels))
        .route("/label/{name}/values", get(select::label_values))
        .route("/metadata", get(targets::metadata))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(targets::target_metadata))
        .route("/targets/relabel_steps", get(targets::relabel_steps))
        .route("/scrape_pools", get(targets::scrape_pools))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/alertmanagers", get(rules::alertmanagers))
        .route("/admin/tsdb/delete_series", post(admin::delete_series).put(admin::delete_series))
        .route("/admin/tsdb/clean_tombstones", post(admin::clean_tombstones).put(admin::clean_tombstones))
        .route("/admin/tsdb/snapshot", post(admin::snapshot).put(admin::snapshot))
        .route("/features", get(features::features))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtime_info))
        .route("/status/buildinfo", get(status::build_info))
        .route("/status/discovery", get(discovery::sources))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/tsdb/blocks", get(status::blocks))
        .route("/scrape_pools/config", get(targets::scrape_pool_config))
        .route("/search/metric_names", get(search::metric_names).post(search::metric_names))
        .route("/search/label_names", get(search::label_names).post(search::label_names))
        .route("/search/label_values", get(search::label_values).post(search::label_values))
}

/// Routes below `/api/v1` that answer while storage is still being read.
pub(crate) fn early_router() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/status/walreplay", get(status::wal_replay))
        .route("/notifications", get(notifications::list))
        .route("/notifications/live", get(notifications::live))
        .route("/openapi.yaml", get(openapi::document))
}

/// The route that reads the server's own metrics.
pub(crate) fn self_metrics_router(registry: &Registry) -> Router<Arc<ServerState>> {
    Router::new().route("/status/self_metrics", get(self_metrics::self_metrics).with_state(registry.clone()))
}
