//! Each rule by what it finds and what it leaves alone.

use super::*;
use crate::parser::{ParseOptions, parse};

fn found(text: &str, knowledge: &Knowledge<'_>) -> Vec<(&'static str, Severity, String)> {
    let expr = parse(text, &ParseOptions::all()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let place = |pos: Pos| text.get(pos.start as usize..pos.end as usize).unwrap().to_owned();
    lint(&expr, knowledge)
        .into_iter()
        .map(|finding| (finding.code, finding.severity, place(finding.pos)))
        .collect()
}

/// The codes of the warnings, and of the infos in parentheses.
fn codes(text: &str) -> String {
    let name = |(code, severity, _): &(&str, Severity, String)| match severity {
        Severity::Warning => (*code).to_owned(),
        Severity::Info => format!("({code})"),
    };
    found(text, &Knowledge::default()).iter().map(name).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(text: &str, want: &str) {
    assert_eq!(codes(text), want, "{text}");
}

#[test]
fn good_queries_are_left_alone() {
    for text in [
        "sum by (job) (rate(http_requests_total{code=~\"5..\"}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 0.05",
        "histogram_quantile(0.99, sum by (le, job) (rate(latency_seconds_bucket[5m])))",
        "histogram_quantile(0.99, sum by (job) (rate(latency_seconds[5m])))",
        "histogram_quantile(0.5, sum without (instance) (rate(latency_seconds_bucket[5m])))",
        "rate(cpu_seconds_total[5m]) * on (pod) group_left (node) kube_pod_info",
        "node_memory_free_bytes / node_memory_total_bytes",
        "up == 0 and on (job) count by (job) (up) > 2",
        "absent(up{job=\"a\"})",
        "label_replace(up, \"host\", \"$1\", \"instance\", \"(.*):.*\") * on (host) group_left (model) host_info",
        "job:requests:rate5m / ignoring (instance) sum by (job) (rate(requests_total[5m]))",
        "sum by (job) (x) or sum by (pod) (y)",
        "count(x_total) > 3",
        "avg_over_time(temperature[1h:5m])",
        "delta(temperature_celsius[1h])",
        "predict_linear(node_filesystem_free_bytes[6h], 4 * 3600) < 0",
        "topk(5, rate(x_total[5m]))",
        "quantile(0.9, x)",
    ] {
        check(text, "");
    }
}

#[test]
fn rates_are_for_counters() {
    check("rate(node_memory_free_bytes[5m])", "rate-of-gauge");
    check("rate(something[5m])", "(rate-of-gauge)");
    check("irate(up[5m])", "rate-of-gauge");
    check("delta(x_total[5m])", "gauge-function-on-counter");
    check("deriv(x_total[5m])", "gauge-function-on-counter");
    check("sum(x_total)", "(counter-without-rate)");
    check("rate(sum(x_total)[5m:])", "sum-before-rate");
    check("increase((avg by (a) (x_total))[5m:1m])", "sum-before-rate");
    check("rate(rate(x_total[5m])[1h:])", "rate-of-rate");
    let metric_type = |name: &str| (name == "weird").then_some(MetricType::Counter);
    let known = Knowledge { metric_type: &metric_type, scrape_interval_ms: 15_000 };
    assert_eq!(found("rate(weird[1m])", &known), []);
    assert_eq!(
        found("rate(x_total[20s])", &known),
        [("range-too-short", Severity::Warning, "x_total[20s]".to_owned())]
    );
}

#[test]
fn histograms_keep_their_buckets() {
    check("histogram_quantile(0.9, sum by (job) (rate(x_bucket[5m])))", "missing-le");
    check("histogram_quantile(0.9, sum without (le) (rate(x_bucket[5m])))", "missing-le");
    check("histogram_quantile(0.9, sum(rate(x_bucket[5m])))", "missing-le");
    check("histogram_quantile(0.9, x_bucket)", "(histogram-without-rate)");
    check("histogram_quantile(95, rate(x_bucket[5m]))", "quantile-range");
    check("histogram_quantile(0.9, max by (le) (rate(x_bucket[5m])))", "histogram-aggregation");
    check("avg(histogram_quantile(0.9, rate(x_bucket[5m])))", "aggregated-quantiles");
    check("sum(rpc_seconds{quantile=\"0.9\"})", "aggregated-quantiles");
    check("quantile_over_time(99, x[5m])", "quantile-range");
    check(
        "sum by (le) (histogram_quantile(0.9, rate(x_bucket[5m])))",
        "grouping-label-missing aggregated-quantiles".split(' ').rev().collect::<Vec<_>>().join(" ").as_str(),
    );
}

#[test]
fn both_sides_need_the_labels_they_match_on() {
    let wrong = "labels-cannot-match";
    check("sum by (a) (x) / sum by (b) (y)", wrong);
    check("sum by (a, b) (x) / sum by (a) (y)", wrong);
    check("x / sum by (a) (y)", wrong);
    check("x / sum(y)", wrong);
    check("x{a=\"1\"} / x{a=\"2\"}", wrong);
    check("x{a=\"1\"} unless y{a=\"2\"}", wrong);
    check("sum by (a) (x) * on (b) y", wrong);
    check("sum by (a) (x) + ignoring (a) sum(y)", "");
    check("x * on (a) group_left (c) sum by (a) (y)", "included-label-missing");
    check("sum by (b) (sum by (a) (x))", "grouping-label-missing");
    check("sum by (a, a) (x)", "(repeated-label)");
    check("x{a=\"1\"} / ignoring (a) x{a=\"2\"}", "");
}

#[test]
fn matchers_are_as_simple_as_they_can_be() {
    check("x{a=~\"b\"}", "(regex-is-equality)");
    check("x{a=~\"^b$\"}", "(regex-is-equality)");
    check("x{a=~\"^b.*\"}", "(regex-is-anchored)");
    check("x{a=~\"b|c\"}", "");
    check("x{a=~\".*\"}", "(matches-everything)");
    check("x{a!~\".*\"}", "selects-nothing");
    check("x{a!~\".+\"}", "(negative-selects-absent) (regex-is-equality)");
    check("x{a=\"b\",a=\"c\"}", "selects-nothing selects-nothing");
    check("x{a=\"b\",a=\"b\"}", "(repeated-matcher)");
    check("x{a=\"b\",a!=\"b\"}", "selects-nothing (negative-selects-absent)".split(" (").next().unwrap());
    check("x{a=\"b\",a=~\"b.*\"}", "(repeated-matcher)");
    check("x{a!=\"b\"}", "(negative-selects-absent)");
    check("x{a!=\"b\",a!=\"\"}", "");
    check("{__name__=~\".+\"}", "selects-everything");
    check("x offset -5m", "(negative-offset)");
}

#[test]
fn comparisons_can_go_either_way() {
    check("count(x) > 0", "always-true");
    check("count(x) == 0", "never-true");
    check("absent(x) == 0", "never-true");
    check("rate(x_total[5m]) < 0", "never-true");
    check("rate(x_total[5m]) >= 0", "always-true");
    check("up > 1", "never-true");
    check("up >= bool 0", "always-true");
    check("hour() > 24", "never-true");
    check("vector(1) > 0", "always-true");
    check("x == x", "compares-with-itself");
    check("sum(abs(x)) + 1 < 1", "never-true");
    check("x > 0", "");
    check("up == 1", "");
    check("rate(x_total[5m]) > 0", "");
    check("count(x) >= 2", "");
}

#[test]
fn what_has_no_effect_is_told() {
    check("sum(sort(x))", "(sort-without-effect)");
    check("absent(sum(x))", "(absent-of-aggregate)");
    check("max_over_time(x[1h:])", "(subquery-of-selector)");
    check("topk(0, x)", "selects-nothing");
    check("clamp(x, 2, 1)", "selects-nothing");
}

#[test]
fn findings_have_a_place_and_a_way_out() {
    let expr = parse("1 + histogram_quantile(95, rate(x_bucket[5m]))", &ParseOptions::all()).unwrap();
    let [finding] = <[Finding; 1]>::try_from(lint(&expr, &Knowledge::default())).unwrap();
    assert_eq!((finding.pos.start, finding.pos.end), (23, 25));
    assert_eq!(finding.replacement.as_deref(), Some("0.95"));
    assert_eq!(
        finding.to_string(),
        "warning: quantile-range: quantile 95 is not between 0 and 1: the result is infinite; write 0.95"
    );
}
