//! What dashboards ask, and for which windows.

use std::time::Duration;

use anyhow::Result;

use super::ALL_SERIES;
use super::sets::DataSet;
use crate::Server;
use crate::servers::QueryRange;

/// Queries; the name is the row in the table.
const QUERIES: &[(&str, &str)] = &[
    ("cluster CPU", "sum by (namespace) (rate(container_cpu_usage_seconds_total[5m]))"),
    (
        "usage over requests",
        "avg by (namespace) (sum by (namespace, pod) (rate(container_cpu_usage_seconds_total[5m])) / on (namespace, pod) sum by (namespace, pod) (kube_pod_container_resource_requests))",
    ),
    (
        "memory deduplicated",
        "sum by (namespace) (max by (namespace, pod, container) (container_memory_working_set_bytes))",
    ),
    ("network", "sum by (instance) (irate(container_network_receive_bytes_total[5m])) * 8"),
    ("disk by regex", "sum by (device) (rate(container_fs_reads_total{device=~\"sda|sdb|nvme.+\"}[5m]))"),
    (
        "throttling",
        "sum by (namespace) (increase(container_cpu_cfs_throttled_periods_total[5m])) / sum by (namespace) (increase(container_cpu_cfs_periods_total[5m])) > 0.01",
    ),
    (
        "quantile of 20k buckets",
        "histogram_quantile(0.99, sum by (le, namespace) (rate(http_request_duration_seconds_bucket{handler=\"/api/0\"}[5m])))",
    ),
    (ALL_SERIES, "sum by (namespace) (rate(http_request_duration_seconds_bucket[5m]))"),
    ("node use", "topk(5, 1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[5m])))"),
    (
        "node forecast",
        "topk(5, predict_linear(node_filesystem_avail_bytes[1h], 14400) / node_filesystem_size_bytes)",
    ),
    (
        "owner join",
        "sum by (owner_name) (rate(container_cpu_usage_seconds_total[5m]) * on (namespace, pod) group_left (owner_name) kube_pod_owner)",
    ),
    ("count of everything", "count by (namespace) ({job=\"cadvisor\"})"),
    ("topk of pods", "topk(10, rate(container_network_receive_bytes_total[5m]))"),
    ("quantile over pods", "quantile by (namespace) (0.9, rate(container_cpu_usage_seconds_total[5m]))"),
    (
        "regex of pods",
        "sum(container_memory_working_set_bytes{pod=~\"app-[1-3]-.*\",namespace!~\"team-0.*\"})",
    ),
    ("subquery", "max_over_time(sum(rate(container_cpu_usage_seconds_total[5m]))[1h:1m])"),
    ("over time", "sum by (namespace) (max_over_time(container_memory_working_set_bytes[30m]))"),
];

/// Hours and step of the windows of the dashboards, seconds; an instant query for zero.
const WINDOWS: &[(u64, u64)] = &[(0, 0), (1, 15), (6, 30), (24, 120), (168, 600), (720, 3_600)];

/// Look-ups: name, path, selector.
const LOOKUPS: &[(&str, &str, &str)] = &[
    ("label names", "/api/v1/labels", ""),
    ("values of pod", "/api/v1/label/pod/values", ""),
    (
        "values of pod by selector",
        "/api/v1/label/pod/values",
        "container_cpu_usage_seconds_total{namespace=~\"team-0.+\"}",
    ),
    ("series by selector", "/api/v1/series", "http_request_duration_seconds_bucket{namespace=\"team-07\"}"),
];

/// Windows end this much after a whole minute, so that neither their steps nor steps of whole minutes meet a sample.
const PHASE_S: u64 = 3;

/// One thing to ask.
pub(super) struct Asked {
    pub(super) name: &'static str,
    /// Such as `6 h / 30 s`, `instant`, `look-up`.
    pub(super) window: String,
    what: What,
}

enum What {
    Query(&'static str, QueryRange),
    LookUp { path: &'static str, selector: &'static str, start_s: u64, end_s: u64 },
}

/// Returns all that is asked of a data set: queries whose names hold `only`, over the windows of these hours that it has.
pub(super) fn requests(set: &DataSet, only: &str, hours: Option<&[u64]>) -> Vec<Asked> {
    let (start_s, data_end_s) = (set.data.start_ms / 1_000, set.data.end_ms / 1_000);
    let end_s = data_end_s - 60 + PHASE_S;
    let n_hours = (data_end_s - start_s) / 3_600;
    let is_wanted =
        |window_h: u64| window_h <= n_hours && hours.is_none_or(|hours| hours.contains(&window_h));
    let windows = || WINDOWS.iter().filter(|(window_h, _)| is_wanted(*window_h));
    let query = |name, text, (window_h, step_s): (u64, u64)| {
        let (range, window) = match window_h {
            0 => (QueryRange::instant(end_s), "instant".to_owned()),
            1..=24 => (
                QueryRange { start_s: end_s - window_h * 3_600, end_s, step_s },
                format!("{window_h} h / {step_s} s"),
            ),
            _ => (
                QueryRange { start_s: end_s - window_h * 3_600, end_s, step_s },
                format!("{} d / {step_s} s", window_h / 24),
            ),
        };
        Asked { name, window, what: What::Query(text, range) }
    };
    let look_up = |(name, path, selector): &(&'static str, &'static str, &'static str)| Asked {
        name,
        window: "look-up".to_owned(),
        what: What::LookUp { path, selector, start_s, end_s },
    };
    let queries =
        QUERIES.iter().flat_map(|(name, text)| windows().map(|window| query(*name, *text, *window)));
    let look_ups = LOOKUPS.iter().filter(|_| is_wanted(0)).map(look_up);
    queries.chain(look_ups).filter(|one| one.name.contains(only)).collect()
}

impl Asked {
    /// Asks without caches of answers.
    pub(super) fn ask(&self, server: &Server) -> Result<(Duration, String)> {
        match &self.what {
            What::Query(text, range) => server.query(text, *range),
            What::LookUp { path, selector, start_s, end_s } => {
                let (start, end) = (start_s.to_string(), end_s.to_string());
                let mut form = vec![("start", start.as_str()), ("end", end.as_str()), ("nocache", "1")];
                if !selector.is_empty() {
                    form.push(("match[]", *selector));
                }
                server.ask(path, &form)
            }
        }
    }

    /// Asks so that a cache may answer.
    pub(super) fn ask_cached(&self, server: &Server) -> Result<(Duration, String)> {
        match &self.what {
            What::Query(text, range) => server.query_cached(text, *range),
            What::LookUp { .. } => self.ask(server),
        }
    }

    /// Returns whether somebody may keep parts of its answer: it has steps.
    pub(super) fn may_be_cached(&self) -> bool {
        matches!(&self.what, What::Query(_, range) if range.step_s > 0)
    }
}
