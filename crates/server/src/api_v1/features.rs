//! `/features`: what this server can do and what is switched on, so that clients need not guess by version.
//!
//! Categories and names are the original's; what it has and is not named here, we do not have.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use wf_promql::functions::FUNCTIONS;

use super::ApiState;
use super::select::{envelope, reply};
use crate::json::JsonWriter;

/// Operators, those of matchers included, and aggregations.
const OPERATORS: [&str; 31] = [
    "!=",
    "!~",
    "%",
    "*",
    "+",
    "-",
    "/",
    "<",
    "<=",
    "==",
    "=~",
    ">",
    ">=",
    "@",
    "^",
    "and",
    "atan2",
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "max",
    "min",
    "or",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
    "unless",
];

/// Aggregations that experimental functions are needed for.
const EXPERIMENTAL_OPERATORS: [&str; 2] = ["limit_ratio", "limitk"];

/// Sources of targets that are built in.
const DISCOVERY: [&str; 11] = [
    "consul",
    "dns",
    "docker",
    "dockerswarm",
    "etcd",
    "eureka",
    "file",
    "http",
    "nerve",
    "serverset",
    "static",
];

/// Functions of templates.
const TEMPLATING: [&str; 30] = [
    "args",
    "externalURL",
    "first",
    "graphLink",
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "label",
    "match",
    "now",
    "parseDuration",
    "pathPrefix",
    "query",
    "reReplaceAll",
    "safeHtml",
    "sortByLabel",
    "stripDomain",
    "stripPort",
    "strvalue",
    "tableLink",
    "title",
    "tmpl",
    "toDuration",
    "toLower",
    "toTime",
    "toUpper",
    "urlQueryEscape",
    "value",
];

type Switches = Vec<(&'static str, bool)>;

pub(crate) async fn features(State(state): State<Arc<ApiState>>) -> Response {
    let all = [
        ("api", api(&state)),
        (
            "prometheus",
            vec![
                ("agent_mode", false),
                ("auto_reload_config", is_set(&state, "config.auto-reload")),
                ("server_mode", true),
            ],
        ),
        ("promql", promql(&state)),
        ("promql_functions", functions(&state)),
        ("promql_operators", operators(&state)),
        (
            "rules",
            vec![
                ("concurrent_rule_eval", has(&state, "concurrent-rule-eval")),
                ("keep_firing_for", true),
                ("query_offset", true),
            ],
        ),
        (
            "scrape",
            vec![
                ("extra_scrape_metrics", has(&state, "extra-scrape-metrics")),
                ("start_timestamp_zero_ingestion", has(&state, "created-timestamp-zero-ingestion")),
                ("type_and_unit_labels", has(&state, "type-and-unit-labels")),
            ],
        ),
        ("service_discovery_providers", on(&DISCOVERY)),
        ("templating_functions", on(&TEMPLATING)),
        (
            "tsdb",
            vec![
                ("delayed_compaction", has(&state, "delayed-compaction")),
                ("exemplar_storage", has(&state, "exemplar-storage")),
                ("isolation", true),
                ("native_histograms", true),
                ("use_uncached_io", has(&state, "use-uncached-io")),
            ],
        ),
        ("ui", vec![("ui_v2", false), ("ui_v3", true)]),
    ];
    reply(envelope(false, |json| {
        json.raw("{");
        for (idx, (category, switches)) in all.iter().enumerate() {
            json.item(idx == 0).key(category);
            write(json, switches);
        }
        json.raw("}");
    }))
}

fn api(state: &ApiState) -> Switches {
    let facts = state.facts();
    vec![
        ("admin", facts.is_admin_enabled),
        ("exclude_alerts", true),
        ("label_values_match", true),
        ("lifecycle", facts.is_lifecycle_enabled),
        ("otlp_write_receiver", false),
        ("query_stats", true),
        ("query_warnings", true),
        ("remote_write_receiver", false),
        ("search", facts.is_search_enabled),
        ("time_range_labels", true),
        ("time_range_series", true),
    ]
}

fn promql(state: &ApiState) -> Switches {
    let features = state.engine().options().features;
    vec![
        ("anchored", features.extended_range_selectors),
        ("at_modifier", true),
        ("bool", true),
        ("by", true),
        ("delayed_name_removal", features.delayed_name_removal),
        ("duration_expr", true),
        ("fill", features.binop_fill_modifiers),
        ("group_left", true),
        ("group_right", true),
        ("ignoring", true),
        ("negative_offset", true),
        ("offset", true),
        ("on", true),
        ("per_query_lookback_delta", true),
        ("per_step_stats", features.per_step_stats),
        ("smoothed", features.extended_range_selectors),
        ("subqueries", true),
        ("type_and_unit_labels", features.type_and_unit_labels),
        ("without", true),
    ]
}

fn functions(state: &ApiState) -> Switches {
    let takes_experimental = state.engine().options().features.experimental_functions;
    FUNCTIONS.iter().map(|function| (function.name, takes_experimental || !function.experimental)).collect()
}

fn operators(state: &ApiState) -> Switches {
    let takes_experimental = state.engine().options().features.experimental_functions;
    let experimental = EXPERIMENTAL_OPERATORS.iter().map(|name| (*name, takes_experimental));
    on(&OPERATORS).into_iter().chain(experimental).collect()
}

fn on(names: &[&'static str]) -> Switches {
    names.iter().map(|name| (*name, true)).collect()
}

/// Whether `--enable-feature` names a feature.
fn has(state: &ApiState, feature: &str) -> bool {
    state.facts().flags.get("enable-feature").is_some_and(|list| list.split(',').any(|one| one == feature))
}

fn is_set(state: &ApiState, flag: &str) -> bool {
    state.facts().flags.get(flag).is_some_and(|value| value == "true")
}

fn write(json: &mut JsonWriter, switches: &[(&str, bool)]) {
    json.raw("{");
    for (idx, (name, is_on)) in switches.iter().enumerate() {
        json.item(idx == 0).key(name).boolean(*is_on);
    }
    json.raw("}");
}
