//! Numbers about exemplars.

use wf_exposition::MetricFamily;
use wf_model::MetricType;
use wf_tsdb::ExemplarStats;

/// Appends the families of the exemplar storage of a database.
pub(super) fn push(families: &mut Vec<MetricFamily>, stats: &ExemplarStats) {
    let oldest_s = stats.oldest_ms.map_or(0.0, |oldest_ms| oldest_ms as f64 / 1000.0);
    let all: [(&str, &'static str, MetricType, f64); 6] = [
        (
            "exemplars_appended_total",
            "Total number of appended exemplars.",
            MetricType::Counter,
            stats.n_appended as f64,
        ),
        (
            "out_of_order_exemplars_total",
            "Total number of out of order exemplars refused.",
            MetricType::Counter,
            stats.n_out_of_order as f64,
        ),
        ("exemplars_in_storage", "Number of exemplars kept.", MetricType::Gauge, stats.n_exemplars as f64),
        (
            "series_with_exemplars_in_storage",
            "Number of series that have exemplars.",
            MetricType::Gauge,
            stats.n_series as f64,
        ),
        (
            "last_exemplars_timestamp_seconds",
            "Time of the oldest exemplar kept: how far back exemplars reach.",
            MetricType::Gauge,
            oldest_s,
        ),
        ("max_exemplars", "Most exemplars kept; 0 is off.", MetricType::Gauge, stats.n_max as f64),
    ];
    for (name, help, kind, value) in all {
        let mut family = MetricFamily::new(format!("prometheus_tsdb_exemplar_{name}"), help, kind);
        family.push(&[], value);
        families.push(family);
    }
}
