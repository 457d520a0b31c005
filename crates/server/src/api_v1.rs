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
mod receivers;
mod rules;
mod search;
pub(crate) mod select;
mod self_metrics;
mod status;
mod targets;
pub(crate) mod tree;

use std::sync::Arc;

use axum::Router;
use wf_httpkit::Registry;

use crate::methods::{get, get_post, post, post_put};
use crate::state::ServerState;

pub(crate) use crate::state::ServerState as ApiState;

/// Routes below `/api/v1` that need storage: refused until it is open.
pub(crate) fn router() -> Router<Arc<ServerState>> {
    Router::new()
        .route("/query", get_post(query::instant))
        .route("/query_range", get_post(query::range))
        .route("/query_exemplars", get_post(exemplars::query_exemplars))
        .route("/format_query", get_post(format::format_query))
        .route("/parse_query", get_post(format::parse_query))
        .route("/query_explain", get_post(explain::query_explain))
        .route("/query_lint", get_post(lint::query_lint))
        .route("/series", get_post(select::series))
        .route("/labels", get_post(select::labels))
        .route("/label/{name}/values", get(select::label_values))
        .route("/metadata", get(targets::metadata))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(targets::target_metadata))
        .route("/targets/relabel_steps", get(targets::relabel_steps))
        .route("/scrape_pools", get(targets::scrape_pools))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .route("/alertmanagers", get(rules::alertmanagers))
        .route("/admin/tsdb/delete_series", post_put(admin::delete_series))
        .route("/admin/tsdb/clean_tombstones", post_put(admin::clean_tombstones))
        .route("/admin/tsdb/snapshot", post_put(admin::snapshot))
        .route("/write", post(receivers::remote_write))
        .route("/otlp/v1/metrics", post(receivers::otlp))
        .route("/features", get(features::features))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtime_info))
        .route("/status/buildinfo", get(status::build_info))
        .route("/status/discovery", get(discovery::sources))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/tsdb/blocks", get(status::blocks))
        .route("/scrape_pools/config", get(targets::scrape_pool_config))
        .route("/search/metric_names", get_post(search::metric_names))
        .route("/search/label_names", get_post(search::label_names))
        .route("/search/label_values", get_post(search::label_values))
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
